"""What plans cover: everything but what is found here, before anything is compiled."""

from typing import Final

import strawberry
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)
from graphql.type.directives import GraphQLDisableErrorPropagationDirective
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql_auth.plans.collecting import selections_of

_KEEPS_NULLS: Final = GraphQLDisableErrorPropagationDirective.name
_INCREMENTAL: Final = frozenset({"defer", "stream"})


class Uncovered(Exception):  # noqa: N818 - it is no error: the executor answers instead
    """The operation is none that plans cover.

    Attributes:
        reason: one of a few short words, for a metric's label.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def strawberry_schema_of(schema: GraphQLSchema) -> strawberry.Schema | None:
    """The Strawberry schema that a schema was made by, if any."""
    made_by = schema.extensions.get("strawberry-definition")
    return made_by if isinstance(made_by, strawberry.Schema) else None


def require_covered(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None
) -> OperationDefinitionNode:
    """The operation that is meant, if all of its document is covered.

    Raises:
        Uncovered: saying what is not.
    """
    _require_plain(schema)
    operation = _find(document, operation_name)
    if operation.operation is OperationType.SUBSCRIPTION:
        raise Uncovered("subscription")
    if schema.get_root_type(operation.operation) is None:
        raise Uncovered("root")
    if any(each.name.value == _KEEPS_NULLS for each in operation.directives or ()):
        raise Uncovered("error_propagation")
    sets = []
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode) and definition.variable_definitions:
            raise Uncovered("fragment_variables")
        if not isinstance(definition, (FragmentDefinitionNode, OperationDefinitionNode)):
            raise Uncovered("definition")
        sets.append(definition.selection_set)
    for selection in selections_of(sets):
        for directive in selection.directives or ():
            if directive.name.value in _INCREMENTAL:
                raise Uncovered(directive.name.value)
        if isinstance(selection, FragmentSpreadNode) and selection.arguments:
            raise Uncovered("fragment_variables")
    return operation


def _require_plain(schema: GraphQLSchema) -> None:
    """Come back if a schema is executed by nothing but the executor that plans equal."""
    made_by = strawberry_schema_of(schema)
    if made_by is not None:
        if made_by.execution_context_class is not StrawberryGraphQLCoreExecutionContext:
            raise Uncovered("executor")
        if made_by.config.enable_experimental_incremental_execution:
            raise Uncovered("incremental")
    if any(schema.get_directive(name) for name in _INCREMENTAL):
        raise Uncovered("incremental")


def _find(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """The operation of that name, or the only one."""
    found = [
        each
        for each in document.definitions
        if isinstance(each, OperationDefinitionNode)
        and (name is None or (each.name is not None and each.name.value == name))
    ]
    if not found or (name is None and len(found) > 1):
        raise Uncovered("operation")
    return found[-1]  # as the executor does where two have one name
