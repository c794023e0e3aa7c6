"""Plans: made of a document once, executed as often as it comes."""

from collections.abc import Awaitable, Mapping
from contextlib import suppress
from threading import Lock
from types import CoroutineType
from typing import Any, Final

from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    VariableValues,
    assert_valid_schema,
)
from graphql.pyutils import is_awaitable
from strawberry.execution import optimized_is_awaitable

from gql_auth.plans.collecting import Variant, condition_variables
from gql_auth.plans.completing import root_runner
from gql_auth.plans.covering import require_covered, strawberry_schema_of
from gql_auth.plans.objects import Runner
from gql_auth.plans.running import Execution, Operation, new
from gql_auth.plans.variables import Variables

MAX_VARIANTS: Final = 4  # of a plan, that are kept: each has its own values of conditions
_TOO_DEEP: Final = "Selections are nested too deeply. Execution aborted."


def compile_operation(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None
) -> "Plan":
    """A plan of an operation of a validated document.

    Raises:
        Uncovered: plans do not cover it; let the executor answer.
        TypeError: the schema is none.
    """
    assert_valid_schema(schema)
    definition = require_covered(schema, document, operation_name)
    fragments = {
        each.name.value: each
        for each in document.definitions
        if isinstance(each, FragmentDefinitionNode)
    }
    by_strawberry = strawberry_schema_of(schema) is not None
    checks = optimized_is_awaitable if by_strawberry else is_awaitable
    return Plan(Operation(schema, definition, fragments, by_strawberry, checks))


class Plan:
    """An operation of a document, ready to be executed; by many at once, too."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._root_type: Any = operation.schema.get_root_type(operation.definition.operation)
        self._conditions = condition_variables(operation)
        defined = operation.definition.variable_definitions
        self._variables = Variables(operation) if defined else None
        self._runners: dict[tuple[Any, ...], Runner] = {}
        self._only: Runner | None = None  # where there are no conditions
        self._lock = Lock()

    def execute(
        self,
        root: Any,
        context: Any,
        variables: Mapping[str, Any] | None,
        *,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        """What graphql-core's executor answers: at once where nothing is to be awaited.

        Args:
            operation_extensions: what Strawberry shows resolvers as `info.input_extensions`.
        """
        operation = self._operation
        values: Any
        if self._variables is None:
            values = new(VariableValues, ({}, {}))  # nobody else's: resolvers may write into them
        else:
            values = self._variables.coerce(variables or {})
            if type(values) is list:
                return ExecutionResult(None, values)
        run = Execution(operation, root, context, values, operation_extensions)
        try:
            runner = self._only or self._runner(values)
            data = runner(run, root, None, None)
        except GraphQLError as error:
            run.add(error, None)
            data = None
        if type(data) is CoroutineType:
            return _finish(run, data)
        return ExecutionResult(data, run.errors or None)

    def _runner(self, values: VariableValues) -> Runner:
        """What executes the operation under the conditions of these variables.

        Raises:
            GraphQLError: one of the root's conditions has no value.
        """
        names, coerced = self._conditions, values.coerced
        key = tuple([coerced.get(name) for name in names]) if names else ()
        runner = self._runners.get(key)
        if runner is None:
            # The variant outlives the execution: it keeps no other variables.
            kept = {name: coerced[name] for name in names if name in coerced}
            sources = {name: values.sources[name] for name in names if name in values.sources}
            variant = Variant(self._operation, VariableValues(sources, kept))
            with suppress(RecursionError):  # whose frames the error that follows must not keep
                runner = root_runner(variant, self._root_type)
            if runner is None:
                raise GraphQLError(_TOO_DEEP, self._operation.definition)
            if all(type(each) is bool for each in key):
                self._keep(key, runner)
        return runner

    def _keep(self, key: tuple[Any, ...], runner: Runner) -> None:
        with self._lock:
            if len(self._runners) >= MAX_VARIANTS:
                del self._runners[next(iter(self._runners))]
            self._runners[key] = runner
        if not self._conditions:
            self._only = runner


async def _finish(run: Execution, pending: Awaitable[Any]) -> ExecutionResult:
    try:
        data = await pending
    except GraphQLError as error:
        run.add(error, None)
        data = None
    return ExecutionResult(data, run.errors or None)
