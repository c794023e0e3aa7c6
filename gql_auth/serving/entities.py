"""`_entities`: what routers ask for by key, because another subgraph refers to it.

Anybody who can reach the server can ask, too, and a representation is whatever was sent.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, cast

import strawberry
from graphql import (
    GraphQLError,
    GraphQLObjectType,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)

from gql_auth.kernel.errors import Refused, Unauthenticated

# Finds many of one type by `id`, in the order of the ids: each an object, a refusal, or None.
Finder = Callable[[strawberry.Info, Sequence[str]], Awaitable[Sequence[object]]]

KEY: Final = "id"  # of what finders find


class RepresentationRefused(Refused):
    """What was sent names no entity of this subgraph. Of the schema the message tells nothing."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, reason: str = "REPRESENTATION_INVALID") -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "reason": self.reason}


class Entities:
    """The entities of a subgraph.

    Args:
        kinds: the types by name.
        finders: for those of them that are ours; others have a `resolve_reference`.
        most: of one field.
    """

    def __init__(
        self,
        kinds: Mapping[str, GraphQLObjectType],
        finders: Mapping[type, Finder],
        most: int,
    ) -> None:
        self._kinds = kinds
        self._finders = finders
        self._most = most

    async def resolve(self, info: strawberry.Info, representations: Sequence[object]) -> list[Any]:
        """What is meant, in the order of the representations: an object, None, or why not.

        Raises:
            RepresentationRefused: too many at once.
        """
        if len(representations) > self._most:
            raise RepresentationRefused(
                f"More than {self._most} representations: ask for them in several requests",
                "TOO_MANY_REPRESENTATIONS",
            )
        found: list[Any] = [None] * len(representations)
        ours: dict[type, dict[int, str]] = {}
        theirs: dict[int, Callable[[], object]] = {}
        for place, representation in enumerate(representations):
            try:
                kind, given = self._read(representation)
                if kind in self._finders:
                    ours.setdefault(kind, {})[place] = _id_in(given)
                else:
                    theirs[place] = _prepare(cast(Any, kind).resolve_reference, given, info)
            except RepresentationRefused as refused:
                found[place] = refused
        for kind, ids in ours.items():
            try:
                answers = await self._finders[kind](info, list(ids.values()))
            except Unauthenticated as refused:
                answers = [refused] * len(ids)
            for place, answer in zip(ids, answers, strict=True):
                found[place] = answer
        # After all that may raise: they may be coroutines, which the executor awaits.
        for place, resolve in theirs.items():
            try:
                found[place] = resolve()
            except Exception as error:  # noqa: BLE001 - of one entity; told or masked as any other
                found[place] = error
        return found

    def _read(self, representation: object) -> tuple[type, dict[str, Any]]:
        """The type that is meant, and what is said of the object, each as its field has it.

        Raises:
            RepresentationRefused: there is no such type or field.
        """
        if not isinstance(representation, dict):
            raise RepresentationRefused("A representation must be an object")
        name = representation.get("__typename")
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            raise RepresentationRefused(
                "`__typename` of a representation names no entity of this subgraph"
            )
        given = {
            field: _coerced(kind, field, value)
            for field, value in representation.items()
            if field != "__typename"
        }
        return origin_of(kind), given


def origin_of(kind: GraphQLObjectType) -> type:
    """The class that a type was made of."""
    return cast(type, kind.extensions["strawberry-definition"].origin)


def _coerced(kind: GraphQLObjectType, name: str, value: object) -> object:
    field = kind.fields.get(name)
    if field is None:
        raise RepresentationRefused("A representation holds a field that its entity has not")
    another = RepresentationRefused("A field of a representation has a value of another type")
    if value is None:
        if is_non_null_type(field.type):
            raise another
        return None
    wanted: Any = get_nullable_type(field.type)
    if not is_leaf_type(wanted):
        return value
    try:
        return cast(object, cast(Any, wanted).parse_value(value))
    except (GraphQLError, ValueError, TypeError):
        raise another from None


def _id_in(given: Mapping[str, Any]) -> str:
    if given.keys() != {KEY}:
        raise RepresentationRefused(f"A representation of this entity must hold `{KEY}` alone")
    return cast(str, given[KEY])


def _prepare(
    resolve: Callable[..., object], given: Mapping[str, Any], info: strawberry.Info
) -> Callable[[], object]:
    """A call of a host's `resolve_reference`. What does not fit it is the client's mistake; a
    TypeError from within would be the host's."""
    signature = inspect.signature(resolve)
    arguments = {**given, **({"info": info} if "info" in signature.parameters else {})}
    try:
        bound = signature.bind(**arguments)
    except TypeError:
        raise RepresentationRefused(
            "A representation must hold the key fields of its entity"
        ) from None
    return lambda: resolve(*bound.args, **bound.kwargs)
