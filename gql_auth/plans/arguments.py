"""Arguments of a field: what can be found ahead is found once."""

from collections.abc import Callable
from typing import Any, NamedTuple

from graphql import (
    GraphQLArgument,
    GraphQLError,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    coerce_input_literal,
    get_argument_values,
    get_nullable_type,
    is_non_null_type,
    is_required_argument,
)

from gql_auth.plans.collecting import Site
from gql_auth.plans.inputs import default_of_argument, is_plain_leaf
from gql_auth.plans.running import Execution

Finder = Callable[[Execution], dict[str, Any]]


class _Part(NamedTuple):
    """Where one argument comes from: a value; a variable, with a value for where it has none; or
    a literal that makes a new value each time."""

    out_name: str
    value: Any
    variable: str | None
    literal: ValueNode | None
    type_: Any
    required: bool
    takes_null: bool


def argument_values(
    site: Site, names: dict[str, str] | None = None
) -> tuple[dict[str, Any], Finder | None]:
    """The arguments of a field; or, where they may differ between executions, what finds them.

    Whatever is wrong with them is for graphql-core to say, each time.

    Args:
        names: other names for them, of a field that has no arguments but of specified scalars.
    """
    field, node = site.field, site.nodes[0]
    written = {each.name.value: each.value for each in node.arguments or ()}

    def ask(run: Execution) -> dict[str, Any]:
        return get_argument_values(field, node, run.values)

    parts = [_part(name, definition, written.get(name)) for name, definition in field.args.items()]
    known = [part for part in parts if part is not None]
    if names is not None:
        named = zip(names.values(), known, strict=False)
        known = [part._replace(out_name=name) for name, part in named]
    if len(known) < len(parts):
        return {}, ask
    if all(part.variable is None and part.literal is None for part in known):
        # Unpacked for each call: nobody but us has the dict.
        return {part.out_name: part.value for part in known if part.value is not Undefined}, None

    def find(run: Execution) -> dict[str, Any]:
        coerced, found = run.values.coerced, {}
        for out_name, value, variable, literal, type_, required, takes_null in known:
            if variable is not None:
                given = coerced.get(variable, Undefined)
                if given is not Undefined:
                    if given is None and not takes_null:
                        return ask(run)
                    found[out_name] = given
                elif required:
                    return ask(run)
                elif value is not Undefined:
                    found[out_name] = value
            elif literal is not None:
                made = coerce_input_literal(literal, type_, run.values)
                if made is Undefined:
                    return ask(run)
                found[out_name] = made
            elif value is not Undefined:
                found[out_name] = value
        return found

    return {}, find


def _part(name: str, definition: GraphQLArgument, written: ValueNode | None) -> _Part | None:
    """Where an argument comes from; None where graphql-core is to be asked for all of them."""
    type_, required = definition.type, is_required_argument(definition)
    variable = written.name.value if isinstance(written, VariableNode) else None
    literal: ValueNode | None = None
    value: Any = Undefined
    if written is None or variable is not None:
        if required and variable is None:
            return None
        if not required:
            try:
                value = default_of_argument(name, definition)
            except GraphQLError:
                return None
    elif is_plain_leaf(get_nullable_type(type_)) and not isinstance(
        written, (ListValueNode, ObjectValueNode)
    ):
        value = coerce_input_literal(written, type_)
        if value is Undefined:
            return None
    else:
        literal = written
    out_name, takes_null = definition.out_name or name, not is_non_null_type(type_)
    return _Part(out_name, value, variable, literal, type_, required, takes_null)
