"""From a GraphQL request to its answer, whatever carried it."""

from typing import Any, Final

from graphql import ExecutionResult, GraphQLError
from graphql import OperationType as Kind
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from gql_auth.serving import http
from gql_auth.serving.context import RequestContext
from gql_auth.serving.errors import NO_OPERATION
from gql_auth.serving.persisted import DocumentRefused
from gql_auth.serving.schema import AuthSchema
from gql_auth.serving.waiting import Rest, begun

_READS: Final = frozenset({OperationType.QUERY})
_ALL: Final = frozenset({OperationType.QUERY, OperationType.MUTATION})


class NotThis(Exception):  # noqa: N818 - an answer to the client, not an error in us
    """The operation cannot run this way.

    Args:
        kind: `query`, `mutation` or `subscription`; None where there is no operation.
    """

    def __init__(self, kind: str | None = None) -> None:
        super().__init__(NO_OPERATION)
        self.kind = kind


class Operations:
    """Runs the operations of a schema."""

    def __init__(self, schema: AuthSchema) -> None:
        self._schema = schema

    async def answer(
        self, asked: http.GraphQLRequest, context: RequestContext, *, reads_only: bool
    ) -> dict[str, Any]:
        """The answer to a query or a mutation, as it is written.

        Raises:
            DocumentRefused: the document that is meant is not known, or may not run.
            NotThis: there is no such operation, or it is none of these.
        """
        documents = self._schema.persisted
        text = asked.query
        if text is None or asked.document_id is not None or asked.extensions:
            text = documents.resolve(text, asked.document_id, asked.extensions)
        result: Any = None
        if text is not None and self._schema.planner.alone:
            try:
                result = self._begin(text, asked, context, reads_only)
                if isinstance(result, Rest):
                    result = await self._schema.in_time(result)
            except DocumentRefused:
                raise
            except Exception as error:  # noqa: BLE001 - as Strawberry has it: told or masked
                result = ExecutionResult(None, [as_error(error)])
            if result is not None and result.errors:
                self._schema.tell(result.errors, text, asked.variables, context)
        if result is None:
            result = await self._execute(text, asked, context, reads_only)
        if not result.errors and not asked.extensions:
            return {"data": result.data}
        answer: dict[str, Any] = {}
        failures = [error.formatted for error in result.errors or ()]
        if failures:
            answer["errors"] = failures
        # A request error (parse, validation, variables) never got as far as data.
        if result.data is not None or not failures or any("path" in each for each in failures):
            answer["data"] = result.data
            documents.remember(text or "", asked.extensions)
        return answer

    def _begin(
        self, text: str, asked: http.GraphQLRequest, context: RequestContext, reads_only: bool
    ) -> ExecutionResult | Rest[ExecutionResult] | None:
        """Run the plan of an operation that comes again, as far as its first pause; None where
        there is none."""
        schema = self._schema
        known = schema.judge.find(text)
        entry = known.entries.get(asked.operation_name) if known else None
        if not known or not entry or not _may_run(entry.kind, reads_only):
            return None
        schema.persisted.require_trusted(text)
        plan = schema.planner.plan_of(known, entry)
        if plan is None:  # which is counted where the executor runs it
            return None
        try:
            context.credentials += schema.judge.check_operation(
                known, asked.operation_name, asked.variables, spent=context.credentials
            )
        except GraphQLError as error:
            return ExecutionResult(None, [error])
        if context.seen is not None:
            context.seen.note(entry.kind.value, entry.name)
        said = plan.execute(None, context, asked.variables, operation_extensions=asked.extensions)
        return said if isinstance(said, ExecutionResult) else begun(said)

    async def _execute(
        self,
        text: str | None,
        asked: http.GraphQLRequest,
        context: RequestContext,
        reads_only: bool,
    ) -> Any:
        """The whole way: through Strawberry, with whatever extensions the host has."""
        try:
            return await self._schema.execute(
                text,
                variable_values=asked.variables,
                context_value=context,
                operation_name=asked.operation_name,
                allowed_operation_types=_READS if reads_only else _ALL,
                operation_extensions=asked.extensions,
            )
        except (CannotGetOperationTypeError, MissingQueryError):
            raise NotThis from None
        except InvalidOperationTypeError as error:
            raise NotThis(error.operation_type.value) from None


def _may_run(kind: Kind, reads_only: bool) -> bool:
    return kind is Kind.QUERY or (kind is Kind.MUTATION and not reads_only)


def as_error(error: Exception) -> GraphQLError:
    """An exception as one of an operation's errors."""
    if isinstance(error, GraphQLError):
        return error
    return GraphQLError(str(error), original_error=error)
