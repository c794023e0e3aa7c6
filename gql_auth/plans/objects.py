"""Objects on their way into the answer: field after field."""

from collections.abc import Callable
from types import CoroutineType
from typing import Any

from graphql import GraphQLObjectType
from graphql.pyutils import Path

from gql_auth.plans.collecting import Site, Variant
from gql_auth.plans.fields import CompleterOf, field_step
from gql_auth.plans.running import (
    Execution,
    new,
    settle_fields,
    settle_in_background,
)

# Answers an object's completed fields, or a coroutine of them.
Runner = Callable[[Execution, Any, Path | None, Any], Any]


def object_runner(
    variant: Variant,
    type_: GraphQLObjectType,
    sites: list[Site],
    typename: str | None,
    completer: CompleterOf,
    *,
    is_root: bool = False,
) -> Runner:
    """Executes the fields of an object; those that wait, together."""
    # Constant fields are in the template, and it decides the order of keys.
    template: dict[str, Any] = {}
    rows: list[tuple[str, Any, str, type | None, bool, Any]] = []
    for site in sites:
        if site.name == "__typename":
            template[site.key] = type_.name
        else:
            template[site.key] = None
            rows.append((site.key, *field_step(variant, site, completer)))
    needs_path = not is_root and any(resolve is not None for _, resolve, *_ in rows)

    def run_object(run: Execution, source: Any, prev: Path | None, key: Any) -> Any:
        path: Path | None = new(Path, (prev, key, typename)) if needs_path else None
        results = template.copy()
        waiting: list[str] | None = None
        try:
            for name, resolve, attribute, exact, nullable, finish in rows:
                if resolve is not None:
                    value = resolve(run, source, path)
                else:
                    try:
                        value = getattr(source, attribute)
                    except Exception as error:  # noqa: BLE001 - completing it raises it again
                        value = error
                    if type(value) is exact:
                        results[name] = value
                        continue
                    if value is None and nullable:
                        continue
                    if path is None and not is_root:
                        path = new(Path, (prev, key, typename))
                    value = finish(run, value, None, path, name)
                results[name] = value
                if type(value) is CoroutineType:
                    if waiting is None:
                        waiting = [name]
                    else:
                        waiting.append(name)
        except Exception:
            if waiting:
                settle_in_background([results[name] for name in waiting])
            raise
        return results if waiting is None else settle_fields(results, waiting)

    return run_object


def serial_runner(
    type_: GraphQLObjectType, variant: Variant, sites: list[Site], completer: CompleterOf
) -> Runner:
    """Executes the fields of a mutation, each when the one before it has come to its end."""
    runners = [
        object_runner(variant, type_, [site], None, completer, is_root=True) for site in sites
    ]

    async def go_on(
        run: Execution, source: Any, results: dict[str, Any], pending: Any, done: int
    ) -> dict[str, Any]:
        results.update(await pending)
        for runner in runners[done:]:
            result = runner(run, source, None, None)
            results.update(await result if type(result) is CoroutineType else result)
        return results

    def run_serially(run: Execution, source: Any, _prev: Path | None, _key: Any) -> Any:
        results: dict[str, Any] = {}
        for done, runner in enumerate(runners, 1):
            result = runner(run, source, None, None)
            if type(result) is CoroutineType:
                return go_on(run, source, results, result, done)
            results.update(result)
        return results

    return run_serially
