"""Values at their place in the answer: completed now or later, and what happens if they cannot be.

This holds for the fields of objects and for the items of lists alike.
"""

from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any, NamedTuple, NoReturn

from graphql import GraphQLOutputType, is_non_null_type
from graphql.pyutils import Path

from gql_auth.plans.collecting import Site
from gql_auth.plans.running import PLAIN, Completer, Execution, is_awaitable, new


class Finish(NamedTuple):
    """What to do with a value at its place. Each answers the completed value, or a coroutine of
    it; and raises nothing but located errors, where the place takes no null.

    The place is given by the path above it, and its key in there.
    """

    any: Callable[[Execution, Any, Any, Path | None, Any], Any]  # of whatever it is
    awaited: Callable[[Execution, Any, Any, Path | None, Any], Any]  # of what is to be awaited
    guarded: Callable[[Execution, Any, Path | None, Any], Any]  # of a coroutine that completes it


def finisher(
    site: Site, type_: GraphQLOutputType, complete: Completer, typename: str | None
) -> Finish:
    """Finishes values of a type. `complete` completes them as if they might be null."""
    nodes, required = site.nodes, is_non_null_type(type_)
    no_null = f"Cannot return null for non-nullable field {site.parent}.{site.name}."

    async def awaited(
        run: Execution, awaitable: Awaitable[Any], info: Any, path: Path | None, key: Any
    ) -> Any:
        try:
            completed = complete(run, await awaitable, info, path, key)
            if completed is None and required:
                refuse(no_null)
            if type(completed) is CoroutineType:
                completed = await completed
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the client's to see
            run.fail(error, nodes, new(Path, (path, key, typename)), required=required)
            return None
        return completed

    async def guarded(
        run: Execution, completed: Awaitable[Any], path: Path | None, key: Any
    ) -> Any:
        try:
            return await completed
        except Exception as error:  # noqa: BLE001
            run.fail(error, nodes, new(Path, (path, key, typename)), required=required)
            return None

    def any_(run: Execution, value: Any, info: Any, path: Path | None, key: Any) -> Any:
        kind = type(value)
        if kind is CoroutineType or (kind not in PLAIN and is_awaitable(value)):
            return awaited(run, value, info, path, key)
        try:
            completed = complete(run, value, info, path, key)
            if completed is None and required:
                refuse(no_null)
        except Exception as error:  # noqa: BLE001
            run.fail(error, nodes, new(Path, (path, key, typename)), required=required)
            return None
        if type(completed) is CoroutineType:
            return guarded(run, completed, path, key)
        return completed

    return Finish(any_, awaited, guarded)


def refuse(why: str) -> NoReturn:
    """Raise a TypeError, as graphql-core does for null where there must be none."""
    raise TypeError(why)
