"""From a document's text to one that may be run: bounded, parsed, measured, validated, costed."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import orjson
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    MaxIntrospectionDepthRule,
    OperationType,
    parse,
    validate,
)
from graphql.validation import ASTValidationRule

from gql_auth.kernel.limits import OperationLimits
from gql_auth.serving.costs.complexity import Complexity
from gql_auth.serving.costs.exceeding import Exceeded
from gql_auth.serving.costs.measuring import Measure, depth_of
from gql_auth.serving.credentials import credential_fields, too_many
from gql_auth.serving.documents import DocumentCache, Known
from gql_auth.serving.errors import BAD_INPUT, VALIDATION_FAILED

# graphql-core counts the lines from the start for each error that it tells: half a million empty
# ones would take it half a minute.
MAX_LINES: Final = 4_000
_ERRORS: Final = 20  # that validation tells at most
_COUNT: Final = "Document contains more than"  # graphql-core's words


class IntrospectionIsOff(ASTValidationRule):
    """Refuses `__schema` and `__type`. `__typename` tells what the client gets anyway."""

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Look at one field."""
        if node.name.value in {"__schema", "__type"}:
            self.report_error(
                GraphQLError(
                    f"Introspection is off on this server: no `{node.name.value}`",
                    node,
                    extensions={"code": VALIDATION_FAILED, "reason": "INTROSPECTION_DISABLED"},
                )
            )


class Judge:
    """Judges the documents of one schema, and keeps those that it found valid."""

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: OperationLimits,
        *,
        credentials: int,
        cache: DocumentCache,
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._credentials = credentials
        self._complexity = Complexity(schema)
        self.cache = cache

    def find(self, text: str) -> Known | None:
        """What is known of a document that was found valid before."""
        return self.cache.get(text)

    def parse(self, text: str) -> DocumentNode:
        """A document within its bounds, not yet validated.

        Raises:
            Exceeded: naming the bound.
            GraphQLSyntaxError: it is none.
        """
        limits = self._limits
        if len(text) > limits.max_document_size:
            raise Exceeded("document_size", limit=limits.max_document_size)
        if text.count("\n") + text.count("\r") - text.count("\r\n") >= MAX_LINES:
            raise Exceeded("lines", limit=MAX_LINES)
        try:
            document = parse(text, max_tokens=limits.max_tokens)
        except GraphQLSyntaxError as error:
            if _COUNT in error.message:
                raise Exceeded("tokens", limit=limits.max_tokens) from None
            raise
        Measure(document, limits).check()
        return document

    def validate(
        self, text: str, document: DocumentNode, rules: tuple[type[ASTValidationRule], ...]
    ) -> list[GraphQLError] | Known:
        """What is wrong with a document, or what is known of it; a valid one is kept."""
        own: tuple[type[ASTValidationRule], ...] = (MaxIntrospectionDepthRule,)
        if not self._limits.introspection:
            own = (IntrospectionIsOff,)
        found = validate(
            self._schema,
            document,
            (*rules, *own),
            max_errors=_ERRORS,
            hide_suggestions=not self._limits.introspection,
        )
        if found:
            return found
        known = Known.of(text, document)
        self.cache.put(text, known)
        return known

    def check_operation(
        self, known: Known, name: str | None, variables: Mapping[str, Any] | None, *, spent: int
    ) -> int:
        """How many credential fields an operation has, if it may be run.

        Args:
            name: `operationName`, where it was given.
            spent: credential fields that the same request has had before.

        Raises:
            GraphQLError: naming the bound, or that no operation or several are meant.
        """
        entry = known.entries.get(name)
        if entry is None:
            problem = "The document holds several operations: say which by `operationName`"
            raise GraphQLError(problem, extensions={"code": BAD_INPUT})
        if variables:
            self._check_variables(variables)
        cost = entry.cost
        if cost is None:
            cost = self._complexity.of(entry.node, known.fragments, variables or {})
            if not entry.node.variable_definitions:
                entry.cost = cost
        if cost > self._limits.max_complexity:
            limit = self._limits.max_complexity
            raise Exceeded("complexity", limit=limit, found=cost, nodes=entry.node)
        if entry.kind is not OperationType.MUTATION:
            return 0
        count = credential_fields(self._schema, entry.node, known.fragments)
        if spent + count > self._credentials and count:
            raise too_many(spent + count, most=self._credentials)
        return count

    def _check_variables(self, variables: Mapping[str, Any]) -> None:
        limits = self._limits
        # By size first: what is walked is small then. So deep that it cannot be written, it is
        # too deep in any case.
        with suppress(TypeError):
            if len(orjson.dumps(variables, default=str)) > limits.max_variables_size:
                raise Exceeded("variables_size", limit=limits.max_variables_size)
        deepest = depth_of(variables) - 1
        if deepest > limits.max_input_depth:
            raise Exceeded("input_depth", limit=limits.max_input_depth, found=deepest)
