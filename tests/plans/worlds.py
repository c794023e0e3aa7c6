"""Worlds: what resolvers do, decided by a seed and the place in the answer alone.

Two executions in the same world meet the same values, failures and waits, in whatever order they
come by. Each writes down what its resolvers were told.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLResolveInfo,
    Undefined,
    is_enum_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.pyutils import Path

Place = tuple[Any, ...]
LEAVES: dict[str, list[Any]] = {
    "Int": [0, 1, -5, 2**31 - 1, 2**31, 7.0, "12", True],
    "Float": [0.5, 3, -1.25, "2.5", False, float("inf")],
    "String": ["", "text", "ünï", 5, 1.5, True],
    "Boolean": [True, False, 0, 1.0],
    "ID": ["id", 7, "0"],
    "DateTime": [datetime(2026, 1, 2, 3, 4, 5), datetime(1815, 12, 10)],  # noqa: DTZ001
}
WRONG: list[Any] = [
    [1],
    {"a": 1},
    object,
    3.7,
    "wrong",
    2**40,
    -(2**31) - 1,
    float("nan"),
    True,
    b"x",
]


class Trouble(Exception):  # noqa: N818
    """Something that a resolver raises."""


class WithMessage(Exception):  # noqa: N818
    """An exception with a message of its own."""

    message = "of its own"


class Promise:
    """An awaitable that is no coroutine."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __await__(self) -> Iterator[Any]:
        return self._make().__await__()


class Some:
    """An iterable that is no collection."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)


@dataclass
class World:
    """How often what happens, and what resolvers were told."""

    seed: int
    make: Callable[["World", Any, Place, Random], Any]  # an object of a composite type
    trouble: float = 0.0
    asynchrony: float = 0.0
    nulls: float = 0.1
    log: list[Any] = field(default_factory=list)
    waits: list[Any] = field(default_factory=list)

    def again(self) -> "World":
        """The same world, with nothing written down."""
        return World(self.seed, self.make, self.trouble, self.asynchrony, self.nulls)

    def chance(self, *place: Any) -> Random:
        """A source of chance of its own for each place."""
        return Random(f"{self.seed}{place}")

    def happens(self, what: str, place: Place) -> bool:
        """Whether trouble of a kind comes up at a place."""
        return self.chance(what, place).random() < self.trouble / 2

    def tell(self, info: Any, arguments: dict[str, Any]) -> None:
        """Write down what a resolver was told."""
        variables = getattr(info.variable_values, "coerced", info.variable_values)
        sources = {
            name: (each.signature.name, str(each.signature.type), repr(each.value),
                   each.signature.default and id(each.signature.default.literal))
            for name, each in getattr(info.variable_values, "sources", {}).items()
        }  # fmt: skip
        self.log.append((
            info.field_name, info.path.as_list(), typenames(info.path), str(info.return_type),
            info.parent_type.name, repr(variables), sources, id(info.operation),
            [id(node) for node in info.field_nodes], id(info.schema), info.context is self,
            list(info.fragments), id(info.root_value), repr(arguments), info.abort_signal,
            type(info)._fields, isinstance(info, GraphQLResolveInfo), info.is_awaitable,
        ))  # fmt: skip

    def value(self, type_: Any, place: Place) -> Any:
        """What a resolver answers, or raises."""
        chance = self.chance("value", place)
        if chance.random() >= self.asynchrony:
            return self._now(type_, place, chance)
        turns, kind = chance.randrange(3), chance.random()

        async def wait() -> Any:
            for _ in range(turns):
                await asyncio.sleep(0)
            return self._now(type_, place, chance)

        if kind > 0.8:
            return Promise(wait)
        self.waits.append(wait())
        return self.waits[-1]

    def close(self) -> None:
        """Give up whatever nobody waited for: where a list is none, its items are dropped."""
        for each in self.waits:
            each.close()

    def item(self, type_: Any, place: Place) -> Any:
        """An item of a list: as what a resolver answers, but nothing is raised at once."""
        try:
            return self.value(type_, place)
        except Exception as error:  # noqa: BLE001
            return error

    def _now(self, type_: Any, place: Place, chance: Random) -> Any:
        if chance.random() < self.trouble:
            return wrong(chance)
        return self.plain(type_, place, chance)

    def plain(self, type_: Any, place: Place, chance: Random) -> Any:
        """A value of a type."""
        if is_non_null_type(type_):
            type_ = type_.of_type
        elif chance.random() < self.nulls:
            return None
        if is_list_type(type_):
            count = chance.choice([0, 1, 2, 2, 3])
            items = [self.item(type_.of_type, (*place, index)) for index in range(count)]
            return some_list(items, chance, self.trouble)
        return leaf(type_, chance) if is_leaf_type(type_) else self.make(self, type_, place, chance)


def leaf(type_: Any, chance: Random) -> Any:
    """A value of a scalar or an enum."""
    if is_enum_type(type_):
        return chance.choice([each.value for each in type_.values.values()])
    return chance.choice(LEAVES.get(type_.name, ["some", 1, [1, 2], {"a": None}]))


def wrong(chance: Random) -> Any:
    """Null, a value that hardly any type takes, or an exception, returned or raised."""
    kind = chance.randrange(8)
    if kind < 3:
        return [None, Undefined, chance.choice(WRONG)][kind]
    error = chance.choice([
        Trouble("in trouble"),
        GraphQLError("refused", extensions={"code": chance.choice(["A", "B"])}),
        WithMessage("unseen"),
        GraphQLError("elsewhere", path=["some", "where"]),
    ])  # fmt: skip
    if kind < 5:
        return error
    raise error


def some_list(items: list[Any], chance: Random, trouble: float) -> Any:
    """Something that is taken for a list."""
    kind = chance.random()
    ends_badly = chance.random() < trouble / 4

    def one_by_one() -> Iterator[Any]:
        yield from items
        if ends_badly:
            raise Trouble("no more")

    async def one_by_one_later() -> AsyncIterator[Any]:
        for index, item in enumerate(items):
            if index % 2:
                await asyncio.sleep(0)
            yield item
        if ends_badly:
            raise Trouble("no more")

    if kind < 0.6:
        return items
    if kind < 0.7:
        return tuple(items)
    if kind < 0.8:
        return Some(items)
    return one_by_one() if kind < 0.9 else one_by_one_later()


def typenames(path: Path | None) -> list[Any]:
    """The types that a path tells of."""
    found = []
    while path is not None:
        found.append((type(path), path.typename))
        path = path.prev
    return found
