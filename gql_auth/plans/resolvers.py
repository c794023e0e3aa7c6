"""What a field's resolve function does, where it is one that Strawberry made.

Such a function hands on through several layers what most fields do not use. What is plain from
the field's definition is done directly; of any doubt, the function is called as it is.
"""

from collections.abc import Callable
from inspect import iscoroutinefunction
from types import FunctionType
from typing import Any, Final, NamedTuple

from graphql import GraphQLField, GraphQLSchema, get_named_type, get_nullable_type, is_union_type
from strawberry import ID
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from gql_auth.plans.covering import strawberry_schema_of
from gql_auth.plans.inputs import is_specified_leaf

_DEFINITION: Final = "strawberry-definition"
_AS_THEY_ARE: Final = (bool, float, int, str, ID)  # arguments of these types are not converted


class Direct(NamedTuple):
    """A field's own function, in the place of its resolve function.

    It is called likewise, with arguments by the names that `names` gives them; where `told`, with
    what resolvers are told, else with None.
    """

    call: Callable[..., Any]
    names: dict[str, str]
    told: bool


def attribute_of(field: GraphQLField) -> str | None:
    """The attribute that a field's resolve function reads, if it does nothing else."""
    described = _described(field, "_get_basic_result")
    # No handler of exceptions stands before it: their resolve function has another name.
    if described is None or not described.is_basic_field:
        return None
    return described.python_name if described.default_resolver is getattr else None


def direct_of(schema: GraphQLSchema, field: GraphQLField) -> Direct | None:
    """A field's own function, if nothing but arguments that need no conversion and what
    resolvers are told come between: no permission, extension or handler of exceptions."""
    described = _described(field, "_resolver", "_async_resolver")
    made_by = strawberry_schema_of(schema)
    if described is None or described.base_resolver is None or made_by is None:
        return None
    resolver, names = described.base_resolver, _python_names(field)
    function = resolver.wrapped_func
    if (
        names is None
        or described.extensions
        or (made_by.exception_handlers and is_union_type(get_named_type(field.type)))
        or not isinstance(function, FunctionType)
        or described.is_async != iscoroutinefunction(function)
    ):
        return None
    takes = [each.name for each in (resolver.parent_parameter, resolver.root_parameter) if each]
    info, info_class = resolver.info_parameter, made_by.config.info_class
    method = bool(resolver.self_parameter)
    if not takes and info is None:
        return Direct(_method(function) if method else _function(function), names, told=False)

    def call(source: Any, raw_info: Any, **arguments: Any) -> Any:
        for name in takes:
            arguments[name] = source
        if info is not None:
            arguments[info.name] = info_class(_raw_info=raw_info, _field=described)
        return function(source, **arguments) if method else function(**arguments)

    return Direct(call, names, told=info is not None)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda source, _info, **arguments: function(source, **arguments)


def _function(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _source, _info, **arguments: function(**arguments)


def _described(field: GraphQLField, *names: str) -> StrawberryField | None:
    """Strawberry's description of a field, if its resolve function is one that Strawberry made
    from it under one of these names, and nobody has put another in its place."""
    described, resolve = field.extensions.get(_DEFINITION), field.resolve
    if (
        isinstance(described, StrawberryField)
        and type(described).get_result is StrawberryField.get_result
        and getattr(resolve, "__module__", None) == "strawberry.schema.schema_converter"
        and getattr(resolve, "__name__", None) in names
    ):
        return described
    return None


def _python_names(field: GraphQLField) -> dict[str, str] | None:
    """The names of a field's arguments in Python; None if one of them is converted."""
    names: dict[str, str] = {}
    for name, argument in field.args.items():
        described = argument.extensions.get(_DEFINITION)
        if not isinstance(described, StrawberryArgument) or described.is_maybe:
            return None
        type_: Any = described.type
        if isinstance(type_, StrawberryOptional):
            type_ = type_.of_type
        if type_ not in _AS_THEY_ARE or not is_specified_leaf(get_nullable_type(argument.type)):
            return None
        names[name] = described.python_name
    return names
