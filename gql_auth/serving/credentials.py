"""How many fields of one request may check or set a credential.

A password is guessed one at a time: an operation of a hundred aliased logins, or a batch of a
hundred operations, would be a hundred guesses for the price of one request. What is too much is
refused as a whole, before anything of it runs, whatever `@include` and `@skip` would make of it.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

from gql_auth.serving.errors import VALIDATION_FAILED

# Metadata of a Strawberry field: it checks or sets a credential.
CREDENTIAL: Final[Mapping[str, bool]] = {"gql_auth_credential": True}


def too_many(found: int, *, most: int) -> GraphQLError:
    """The error for a request with more credential fields than `most`."""
    allowed = "one field" if most == 1 else f"{most} fields"
    return GraphQLError(
        f"A request may hold {allowed} that check or set a password, this one "
        f"holds {found}; send them one by one",
        extensions={"code": VALIDATION_FAILED, "reason": "TOO_MANY_CREDENTIAL_FIELDS"},
    )


def credential_fields(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> int:
    """How many credential fields an operation has."""
    if operation.operation is not OperationType.MUTATION:
        return 0
    found: set[str] = set()
    _collect(operation.selection_set, _credential_fields(schema), fragments, set(), found)
    return len(found)


def _collect(
    selections: SelectionSetNode,
    names: frozenset[str],
    fragments: Mapping[str, FragmentDefinitionNode],
    entered: set[str],
    found: set[str],
) -> None:
    """The response names of credential fields at the root: two of one name are one field."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            if node.name.value in names:
                found.add((node.alias or node.name).value)
        elif isinstance(node, InlineFragmentNode):
            _collect(node.selection_set, names, fragments, entered, found)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in entered:
            entered.add(node.name.value)
            fragment = fragments.get(node.name.value)
            if fragment is not None:
                _collect(fragment.selection_set, names, fragments, entered, found)


@cache
def _credential_fields(schema: GraphQLSchema) -> frozenset[str]:
    mutation = schema.mutation_type
    fields: dict[str, Any] = mutation.fields if mutation else {}
    return frozenset(
        name
        for name, field in fields.items()
        if "gql_auth_credential"
        in getattr(field.extensions.get("strawberry-definition"), "metadata", {})
    )
