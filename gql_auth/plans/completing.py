"""Values on their way into the answer: leaves, lists, objects, and objects of types that are
found out late."""

from types import CoroutineType
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLError,
    GraphQLObjectType,
    GraphQLOutputType,
    OperationType,
    Undefined,
    default_type_resolver,
    get_nullable_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
)
from graphql.pyutils import Path, inspect

from gql_auth.plans.collecting import Site, Variant
from gql_auth.plans.leaves import leaf_completer
from gql_auth.plans.listing import list_completer
from gql_auth.plans.objects import Runner, object_runner, serial_runner
from gql_auth.plans.running import Completer, Execution, awaits


def root_runner(variant: Variant, type_: GraphQLObjectType) -> Runner:
    """Executes the selection set of an operation.

    Raises:
        GraphQLError: a condition has no value.
    """
    sites = variant.root_sites(type_)
    if variant.operation.definition.operation is OperationType.MUTATION:
        return serial_runner(type_, variant, sites, completer)
    return object_runner(variant, type_, sites, None, completer, is_root=True)


def completer(
    variant: Variant, site: Site, type_: GraphQLOutputType, typename: str | None
) -> Completer:
    """Completes values of a type; that of a non-null type, as if it were not.

    Args:
        typename: what the path says of the place: the parent's, or None for the items of lists.
    """
    nullable: Any = get_nullable_type(type_)
    if is_leaf_type(nullable):
        leaf: Completer = leaf_completer(nullable)
        return leaf
    if is_list_type(nullable):
        complete_item: Completer = completer(variant, site, nullable.of_type, None)
        return list_completer(site, nullable.of_type, complete_item, typename)
    if is_abstract_type(nullable):
        return _abstract_completer(variant, site, nullable, typename)
    complete_object = _object_completer(variant, site, nullable, typename)

    def complete(run: Execution, value: Any, info: Any, prev: Path | None, key: Any) -> Any:
        if value is None or value is Undefined:
            return None
        if isinstance(value, Exception):
            raise value
        return complete_object(run, value, info, prev, key)

    return complete


def _object_completer(
    variant: Variant, site: Site, type_: GraphQLObjectType, typename: str | None
) -> Completer:
    """Completes objects of a type that is known. Compiled when the first of them comes."""
    is_type_of = type_.is_type_of
    runner: Runner | None = None

    def execute(run: Execution, value: Any, prev: Path | None, key: Any) -> Any:
        nonlocal runner
        if runner is None:
            sites = variant.sites_below(site, type_)
            runner = object_runner(variant, type_, sites, typename, completer)
        return runner(run, value, prev, key)

    if is_type_of is None:

        def complete(run: Execution, value: Any, _info: Any, prev: Path | None, key: Any) -> Any:
            return (runner or execute)(run, value, prev, key)

        return complete

    def wrong_type(value: Any) -> GraphQLError:
        return GraphQLError(
            f"Expected value of type '{type_}' but got: {inspect(value)}.", site.nodes.copy()
        )

    async def wait(run: Execution, verdict: Any, value: Any, prev: Path | None, key: Any) -> Any:
        if not await verdict:
            raise wrong_type(value)
        result = execute(run, value, prev, key)
        return await result if type(result) is CoroutineType else result

    def complete_checked(run: Execution, value: Any, info: Any, prev: Path | None, key: Any) -> Any:
        verdict = is_type_of(value, info)
        if awaits(verdict):
            return wait(run, verdict, value, prev, key)
        if not verdict:
            raise wrong_type(value)
        return (runner or execute)(run, value, prev, key)

    return complete_checked


def _abstract_completer(
    variant: Variant, site: Site, type_: GraphQLAbstractType, typename: str | None
) -> Completer:
    """Completes objects of an interface or a union; each of its types is compiled when the first
    object of it comes."""
    resolve_type = type_.resolve_type or default_type_resolver
    completers: dict[str, Completer] = {}

    def find(name: Any, value: Any) -> Completer:
        found = completers.get(name) if type(name) is str else None
        if found is None:
            runtime_type = _runtime_type(variant, site, type_, name, value)
            found = _object_completer(variant, site, runtime_type, typename)
            completers[runtime_type.name] = found
        return found

    async def wait(
        run: Execution, name: Any, value: Any, info: Any, prev: Path | None, key: Any
    ) -> Any:
        complete_object = find(await name, value)
        result = complete_object(run, value, info, prev, key)
        return await result if type(result) is CoroutineType else result

    def complete(run: Execution, value: Any, info: Any, prev: Path | None, key: Any) -> Any:
        if value is None or value is Undefined:
            return None
        if isinstance(value, Exception):
            raise value
        name = resolve_type(value, info, type_)
        if awaits(name):
            return wait(run, name, value, info, prev, key)
        return find(name, value)(run, value, info, prev, key)

    return complete


def _runtime_type(
    variant: Variant, site: Site, type_: GraphQLAbstractType, name: Any, value: Any
) -> GraphQLObjectType:
    """The object type of that name, if it is one that the abstract type may be.

    Raises:
        GraphQLError: it is not.
    """
    schema, where = variant.operation.schema, f"{site.parent}.{site.name}"
    found = schema.get_type(name) if isinstance(name, str) else None
    if name is None:
        problem = (
            f"Abstract type '{type_}' must resolve to an Object type at runtime for field "
            f"'{where}'. Either the '{type_}' type should provide a 'resolve_type' function or "
            "each possible type should provide an 'is_type_of' function."
        )
    elif not isinstance(name, str):
        problem = (
            f"Abstract type '{type_}' must resolve to an Object type at runtime for field "
            f"'{where}' with value {inspect(value)}, received '{inspect(name)}', which is not a "
            "valid Object type name."
        )
    elif found is None:
        problem = (
            f"Abstract type '{type_}' was resolved to a type '{name}' that does not exist inside "
            "the schema."
        )
    elif not is_object_type(found):
        problem = f"Abstract type '{type_}' was resolved to a non-object type '{name}'."
    elif not schema.is_sub_type(type_, found):
        problem = f"Runtime Object type '{found}' is not a possible type for '{type_}'."
    else:
        return found
    raise GraphQLError(problem, site.nodes.copy())
