"""The schema as one subgraph of several (Apollo Federation 2).

What guards a field stays what it was: the directives that a router reads are printed from it,
and nothing here relies on a router.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Annotated, Any, Final, Union, cast

import strawberry
from graphql import (
    REMOVE,
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    FieldDefinitionNode,
    GraphQLUnionType,
    InterfaceTypeDefinitionNode,
    Node,
    ObjectTypeDefinitionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)
from strawberry import federation
from strawberry.federation.schema import FederationAny, _get_entity_type
from strawberry.federation.schema_directives import Authenticated, Key, RequiresScopes
from strawberry.federation.types import FieldSet
from strawberry.printer import print_schema
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from gql_auth.kernel.errors import Forbidden
from gql_auth.kernel.federating import scope_of
from gql_auth.serving.entities import KEY, Entities, Finder, origin_of
from gql_auth.serving.schema import AuthSchema, guards_of

_VERSION: Final = "2.9"  # knows every directive that Strawberry does
# Composition brings these along itself.
_MACHINERY: Final = frozenset({"_Any", "_Entity", "_Service", "_entities", "_service"})


class FederatedSchema(AuthSchema, federation.Schema):
    """Our schema with what a router needs.

    Args:
        root: makes the query type of further fields.
        finders: our own entities, each with what finds them by `id`. A host's are the types
            that it made with `@strawberry.federation.type(keys=[…])`.
        most: representations of one `_entities` field.

    Raises:
        ValueError: a host's entity has no `resolve_reference`, or something of the host's wears
            a directive that only a router would enforce.
    """

    def __init__(
        self,
        *,
        root: Callable[..., type],
        finders: Mapping[type, Finder],
        most: int,
        mutation: type | None,
        subscription: type | None,
        types: Iterable[Any],
        **options: Any,
    ) -> None:
        types = list(types)
        self._guarded: set[tuple[str, str]] = set()
        hosts = _hosts_entities(root(), mutation, subscription, types)
        super().__init__(
            query=root(_make_query([*finders, *hosts])),
            mutation=mutation,
            subscription=subscription,
            types=types,
            federation_version=_VERSION,
            **options,
        )
        union = cast(GraphQLUnionType, self._schema.type_map["_Entity"])
        kinds = {each.name: each for each in union.types}
        self.entities = Entities(kinds, finders, most)
        self._ours = {name for name, kind in kinds.items() if origin_of(kind) in finders}

    def get_fields(self, type_definition: StrawberryObjectDefinition) -> list[StrawberryField]:
        """The fields of a type; which of them are guarded is remembered for the SDL."""
        fields = super().get_fields(type_definition)
        names = self.config.name_converter
        self._guarded |= {
            (names.from_type(type_definition), names.from_field(field))
            for field in fields
            if guards_of(field)
        }
        return fields

    @property
    def schema_directives_in_use(self) -> list[object]:
        """What `@link` has to import: the host's and ours."""
        ours = [Key(fields=FieldSet(KEY)), Authenticated(), RequiresScopes(scopes=[])]
        return [*super().schema_directives_in_use, *ours]

    def _prepare_schema_directives(self) -> None:
        for directive in super().schema_directives_in_use:
            if isinstance(directive, Authenticated | RequiresScopes):
                name = directive.imported_from.name
                raise ValueError(  # noqa: TRY004 - of the schema, as others at start
                    f"@{name} by itself enforces nothing: guard the field with "
                    "permission_classes, which print it"
                )
        super()._prepare_schema_directives()

    def as_str(self) -> str:
        """The SDL for composition; `_service` shows the same."""
        return self._sdl

    @cached_property
    def _sdl(self) -> str:
        document = parse(print_schema(self))
        return print_ast(visit(document, _Dressing(self._ours, self._guarded)))


class _Dressing(Visitor):
    """Makes the SDL that Strawberry prints one for composition."""

    def __init__(self, entities: set[str], guarded: set[tuple[str, str]]) -> None:
        super().__init__()
        self._entities = entities
        self._guarded = guarded

    def enter(self, node: Node, *_: Any) -> Any:
        """Leave out what composition brings along, `@authenticated` too: here it is Apollo's."""
        name = getattr(getattr(node, "name", None), "value", None)
        if isinstance(node, DirectiveDefinitionNode) and name == "authenticated":
            return REMOVE
        # Where they are named as types they go with the field that names them.
        return REMOVE if name in _MACHINERY else None

    def leave_object_type_definition(self, node: ObjectTypeDefinitionNode, *_: Any) -> Node:
        """An object type with its key, its guarded fields as a router reads them."""
        name = node.name.value
        fields = tuple(
            _guarded(each) if (name, each.name.value) in self._guarded else each
            for each in node.fields or ()
        )
        key = [_directive(f'@key(fields: "{KEY}")')] if name in self._entities else []
        return replace(node, fields=fields, directives=(*(node.directives or ()), *key))

    def leave_interface_type_definition(self, node: InterfaceTypeDefinitionNode, *_: Any) -> Node:
        """An interface without `@authenticated`: composition wants it where it is implemented."""
        fields = tuple(
            replace(each, directives=_others(each, "authenticated")) for each in node.fields or ()
        )
        return replace(node, fields=fields)


def _guarded(field: FieldDefinitionNode) -> FieldDefinitionNode:
    """Scopes in place of roles. Any other guard wants a caller, whatever else it wants."""
    roles = [
        [role.value for role in cast(Any, each.arguments)[0].value.values]
        for each in field.directives or ()
        if each.name.value == "hasRole"
    ]
    # Of each guard one role: all ways to have them.
    scopes = [[scope_of(role) for role in each] for each in product(*roles)]
    text = f"@requiresScopes(scopes: {json.dumps(scopes)})" if roles else "@authenticated"
    return replace(field, directives=(*_others(field, "authenticated"), _directive(text)))


def _others(field: FieldDefinitionNode, name: str) -> tuple[ConstDirectiveNode, ...]:
    return tuple(each for each in field.directives or () if each.name.value != name)


def _directive(text: str) -> ConstDirectiveNode:
    (scalar,) = parse(f"scalar _ {text}").definitions
    return cast(ConstDirectiveNode, cast(Any, scalar).directives[0])


def _hosts_entities(*parts: Any) -> list[type]:
    """The host's types that a router may ask for by key.

    Raises:
        ValueError: one could be made by clients as they like.
    """
    union = _get_entity_type(*parts)
    found = []
    for kind in cast(Sequence[Any], union.types if union else ()):
        definition = kind.__strawberry_definition__
        keys = [each for each in definition.directives if isinstance(each, Key)]
        if all(key.resolvable is False for key in keys):
            continue  # a stub: another subgraph has it
        if not hasattr(kind, "resolve_reference"):
            raise ValueError(f"{kind.__name__} has a key and no resolve_reference: whoever asks "
                             "would make one as they like. Write it, or let the key be "
                             "resolvable=False")  # fmt: skip
        found.append(kind)
    return found


@strawberry.type(name="_Service", description="This subgraph, for composition.")
class _Service:
    """This subgraph."""

    sdl: str = strawberry.field(description="The schema that this subgraph contributes.")


def _make_query(entities: Sequence[type]) -> type:
    """The root fields that routers use."""
    entity: Any = Annotated[Union[tuple(entities)], strawberry.union("_Entity")]  # noqa: UP007 - of a list

    async def find(info: strawberry.Info, representations: list[FederationAny]) -> Any:
        return await cast(FederatedSchema, info.schema).entities.resolve(info, representations)

    find.__annotations__["return"] = list[entity | None]

    def show(info: strawberry.Info) -> _Service:
        if cast(AuthSchema, info.schema).conceals:
            raise Forbidden("INTROSPECTION_DISABLED", "The schema is not shown: compose with what "
                            "`gql-auth schema --federation` prints")  # fmt: skip
        return _Service(sdl=info.schema.as_str())

    fields = {
        "find_entities": strawberry.field(find, name="_entities", description="Objects by key."),
        "show_service": strawberry.field(show, name="_service", description="This subgraph."),
    }
    return strawberry.type(type("Subgraph", (), fields))
