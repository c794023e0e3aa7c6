"""Puts our judgement of documents in the place of Strawberry's parsing and validation."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from graphql import ExecutionResult, GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.types.graphql import OperationType

from gql_auth.kernel.telemetry import Telemetry
from gql_auth.plans import Plan
from gql_auth.serving.context import RequestContext
from gql_auth.serving.documents import Known
from gql_auth.serving.errors import VALIDATION_FAILED, translate
from gql_auth.serving.schema import AuthSchema


class JudgedOperations(SchemaExtension):
    """Bounds, caches and validates the document of one operation, on whatever transport."""

    def __init__(self) -> None:
        self._known: Known | None = None
        self._comes_again = False

    @property
    def _schema(self) -> AuthSchema:
        schema: Any = self.execution_context.schema
        return schema  # type: ignore[no-any-return]

    def on_parse(self) -> Iterator[None]:
        """Find the document, or parse it within its bounds.

        Raises:
            GraphQLError: it is none, goes beyond a bound, or is not one of those that may run.
        """
        context, schema = self.execution_context, self._schema
        text = context.query or ""
        schema.persisted.require_trusted(text)
        self._known = schema.judge.find(text)
        if self._known is not None:
            self._comes_again = True
            context.graphql_document = self._known.document
        else:
            context.graphql_document = schema.judge.parse(text)
        yield

    def on_validate(self) -> Iterator[None]:
        """Validate what was not found valid before, and see what the operation costs."""
        context, schema = self.execution_context, self._schema
        problems = context.pre_execution_errors
        if self._known is None and not problems and context.graphql_document is not None:
            text, document = context.query or "", context.graphql_document
            judged = schema.judge.validate(text, document, tuple(context.validation_rules))
            if isinstance(judged, Known):
                self._known = judged
            else:
                problems = judged
                written = schema.written(context)
                translate(problems, request_code=VALIDATION_FAILED, written=written)
        if not problems and self._known is not None:
            try:
                self._admit(self._known)
            except GraphQLError as error:
                problems = [error]
        context.pre_execution_errors = problems or []
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """Run the plan of an operation that comes again, instead of the executor."""
        execution = self.execution_context
        comes_again = self._comes_again or self._schema.planner.at_once
        plan = self._plan() if comes_again else None
        if plan is not None:
            said = plan.execute(
                execution.root_value,
                execution.context,
                execution.variables,
                operation_extensions=execution.operation_extensions,
            )
            execution.result = said if isinstance(said, ExecutionResult) else await said
        yield

    def _plan(self) -> Plan | None:
        execution = self.execution_context
        known = self._known
        if known is None or execution.operation_type is OperationType.SUBSCRIPTION:
            return None
        context = execution.context
        telemetry = Telemetry()
        if isinstance(context, RequestContext):
            telemetry = context.system.part(Telemetry)
        entry = known.entries.get(execution._provided_operation_name)  # noqa: SLF001 - as below
        if entry is None:
            return None
        return self._schema.planner.plan_of(known, entry, telemetry.interpreted)

    def _admit(self, known: Known) -> None:
        execution = self.execution_context
        context = execution.context if isinstance(execution.context, RequestContext) else None
        named = execution._provided_operation_name  # noqa: SLF001 - there is no public face
        # The context of a socket outlives its operations, each of which is a request of its own.
        by_http = context is not None and context.request.scope["type"] == "http"
        spent = context.credentials if context is not None and by_http else 0
        count = self._schema.judge.check_operation(known, named, execution.variables, spent=spent)
        if context is not None:
            context.credentials = spent + count
            if context.seen is not None:
                context.seen.note(execution.operation_type.value, execution.operation_name)
