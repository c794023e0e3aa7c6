"""What an execution came to, in a form in which two of them can be compared to the letter."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    execute,
)
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql_auth.plans import Plan


def by_executor(
    schema: GraphQLSchema,
    document: DocumentNode,
    root: Any,
    context: Any,
    variables: dict[str, Any] | None,
    name: str | None = None,
) -> Any:
    """The executor's answer, or an awaitable of it; called as Strawberry calls it."""
    options: dict[str, Any] = {}
    if "strawberry-definition" in schema.extensions:
        options = {
            "is_awaitable": optimized_is_awaitable,
            "executor_class": StrawberryGraphQLCoreExecutionContext,
            "operation_extensions": None,
        }
    return execute(schema, document, root, context, variables, name, **options)


def by_plan(plan: Plan, root: Any, context: Any, variables: dict[str, Any] | None) -> Any:
    """The plan's."""
    return plan.execute(root, context, variables)


async def outcome(run: Callable[[], Any]) -> dict[str, Any]:
    """What came of an execution, and of what it left behind in the background."""
    try:
        answer = run()
        waited = inspect.isawaitable(answer)
        if waited:
            answer = await answer
    except Exception as error:  # noqa: BLE001
        return {"raised": describe(error)}
    seen = {"waited": waited, "data": spelled(answer.data), "errors": errors_of(answer)}
    for _ in range(100):  # let it come to its end
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not others:
            break
        await asyncio.wait(others)
    seen["later"] = errors_of(answer)
    return seen


def errors_of(answer: ExecutionResult) -> Any:
    """All that can be told of the errors of an answer."""
    return answer.errors and [describe(error) for error in answer.errors]


def describe(error: BaseException | None) -> Any:
    """An error, with all that it says."""
    if error is None:
        return None
    if not isinstance(error, GraphQLError):
        return type(error).__name__, str(error)
    return {
        "formatted": error.formatted,
        "path": error.path,
        "locations": error.locations,
        "nodes": error.nodes and [id(node) for node in error.nodes],
        "extensions": error.extensions,
        "original": describe(error.original_error) if error.original_error is not error else "self",
    }


def spelled(value: Any) -> Any:
    """A value with its types, and the order of its keys."""
    if isinstance(value, dict):
        return type(value).__name__, [(key, spelled(each)) for key, each in value.items()]
    if isinstance(value, list):
        return [spelled(each) for each in value]
    return type(value).__name__, repr(value)
