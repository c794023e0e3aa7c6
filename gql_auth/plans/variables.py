"""Variables of an operation, coerced by steps that are found once."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLInputType,
    GraphQLSchema,
    Undefined,
    ValueNode,
    VariableDefinitionNode,
    VariableValues,
    coerce_input_literal,
    get_variable_values,
    is_non_null_type,
)
from graphql.execution.get_variable_signature import get_variable_signature
from graphql.execution.values import VariableValueSource

from gql_auth.plans.inputs import Coercer, coercer_of
from gql_auth.plans.running import Operation, new

_MAX_ERRORS: Final = 50  # as graphql-core's executor has it


class _Variable(NamedTuple):
    """A variable, and how to coerce it; without a coercer, graphql-core is to."""

    name: str
    definition: VariableDefinitionNode
    signature: Any
    type_: GraphQLInputType
    coerce: Coercer | None
    required: bool
    default: ValueNode | None


class Variables:
    """The variables of an operation."""

    def __init__(self, operation: Operation) -> None:
        self._schema = operation.schema
        defined = operation.definition.variable_definitions or ()
        self._variables = [_variable(operation.schema, each) for each in defined]

    def coerce(self, given: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """Their values; or what is wrong with them."""
        sources: dict[str, Any] = {}
        coerced: dict[str, Any] = {}
        errors: list[GraphQLError] = []
        for variable in self._variables:
            name, _, signature, type_, coerce, required, default = variable
            value = given.get(name, Undefined)
            result = Undefined
            if coerce is None:
                pass
            elif value is not Undefined:
                result = coerce(value)
            elif default is not None:
                result = coerce_input_literal(default, type_)
            elif not required:
                sources[name] = new(VariableValueSource, (signature, Undefined))
                continue
            if result is not Undefined:
                sources[name] = new(VariableValueSource, (signature, value))
                coerced[name] = result
                continue
            answer = get_variable_values(
                self._schema, [variable.definition], {name: value}, _MAX_ERRORS - len(errors)
            )
            if isinstance(answer, list):
                errors.extend(answer)
                if answer[-1].nodes is None:  # too many of them, or nested too deeply
                    break
            else:
                sources.update(answer.sources)
                coerced.update(answer.coerced)
        return errors or new(VariableValues, (sources, coerced))


def _variable(schema: GraphQLSchema, definition: VariableDefinitionNode) -> _Variable:
    name, default = definition.variable.name.value, definition.default_value
    signature = get_variable_signature(schema, definition)
    if isinstance(signature, GraphQLError):
        return _Variable(name, definition, None, None, None, False, default)  # type: ignore[arg-type]
    type_ = signature.type
    return _Variable(
        name, definition, signature, type_, coercer_of(type_), is_non_null_type(type_), default
    )
