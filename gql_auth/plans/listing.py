"""Lists on their way into the answer."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from types import CoroutineType
from typing import Any

from graphql import GraphQLError, GraphQLOutputType, Undefined, located_error
from graphql.pyutils import Path, is_iterable

from gql_auth.plans.collecting import Site
from gql_auth.plans.finishing import finisher
from gql_auth.plans.leaves import leaves_as_is
from gql_auth.plans.running import (
    Completer,
    Execution,
    new,
    rest_of,
    settle_in_background,
    settle_items,
)


def list_completer(
    site: Site, item_type: GraphQLOutputType, complete: Completer, typename: str | None
) -> Completer:
    """Completes lists of what `complete` completes."""
    finish = finisher(site, item_type, complete, None).any
    exact = leaves_as_is(item_type)
    complete_stream = _stream_completer(site, finish)

    def complete_iterable(
        run: Execution, items: Any, info: Any, prev: Path | None, key: Any
    ) -> Any:
        path = new(Path, (prev, key, typename))
        results: list[Any] = []
        waiting: list[int] = []
        iterator = iter(items)
        try:
            for item in iterator:
                if type(item) is exact:
                    results.append(item)
                    continue
                completed = finish(run, item, info, path, len(results))
                if type(completed) is CoroutineType:
                    waiting.append(len(results))
                results.append(completed)
        except Exception:
            abandoned = [results[index] for index in waiting]
            abandoned.extend(rest_of(iterator))
            if abandoned:
                settle_in_background(abandoned)
            raise
        return settle_items(results, waiting) if waiting else results

    def complete_list(run: Execution, value: Any, info: Any, prev: Path | None, key: Any) -> Any:
        kind = type(value)
        if kind is list or kind is tuple:
            return complete_iterable(run, value, info, prev, key)
        if value is None or value is Undefined:
            return None
        if isinstance(value, Exception):
            raise value
        if hasattr(value, "__aiter__"):
            path = new(Path, (prev, key, typename))
            return complete_stream(run, value.__aiter__(), info, path)
        if not is_iterable(value):
            raise GraphQLError(
                f"Expected Iterable, but did not find one for field '{site.parent}.{site.name}'."
            )
        return complete_iterable(run, value, info, prev, key)

    return complete_list


def _stream_completer(site: Site, finish: Callable[..., Any]) -> Callable[..., Any]:
    """Completes lists that come bit by bit."""

    async def complete_stream(
        run: Execution, iterator: AsyncIterator[Any], info: Any, path: Path
    ) -> list[Any]:
        results: list[Any] = []
        waiting: list[int] = []
        close = getattr(iterator, "aclose", None)
        try:
            while True:
                try:
                    item = await anext(iterator)
                except StopAsyncIteration:
                    break
                except Exception as error:
                    raise located_error(error, site.nodes.copy(), path.as_list()) from error
                completed = finish(run, item, info, path, len(results))
                if type(completed) is CoroutineType:
                    waiting.append(len(results))
                results.append(completed)
        except Exception:
            if close is not None:
                with suppress(Exception):
                    await close()
            if waiting:
                settle_in_background([results[index] for index in waiting])
            raise
        return await settle_items(results, waiting) if waiting else results

    return complete_stream
