"""What a document asks for, counted from its syntax alone and before it is validated: validation
itself takes time with the square of what these bound.

Fragments count wherever they are spread, each walked once and remembered, so that a document of
many spreads costs no more than its length. `@skip` and `@include` are not believed.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
)

from gql_auth.kernel.limits import OperationLimits
from gql_auth.serving.costs.exceeding import Exceeded

_INTROSPECTION: Final = frozenset({"__schema", "__type"})
# A tool asks once; asked for often in one operation, the whole schema is a lot of work.
MAX_INTROSPECTIONS: Final = 2
# Fragments that only spread fragments: graphql-core gives up there, too.
_MOST_SPREADS: Final = 100
# Selections in each other, fragments followed: no bound is as high, and the walk goes no deeper.
_MOST_LEVELS: Final = 300
_SATURATED: Final = 1_000_000_000  # no bound is as high


@dataclass(slots=True)
class _Measured:
    """What one selection asks for, with all below it."""

    depth: int = 0
    aliases: int = 0
    copies: int = 0  # aliases of what has selections: inside an introspection, more of the schema
    introspection: int = 0
    # By response name and by field name: how often it is named on this level.
    names: Counter[str] = field(default_factory=Counter)
    introspections: dict[str, int] = field(default_factory=dict)  # by name, copies inside included


class Measure:
    """Walks a document once; `check` comes back if it stays within its bounds."""

    def __init__(self, document: DocumentNode, limits: OperationLimits) -> None:
        self._document = document
        self._limits = limits
        self._fragments: dict[str, FragmentDefinitionNode] = {}
        for node in document.definitions:
            if isinstance(node, FragmentDefinitionNode):
                self._fragments.setdefault(node.name.value, node)
        self._known: dict[str, _Measured] = {}
        self._open: list[str] = []  # fragments being walked: a cycle adds nothing
        self._level = 0

    def check(self) -> None:
        """Come back if every operation stays within its bounds.

        Raises:
            Exceeded: naming the bound.
        """
        for definition in self._document.definitions:
            self._check_directives(definition)
            if isinstance(definition, OperationDefinitionNode):
                for variable in definition.variable_definitions or ():
                    self._check_directives(variable)
                    if variable.default_value is not None:
                        self._check_value(variable.default_value)
                self._check_operation(definition)
            elif isinstance(definition, FragmentDefinitionNode):
                self._fragment(definition)  # one that nobody spreads is validated all the same

    def _check_operation(self, operation: OperationDefinitionNode) -> None:
        limits, found = self._limits, self._selections(operation.selection_set)
        for bound, limit, count in (
            ("depth", limits.max_depth, found.depth),
            ("introspection", limits.max_introspection_depth, found.introspection),
            ("aliases", limits.max_aliases, found.aliases),
            ("root_fields", limits.max_root_fields, len(found.names)),
            ("introspections", MAX_INTROSPECTIONS, sum(found.introspections.values())),
        ):
            if count > limit:
                raise Exceeded(bound, limit=limit, found=count, nodes=operation)

    def _selections(self, selections: SelectionSetNode) -> _Measured:
        self._level += 1
        if self._level > _MOST_LEVELS:
            limit = self._limits.max_depth
            raise Exceeded("depth", limit=limit, found=self._level, nodes=selections)
        found = _Measured()
        for node in selections.selections:
            self._check_directives(node)
            if isinstance(node, FieldNode):
                self._field(node, found)
            elif isinstance(node, InlineFragmentNode):
                self._add(found, self._selections(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments.get(node.name.value)
                if fragment is not None:
                    self._add(found, self._fragment(fragment))
        self._level -= 1
        repeats = max(found.names.values(), default=0)
        if repeats > self._limits.max_repeats:
            limit = self._limits.max_repeats
            raise Exceeded("repeats", limit=limit, found=repeats, nodes=selections)
        return found

    def _field(self, node: FieldNode, found: _Measured) -> None:
        for argument in node.arguments or ():
            self._check_value(argument.value)
        name = (node.alias or node.name).value
        found.names[name] += 1
        found.aliases += node.alias is not None
        below = self._selections(node.selection_set) if node.selection_set else _Measured()
        found.aliases = min(found.aliases + below.aliases, _SATURATED)
        copied = below.copies + (node.alias is not None and node.selection_set is not None)
        found.copies = min(found.copies + copied, _SATURATED)
        found.introspection = max(found.introspection, below.introspection)
        if node.name.value in _INTROSPECTION:
            found.introspections[name] = max(found.introspections.get(name, 0), 1 + below.copies)
            # What nests in here reads memory alone, and has a bound of its own.
            found.introspection = max(found.introspection, 1 + below.depth)
            found.depth = max(found.depth, 1)
        else:
            found.depth = max(found.depth, 1 + below.depth)

    def _fragment(self, fragment: FragmentDefinitionNode) -> _Measured:
        name = fragment.name.value
        if name in self._known:
            return self._known[name]
        if name in self._open:
            return _Measured()
        if len(self._open) >= _MOST_SPREADS:
            raise Exceeded("depth", limit=_MOST_SPREADS, found=len(self._open) + 1, nodes=fragment)
        self._open.append(name)
        found = self._selections(fragment.selection_set)
        self._open.pop()
        self._known[name] = found
        return found

    @staticmethod
    def _add(found: _Measured, spread: _Measured) -> None:
        found.depth = max(found.depth, spread.depth)
        found.introspection = max(found.introspection, spread.introspection)
        found.aliases = min(found.aliases + spread.aliases, _SATURATED)
        found.names.update(spread.names)
        found.copies = min(found.copies + spread.copies, _SATURATED)
        for name, count in spread.introspections.items():
            found.introspections[name] = max(found.introspections.get(name, 0), count)

    def _check_directives(self, node: Any) -> None:
        directives = getattr(node, "directives", None) or ()
        if len(directives) > self._limits.max_directives:
            limit = self._limits.max_directives
            raise Exceeded("directives", limit=limit, found=len(directives), nodes=node)
        for directive in directives:
            for argument in directive.arguments or ():
                self._check_value(argument.value)

    def _check_value(self, value: ValueNode) -> None:
        deepest = max(_depths_of_literal(value))
        if deepest > self._limits.max_input_depth:
            limit = self._limits.max_input_depth
            raise Exceeded("input_depth", limit=limit, found=deepest, nodes=value)


def _depths_of_literal(value: ValueNode) -> Iterator[int]:
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, ListValueNode):
            waiting += [(each, depth + 1) for each in node.values]
        elif isinstance(node, ObjectValueNode):
            waiting += [(each.value, depth + 1) for each in node.fields]
        yield depth + isinstance(node, ListValueNode | ObjectValueNode)


def depth_of(value: object) -> int:
    """How many lists and objects of a decoded JSON value lie in each other; none is 0."""
    waiting, deepest = [(value, 0)], 0
    while waiting:
        each, depth = waiting.pop()
        if isinstance(each, dict | list):
            deepest = max(deepest, depth + 1)
            inside = each.values() if isinstance(each, dict) else each
            waiting += [(inner, depth + 1) for inner in inside]
    return deepest
