"""Which fields a selection set asks for, under given conditions and of a given type."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    NamedTypeNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    VariableValues,
    get_directive_values,
    is_abstract_type,
    type_from_ast,
)

from gql_auth.plans.running import Operation

_CONDITIONS: Final = (GraphQLSkipDirective, GraphQLIncludeDirective)


class Site(NamedTuple):
    """A field of an answer: all places of the document that ask for it."""

    key: str  # in the answer
    name: str  # in the schema
    nodes: list[FieldNode]
    parent: GraphQLObjectType
    field: GraphQLField


def condition_variables(operation: Operation) -> tuple[str, ...]:
    """The variables that decide, in the operation's document, which fields are asked for."""
    found: dict[str, None] = {}
    definitions = [operation.definition, *operation.fragments.values()]
    for selection in selections_of([each.selection_set for each in definitions]):
        for directive in selection.directives or ():
            if directive.name.value in {"skip", "include"}:
                for argument in directive.arguments or ():
                    if isinstance(argument.value, VariableNode):
                        found[argument.value.name.value] = None
    return tuple(found)


def selections_of(sets: Iterable[SelectionSetNode]) -> Iterator[SelectionNode]:
    """Every selection of some selection sets, and of those within them."""
    unseen = list(sets)
    while unseen:
        for selection in unseen.pop().selections:
            yield selection
            if isinstance(selection, (FieldNode, InlineFragmentNode)) and selection.selection_set:
                unseen.append(selection.selection_set)


class Variant:
    """An operation under given values of the variables in its @skip and @include."""

    __slots__ = ("conditions", "operation")

    def __init__(self, operation: Operation, conditions: VariableValues) -> None:
        self.operation = operation
        self.conditions = conditions

    def root_sites(self, type_: GraphQLObjectType) -> list[Site]:
        """What the operation asks of its root.

        Raises:
            GraphQLError: a condition has no value.
        """
        return self._sites(type_, [self.operation.definition.selection_set])

    def sites_below(self, site: Site, type_: GraphQLObjectType) -> list[Site]:
        """What a field's selection sets ask of an object of that type.

        Raises:
            GraphQLError: a condition has no value.
        """
        sets = [node.selection_set for node in site.nodes if node.selection_set]
        return self._sites(type_, sets)

    def _sites(self, type_: GraphQLObjectType, sets: list[SelectionSetNode]) -> list[Site]:
        found: dict[str, list[FieldNode]] = {}
        visited: set[str] = set()
        for each in sets:
            self._collect(each, type_, found, visited)
        schema = self.operation.schema
        sites = []
        for key, nodes in found.items():
            name = nodes[0].name.value
            field = schema.get_field(type_, name)
            if field is not None:  # of a validated document, it never is
                sites.append(Site(key, name, nodes, type_, field))
        return sites

    def _collect(
        self,
        selection_set: SelectionSetNode,
        type_: GraphQLObjectType,
        found: dict[str, list[FieldNode]],
        visited: set[str],
    ) -> None:
        schema, fragments = self.operation.schema, self.operation.fragments
        for node in selection_set.selections:
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                found.setdefault(key, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if _fits(schema, node.type_condition, type_):
                    self._collect(node.selection_set, type_, found, visited)
            elif isinstance(node, FragmentSpreadNode):
                name = node.name.value
                fragment = fragments.get(name)
                if fragment is None or not _fits(schema, fragment.type_condition, type_):
                    continue
                if name not in visited:
                    visited.add(name)
                    self._collect(fragment.selection_set, type_, found, visited)

    def _is_included(self, node: SelectionNode) -> bool:
        if not node.directives:
            return True
        skip, include = (
            get_directive_values(directive, node, self.conditions) for directive in _CONDITIONS
        )
        return not (skip and skip["if"]) and not (include and not include["if"])


def _fits(schema: GraphQLSchema, condition: NamedTypeNode | None, type_: GraphQLObjectType) -> bool:
    """Whether a fragment speaks of objects of that type."""
    if condition is None:
        return True
    named = type_from_ast(schema, condition)
    if named is type_:
        return True
    return is_abstract_type(named) and schema.is_sub_type(named, type_)
