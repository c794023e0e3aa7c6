"""Fields of an object: how their values are found."""

from collections.abc import Callable, Mapping
from types import CoroutineType
from typing import Any, NamedTuple

from graphql import (
    GraphQLOutputType,
    default_field_resolver,
    get_named_type,
    is_abstract_type,
    is_non_null_type,
    is_object_type,
)
from graphql.pyutils import Path

from gql_auth.plans.arguments import argument_values
from gql_auth.plans.collecting import Site, Variant
from gql_auth.plans.finishing import Finish, finisher, refuse
from gql_auth.plans.leaves import leaves_as_is
from gql_auth.plans.resolvers import attribute_of, direct_of
from gql_auth.plans.running import PLAIN, Completer, Execution, is_awaitable, new

CompleterOf = Callable[[Variant, Site, GraphQLOutputType, str | None], Completer]


class Step(NamedTuple):
    """How an object gets the value of a field: as one of its attributes, or by resolving.

    An attribute is finished by `finish`, unless it leaves as it is: of exactly the type `exact`,
    or None where `nullable`.
    """

    resolve: Callable[[Execution, Any, Path | None], Any] | None
    attribute: str
    exact: type | None
    nullable: bool
    finish: Callable[[Execution, Any, Any, Path | None, Any], Any]


def field_step(variant: Variant, site: Site, completer: CompleterOf) -> Step:
    """How an object gets the value of a field."""
    type_ = site.field.type
    complete = completer(variant, site, type_, site.parent.name)
    finish = finisher(site, type_, complete, site.parent.name)
    attribute, resolve = attribute_of(site.field), None
    if site.field.resolve is None:
        resolve = _looking_up(site, finish)
    elif attribute is None or _wants_info(type_):
        resolve = _resolving(variant, site, complete, finish)
    exact, nullable = leaves_as_is(type_), not is_non_null_type(type_)
    return Step(resolve, attribute or "", exact, nullable, finish.any)


def _resolving(variant: Variant, site: Site, complete: Completer, finish: Finish) -> Any:
    """Calls the field's resolve function, or the function that this would call."""
    key, name, nodes, parent, field = site
    type_, typename, resolve = field.type, parent.name, field.resolve or default_field_resolver
    required = is_non_null_type(type_)
    no_null = f"Cannot return null for non-nullable field {parent}.{name}."
    given, find = argument_values(site)
    told = True
    direct = direct_of(variant.operation.schema, field)
    if direct is not None:
        resolve, told = direct.call, direct.told or _wants_info(type_)
        given, find = argument_values(site, direct.names)

    def resolve_field(run: Execution, source: Any, path: Path | None) -> Any:
        info: Any = None
        if told:
            info = run.info(name, nodes, type_, parent, new(Path, (path, key, typename)))
        try:
            value = resolve(source, info, **(given if find is None else find(run)))
            kind = type(value)
            if kind is CoroutineType or (kind not in PLAIN and is_awaitable(value)):
                return finish.awaited(run, value, info, path, key)
            completed = complete(run, value, info, path, key)
            if completed is None and required:
                refuse(no_null)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the client's to see
            run.fail(error, nodes, new(Path, (path, key, typename)), required=required)
            return None
        if type(completed) is CoroutineType:
            return finish.guarded(run, completed, path, key)
        return completed

    return resolve_field


def _looking_up(site: Site, finish: Finish) -> Any:
    """Does as `default_field_resolver`, which asks for much to find a plain value."""
    key, name, nodes, parent, field = site
    type_, typename = field.type, parent.name
    wants_info = _wants_info(type_)
    given, find = argument_values(site)

    def look_up(run: Execution, source: Any, path: Path | None) -> Any:
        info = None
        if wants_info:
            info = run.info(name, nodes, type_, parent, new(Path, (path, key, typename)))
        try:
            arguments = given if find is None else find(run)
            if type(source) is dict or isinstance(source, Mapping):
                value = source.get(name)
            else:
                value = getattr(source, name, None)
            if callable(value):
                if info is None:
                    place = new(Path, (path, key, typename))
                    info = run.info(name, nodes, type_, parent, place)
                value = value(info, **arguments)
        except Exception as error:  # noqa: BLE001 - it is raised again where it is finished
            value = error
        return finish.any(run, value, info, path, key)

    return look_up


def _wants_info(type_: GraphQLOutputType) -> bool:
    """Whether a type asks, to complete a value, for what its field's resolver was told."""
    named = get_named_type(type_)
    return is_abstract_type(named) or (is_object_type(named) and named.is_type_of is not None)
