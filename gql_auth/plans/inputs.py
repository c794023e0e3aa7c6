"""Values of input types, where no code but graphql-core's decides what becomes of them."""

from collections.abc import Callable
from typing import Any, Final

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    FieldNode,
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLString,
    NameNode,
    Undefined,
    coerce_input_value,
    get_argument_values,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)

from gql_auth.plans.leaves import EXACT

# Answers the coerced value; or Undefined, where graphql-core has to look at it.
Coercer = Callable[[Any], Any]

_ALONE: Final = frozenset({str, int, float, bool, dict})  # what a list of one may be given as


def is_specified_leaf(type_: Any) -> bool:
    """Whether a type is a scalar that every schema has."""
    return type_ in EXACT


def is_plain_leaf(type_: Any) -> bool:
    """Whether a type is an enum, or a scalar that every schema has."""
    return type_ in EXACT or isinstance(type_, GraphQLEnumType)


def coercer_of(type_: GraphQLInputType, within: tuple[Any, ...] = ()) -> Coercer | None:
    """Coerces what clients send for a type; None where a scalar of one's own may be among it, or
    where it may be nested without end."""
    if is_non_null_type(type_):
        inner = coercer_of(type_.of_type, within)
        return inner and (lambda value: Undefined if value is None else inner(value))
    if is_list_type(type_):
        of_item = coercer_of(type_.of_type, within)
        return of_item and _list_coercer(of_item)
    if is_input_object_type(type_):
        return _object_coercer(type_, within)
    if is_leaf_type(type_) and is_plain_leaf(type_):
        return _leaf_coercer(type_)
    return None


def _leaf_coercer(type_: Any) -> Coercer:
    exact, coerce = EXACT.get(type_), type_.coerce_input_value
    simply = exact is str or exact is bool

    def coerce_leaf(value: Any) -> Any:
        if value is None or (simply and type(value) is exact):
            return value
        if exact is int and type(value) is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT:
            return value
        try:
            return coerce(value)
        except Exception:  # noqa: BLE001 - graphql-core says what is wrong with it
            return Undefined

    return coerce_leaf


def _list_coercer(of_item: Coercer) -> Coercer:
    def coerce_list(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not list:
            item = of_item(value) if type(value) in _ALONE else Undefined
            return Undefined if item is Undefined else [item]
        items = [of_item(each) for each in value]
        return Undefined if any(each is Undefined for each in items) else items

    return coerce_list


def _object_coercer(type_: GraphQLInputObjectType, within: tuple[Any, ...]) -> Coercer | None:
    plain = type_.out_type is GraphQLInputObjectType.out_type and not type_.is_one_of
    if not plain or type_ in within:
        return None
    rows: list[tuple[str, str, Coercer, bool, Any]] = []
    for name, field in type_.fields.items():
        of_field = coercer_of(field.type, (*within, type_))
        if of_field is None:
            return None
        required = is_required_input_field(field)
        try:
            default = Undefined if required else default_of_field(name, field)
        except TypeError:
            return None
        rows.append((name, field.out_name or name, of_field, required, default))
    known = type_.fields.keys()

    def coerce_object(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not dict or not value.keys() <= known:
            return Undefined
        coerced: dict[str, Any] = {}
        for name, out_name, of_field, required, default in rows:
            given = value.get(name, Undefined)
            if given is Undefined:
                if required:
                    return Undefined
                if default is not Undefined:
                    coerced[out_name] = default
                continue
            inner = of_field(given)
            if inner is Undefined:
                return Undefined
            coerced[out_name] = inner
        return coerced

    return coerce_object


def default_of_field(name: str, field: GraphQLInputField) -> Any:
    """The default of an input field, in the very object that graphql-core gives to everyone.

    Raises:
        TypeError: it is no value of its type.
    """
    alone = GraphQLInputObjectType("Alone", {name: field})
    coerced: dict[str, Any] = coerce_input_value({}, alone)
    return coerced.get(field.out_name or name, Undefined)


def default_of_argument(name: str, argument: GraphQLArgument) -> Any:
    """The default of an argument, likewise.

    Raises:
        GraphQLError: it is no value of its type.
    """
    alone = GraphQLField(GraphQLString, {name: argument})
    node = FieldNode(name=NameNode(value="alone"))
    coerced = get_argument_values(alone, node)
    return coerced.get(argument.out_name or name, Undefined)
