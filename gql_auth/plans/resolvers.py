"""What a field's resolve function does, where it is one that Strawberry made.

Such a function hands on through several layers what most fields do not use. What is plain from
the field's definition is done directly; of any doubt, the function is called as it is.
"""

from collections.abc import Callable
from functools import partial
from inspect import iscoroutinefunction
from types import FunctionType
from typing import Any, Final, NamedTuple

from graphql import GraphQLField, GraphQLSchema, get_named_type, get_nullable_type, is_union_type
from strawberry import ID
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import build_field_extension_resolvers
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from gql_auth.plans.covering import strawberry_schema_of
from gql_auth.plans.inputs import is_specified_leaf

_DEFINITION: Final = "strawberry-definition"
_AS_THEY_ARE: Final = (bool, float, int, str, ID)  # arguments of these types are not converted

_TAKEN: Final = frozenset({"_source", "info"})


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
    """A field's own function, behind its extensions; if its arguments need no conversion, and no
    handler of exceptions stands before it."""
    described = _described(field, "_resolver", "_async_resolver")
    made_by = strawberry_schema_of(schema)
    if described is None or made_by is None:
        return None
    names = _python_names(field)
    if names is None or (made_by.exception_handlers and is_union_type(get_named_type(field.type))):
        return None
    info_class = made_by.config.info_class
    if described.extensions:
        return _extended(described, names, info_class)
    return _bare(described, names, info_class)


def _bare(
    described: StrawberryField, names: dict[str, str], info_class: Callable[..., Any]
) -> Direct | None:
    """The function of a field without extensions."""
    resolver = described.base_resolver
    function = resolver.wrapped_func if resolver is not None else None
    if resolver is None or not isinstance(function, FunctionType):
        return None
    if described.is_async != iscoroutinefunction(function):
        return None
    takes, info, method = _taken(described), resolver.info_parameter, resolver.self_parameter
    if not takes and info is None:
        return Direct(_method(function) if method else _function(function), names, told=False)

    def call(source: Any, raw_info: Any, /, **arguments: Any) -> Any:
        for name in takes:
            arguments[name] = source
        if info is not None:
            arguments[info.name] = info_class(_raw_info=raw_info, _field=described)
        return function(source, **arguments) if method else function(**arguments)

    return Direct(call, names, told=info is not None)


def _extended(
    described: StrawberryField, names: dict[str, str], info_class: Callable[..., Any]
) -> Direct | None:
    """The extensions of a field, outermost first, and its function behind them."""
    for extension in described.extensions:
        if type(extension).map_arguments is not FieldExtension.map_arguments:
            return None
    functions = build_field_extension_resolvers(described)
    # What an async field does begins when it is awaited, and not before.
    if not functions or (described.is_async and not iscoroutinefunction(functions[-1])):
        return None
    *inner, outermost = functions
    resolver, takes = described.base_resolver, _taken(described)
    info_name = resolver.info_parameter.name if resolver and resolver.info_parameter else None
    takes_info, method = info_name == "info", bool(resolver and resolver.self_parameter)
    get_result = described.get_result
    function = resolver.wrapped_func if resolver else None
    known = function if isinstance(function, FunctionType) else None

    def call(source: Any, raw_info: Any, /, **arguments: Any) -> Any:
        told = info_class(_raw_info=raw_info, _field=described)
        # Whatever extensions hand on as the source, a method is one of the object itself.
        given = [source] if method else []

        def innermost(_source: Any, info: Any, **kwargs: Any) -> Any:
            if takes_info:
                kwargs["info"] = info
            if known is not None:
                return known(*given, **kwargs)
            return get_result(_source, info=info, args=given, kwargs=kwargs)

        next_: Callable[..., Any] = innermost
        for function in inner:
            next_ = partial(function, next_)
        for name in takes:
            arguments[name] = source
        if info_name is not None and not takes_info:  # then extensions get it as an argument
            arguments[info_name] = told
        return outermost(next_, source, told, **arguments)

    return Direct(call, names, told=True)


def _taken(described: StrawberryField) -> list[str]:
    """The names under which a field's function takes the object that it is a field of."""
    resolver = described.base_resolver
    if resolver is None:
        return []
    return [each.name for each in (resolver.parent_parameter, resolver.root_parameter) if each]


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(source: Any, _info: Any, /, **arguments: Any) -> Any:
        return function(source, **arguments)

    return call


def _function(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(_source: Any, _info: Any, /, **arguments: Any) -> Any:
        return function(**arguments)

    return call


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
    if not _TAKEN.isdisjoint(field.args):  # Strawberry's functions fail on them
        return None
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
