"""Operations that are run again and again. What runs them is graphql-core's executor, so far."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import DocumentNode, ExecutionResult, GraphQLSchema, execute


class Uncovered(Exception):  # noqa: N818 - a verdict
    """No plan covers the operation; `reason` says why, in one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Plan:
    """An operation of a document."""

    _schema: GraphQLSchema
    _document: DocumentNode
    _name: str | None

    def execute(
        self,
        root: object,
        context: object,
        variables: Mapping[str, Any] | None,
        *,
        operation_extensions: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        """The operation's result."""
        given = dict(variables) if variables is not None else None
        said: Any = execute(self._schema, self._document, root, context, given, self._name)
        return said  # type: ignore[no-any-return]


def compile_operation(schema: GraphQLSchema, document: DocumentNode, name: str | None) -> Plan:
    """The plan of an operation.

    Raises:
        Uncovered: there is none.
    """
    return Plan(schema, document, name)
