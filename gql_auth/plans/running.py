"""One execution of a plan: what its steps share, and how errors and awaitables are kept."""

from asyncio import Future, gather, get_running_loop
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from types import CoroutineType
from typing import Any, Final, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLResolveInfoHelpers,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableValues,
    located_error,
)
from graphql.pyutils import Path, gather_with_cancel
from strawberry.execution import optimized_is_awaitable

is_awaitable: Final = optimized_is_awaitable

# The constructor of named tuples without its detour through Python: Path(…) takes twice as long.
new: Final = tuple.__new__

# Values of these types are never awaitable, whatever else they are.
PLAIN: Final = frozenset(
    {bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple, type(None)}
)

# Work that goes on after its answer was given up; the loop keeps only weak references to it.
_background: set[Future[Any]] = set()


class StrawberryResolveInfo(NamedTuple):
    """What Strawberry's executor passes to resolvers: variables as a plain dict, and extensions
    of the operation."""

    field_name: str
    field_nodes: list[FieldNode]
    return_type: GraphQLOutputType
    parent_type: GraphQLObjectType
    path: Path
    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    root_value: Any
    operation: OperationDefinitionNode
    variable_values: dict[str, Any]
    context: Any
    is_awaitable: Callable[[Any], bool]
    abort_signal: Any
    async_helpers: GraphQLResolveInfoHelpers
    operation_extensions: dict[str, Any] | None


class Operation(NamedTuple):
    """What all executions of a plan have in common."""

    schema: GraphQLSchema
    definition: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    by_strawberry: bool
    is_awaitable: Callable[[Any], Any]  # what resolvers see


# A completer is called with the execution, the value, what its field's resolver was told (None
# where nobody asks for it), and where the value goes: the path above it, and its key in there. It
# answers the completed value or a coroutine of it: whether to wait is told by the type alone.
Completer = Callable[["Execution", Any, Any, Path | None, Any], Any]


class Execution:
    """What one execution knows."""

    __slots__ = ("_nulled", "_tail", "context", "errors", "extensions", "operation", "root",
                 "values")  # fmt: skip

    def __init__(
        self,
        operation: Operation,
        root: Any,
        context: Any,
        values: VariableValues,
        extensions: dict[str, Any] | None,
    ) -> None:
        self.operation = operation
        self.root = root
        self.context = context
        self.values = values
        self.extensions = extensions
        self.errors: list[GraphQLError] = []
        self._nulled: set[Path | None] = set()
        self._tail: tuple[Any, ...] | None = None

    def fail(self, error: Exception, nodes: list[FieldNode], path: Path, *, required: bool) -> None:
        """Keep an error of a value that may be null.

        Raises:
            GraphQLError: it may not.
        """
        located = located_error(error, nodes.copy(), path.as_list())
        if required:
            raise located
        self.add(located, path)

    def add(self, error: GraphQLError, path: Path | None) -> None:
        """Keep an error, unless what it happened in has become null already."""
        nulled, position = self._nulled, path
        while position is not None:
            if position in nulled:
                return
            position = position.prev
        if None not in nulled:
            nulled.add(path)
            self.errors.append(error)

    def info(
        self,
        name: str,
        nodes: list[FieldNode],
        type_: GraphQLOutputType,
        parent: GraphQLObjectType,
        path: Path,
    ) -> Any:
        """What a resolver is told, in the very form in which the executor tells it."""
        tail = self._tail
        if tail is None:
            tail = self._tail = self._make_tail()
        kind = StrawberryResolveInfo if self.operation.by_strawberry else GraphQLResolveInfo
        return new(kind, (name, nodes.copy(), type_, parent, path, *tail))

    def _make_tail(self) -> tuple[Any, ...]:
        """The part of it that is the same for all fields."""
        schema, definition, fragments, by_strawberry, checks = self.operation
        tail = (
            schema,
            fragments.copy(),
            self.root,
            definition,
            self.values.coerced if by_strawberry else self.values,
            self.context,
            checks,
            None,
            _HELPERS,
        )
        return (*tail, self.extensions) if by_strawberry else tail


def awaits(value: Any) -> bool:
    """Whether a value is to be awaited."""
    kind = type(value)
    return kind is CoroutineType or (kind not in PLAIN and is_awaitable(value))


def settle_in_background(awaitables: Sequence[Awaitable[Any]]) -> None:
    """Let work come to its end that nobody waits for any more; without a loop, give it up."""
    try:
        get_running_loop()
    except RuntimeError:
        for each in awaitables:
            if isinstance(each, CoroutineType):
                each.close()
        return
    future = gather(*awaitables, return_exceptions=True)
    _background.add(future)
    future.add_done_callback(_background.discard)


def rest_of(iterator: Iterator[Any]) -> list[Awaitable[Any]]:
    """The awaitables that an abandoned iterator still holds."""
    found: list[Awaitable[Any]] = []
    with suppress(Exception):
        found.extend(item for item in iterator if is_awaitable(item))
    return found


async def relay(awaitable: Awaitable[Any]) -> Any:
    """Any awaitable as a coroutine: steps tell by the type alone whether to wait."""
    return await awaitable


async def settle_fields(results: dict[str, Any], waiting: list[str]) -> dict[str, Any]:
    """Wait for some fields of an object, together."""
    if len(waiting) == 1:
        name = waiting[0]
        results[name] = await results[name]
    else:
        done = await gather_with_cancel(*[results[name] for name in waiting])
        results.update(zip(waiting, done, strict=True))
    return results


async def settle_items(results: list[Any], waiting: list[int]) -> list[Any]:
    """Wait for some items of a list, together."""
    if len(waiting) == 1:
        index = waiting[0]
        results[index] = await results[index]
    else:
        done = await gather_with_cancel(*[results[index] for index in waiting])
        for index, item in zip(waiting, done, strict=True):
            results[index] = item
    return results


def _gather(values: Sequence[Awaitable[Any]]) -> Awaitable[list[Any]]:
    return gather_with_cancel(*values)


def _track(values: Iterable[Any]) -> None:
    awaitables = [value for value in values if is_awaitable(value)]
    if awaitables:
        settle_in_background(awaitables)


_HELPERS: Final = GraphQLResolveInfoHelpers(gather=_gather, track=_track)
