"""What an operation costs in all: weights, times the lengths of the lists that they are in."""

from collections.abc import Mapping
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from gql_auth.serving.costs.weights import Weight, weight_of

_MOST: Final = 1_000_000_000  # more is not told apart
_DIGITS: Final = 10


class Complexity:
    """Costs operations of one schema. What is known of its fields is kept.

    A document has been validated before it comes here: it has no cycles, and its fields exist.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._weights: dict[tuple[str, str], Weight] = {}

    def of(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> int:
        """The cost of an operation with these variables, a billion at most."""
        root: Any = self._schema.get_root_type(operation.operation)
        is_mutation = operation.operation is OperationType.MUTATION
        visit = _Visit(self, fragments, _with_defaults(operation, variables))
        return visit.cost(operation.selection_set, root, mutation=is_mutation)

    def weight(self, parent: Any, name: str, *, mutation: bool) -> Weight | None:
        """The weight of a field; None of those that belong to introspection."""
        known = self._weights.get((parent.name, name))
        if known is None and name in parent.fields:
            known = weight_of(parent.fields[name], mutation=mutation)
            if isinstance(parent, GraphQLInterfaceType):
                # Whichever implements it will be asked.
                for each in self._schema.get_possible_types(parent):
                    other = weight_of(each.fields[name], mutation=mutation)
                    known = known.or_dearer(other, arguments=parent.fields[name].args)
            self._weights[parent.name, name] = known
        return known

    def type_named(self, name: str) -> Any:
        """A type of the schema."""
        return self._schema.get_type(name)


class _Visit:
    def __init__(
        self,
        complexity: Complexity,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> None:
        self._complexity = complexity
        self._fragments = fragments
        self._variables = variables
        # What a fragment costs depends on where it is spread by its size alone.
        self._spread: dict[tuple[str, frozenset[str], int], int] = {}

    def cost(
        self,
        selections: SelectionSetNode,
        parent: Any,
        *,
        mutation: bool = False,
        sized: frozenset[str] = frozenset(),
        size: int = 0,
    ) -> int:
        total = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
                    given = size if node.name.value in sized else None
                    total += self._field(node, parent, mutation=mutation, given=given)
            elif isinstance(node, InlineFragmentNode):
                on = node.type_condition
                inner = self._complexity.type_named(on.name.value) if on else parent
                total += self.cost(
                    node.selection_set, inner, mutation=mutation, sized=sized, size=size
                )
            elif isinstance(node, FragmentSpreadNode):
                total += self._fragment(node.name.value, mutation=mutation, sized=sized, size=size)
            if total >= _MOST:
                return _MOST
        return total

    def _fragment(self, name: str, *, mutation: bool, sized: frozenset[str], size: int) -> int:
        known = self._spread.get((name, sized, size))
        if known is None:
            fragment = self._fragments[name]
            on = self._complexity.type_named(fragment.type_condition.name.value)
            known = self.cost(fragment.selection_set, on, mutation=mutation, sized=sized, size=size)
            self._spread[name, sized, size] = known
        return known

    def _field(self, node: FieldNode, parent: Any, *, mutation: bool, given: int | None) -> int:
        weight = self._complexity.weight(parent, node.name.value, mutation=mutation)
        if weight is None:
            return 0
        asked = self._asked(node, parent, weight) if weight.slicing else None
        below = 0
        if node.selection_set is not None:
            kind = get_named_type(parent.fields[node.name.value].type)
            sized = weight.sized if asked is not None else frozenset[str]()
            below = self.cost(node.selection_set, kind, sized=sized, size=asked or 0)
        if not weight.is_list:
            return min(weight.own + below, _MOST)
        length = given if given is not None else weight.assumed if asked is None else asked
        # Even an empty list has to be resolved.
        return min(max((weight.own + below) * length, weight.own), _MOST)

    def _asked(self, node: FieldNode, parent: Any, weight: Weight) -> int | None:
        """How many the client asks for: the most that one of the arguments says."""
        said: list[Any] = []
        written = {argument.name.value: argument.value for argument in node.arguments or ()}
        for name in weight.slicing:
            value = written.get(name)
            if isinstance(value, IntValueNode):
                # A number of a thousand digits is no length, and takes long to read.
                said.append(int(value.value) if len(value.value) < _DIGITS else _MOST)
            elif isinstance(value, VariableNode) and value.name.value in self._variables:
                said.append(self._variables[value.name.value])
            elif value is None or isinstance(value, VariableNode):
                argument = parent.fields[node.name.value].args[name]
                said += [argument.default_value, getattr(argument.default, "value", None)]
        # An Int may be sent as 5.0. A negative one is no length, whatever the host makes of it.
        lengths = [
            int(min(each, _MOST))
            for each in said
            if isinstance(each, int | float) and not isinstance(each, bool) and each >= 0
        ]
        return max(lengths) if lengths else None


def _with_defaults(
    operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Mapping[str, Any]:
    defaults: dict[str, Any] = {}
    for definition in operation.variable_definitions or ():
        value = definition.default_value
        if isinstance(value, IntValueNode):
            defaults[definition.variable.name.value] = (
                int(value.value) if len(value.value) < _DIGITS else _MOST
            )
    return {**defaults, **variables}
