"""From a GraphQL request to its answer, whatever carried it."""

from typing import Any, Final

from graphql import GraphQLError
from graphql import OperationType as Kind
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from gql_auth.kernel.telemetry import Telemetry
from gql_auth.serving import http
from gql_auth.serving.context import RequestContext
from gql_auth.serving.errors import NO_OPERATION
from gql_auth.serving.schema import AuthSchema

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
        text = documents.resolve(asked.query, asked.document_id, asked.extensions)
        result = await self._run(text, asked, context, reads_only)
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

    async def _run(
        self,
        text: str | None,
        asked: http.GraphQLRequest,
        context: RequestContext,
        reads_only: bool,
    ) -> Any:
        schema = self._schema
        if text is not None and schema.planner.alone:
            known = schema.judge.find(text)
            entry = known.entries.get(asked.operation_name) if known else None
            if known and entry and _may_run(entry.kind, reads_only):
                schema.persisted.require_trusted(text)
                telemetry = context.system.part(Telemetry)
                plan = schema.planner.plan_of(known, entry, telemetry.interpreted)
                if plan is not None:
                    try:
                        context.credentials += schema.judge.check_operation(
                            known, asked.operation_name, asked.variables, spent=context.credentials
                        )
                    except GraphQLError as error:
                        return schema.refused(error, text, asked.variables, context)
                    if context.seen is not None:
                        context.seen.note(entry.kind.value, entry.name)
                    return await schema.run_plan(plan, text, asked, context)
        return await self._execute(text, asked, context, reads_only)

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
