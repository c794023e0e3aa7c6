"""What fields cost, declared on them in the schema and printed in its SDL.

    @strawberry.field(directives=[Cost(weight=5)])
    @strawberry.field(directives=[ListSize(assumed_size=50)])
    @strawberry.field(directives=[ListSize(slicing_arguments=["first"], sized_fields=["edges"])])

Names and meaning are those of Apollo Federation 2.9's demand control, which took them from IBM's
GraphQL Cost Directives.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

import strawberry
from graphql import GraphQLField, GraphQLList, GraphQLNonNull, GraphQLOutputType, is_leaf_type
from strawberry.schema_directive import Location

_SLICING: Final[tuple[str, ...]] = ("first", "last")
_SIZED: Final = ("edges", "nodes", "items")
_MUTATION: Final = 10
ASSUMED_SIZE: Final = 10


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description="What the field costs each time it is resolved, instead of 1 for an object, 0 for "
    "a scalar and 10 for a mutation.",
)
class Cost:
    """Printed on fields that cost more, or less, than the rest."""

    weight: int


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="listSize",
    description="How many objects the field brings: `assumedSize`, or what the client asks for by "
    "one of `slicingArguments`. With `sizedFields`, not the field itself is that long but those "
    "fields of what it brings (connections).",
)
class ListSize:
    """Printed on fields whose length the server knows better than to guess 10."""

    assumed_size: int | None = strawberry.directive_field(name="assumedSize", default=None)
    slicing_arguments: list[str] | None = strawberry.directive_field(
        name="slicingArguments", default=None
    )
    sized_fields: list[str] | None = strawberry.directive_field(name="sizedFields", default=None)


@dataclass(frozen=True, slots=True)
class Weight:
    """What is known of one field's cost.

    Args:
        own: the cost of resolving it once.
        is_list: whether it brings a list of objects.
        assumed: how long, unless a slicing argument says.
        slicing: arguments that say how long.
        sized: fields below that are as long as the slicing argument says.
    """

    own: int
    is_list: bool
    assumed: int
    slicing: tuple[str, ...]
    sized: frozenset[str]

    def or_dearer(self, other: "Weight", *, arguments: Container[str]) -> "Weight":
        """The weight of an interface's field that may turn out to be another one's.

        Args:
            arguments: those that the interface has.
        """
        slicing = [name for name in other.slicing if name in arguments]
        return Weight(
            max(self.own, other.own),
            self.is_list,
            max(self.assumed, other.assumed),
            tuple(dict.fromkeys((*self.slicing, *slicing))),
            self.sized | other.sized,
        )


def weight_of(definition: GraphQLField, *, mutation: bool) -> Weight:
    """The weight of a field, from its type and its directives."""
    kind, is_list = _unwrap(definition.type)
    own = _MUTATION if mutation else int(not is_leaf_type(kind))
    assumed, slicing, sized = ASSUMED_SIZE, tuple(_SLICING), frozenset[str]()
    if not is_list and any(name in definition.args for name in _SLICING):
        sized = frozenset(_SIZED) & frozenset(getattr(kind, "fields", ()))
    strawberry_field = definition.extensions.get("strawberry-definition")
    for directive in getattr(strawberry_field, "directives", ()):
        if isinstance(directive, Cost):
            own = directive.weight
        elif isinstance(directive, ListSize):
            assumed = ASSUMED_SIZE if directive.assumed_size is None else directive.assumed_size
            slicing = tuple(directive.slicing_arguments or _SLICING)
            sized = frozenset(directive.sized_fields or ())
    present = tuple(name for name in slicing if name in definition.args)
    return Weight(own, is_list and not is_leaf_type(kind), assumed, present, sized)


def _unwrap(kind: GraphQLOutputType) -> tuple[Any, bool]:
    is_list = False
    inner: Any = kind
    while isinstance(inner, GraphQLList | GraphQLNonNull):
        is_list = is_list or isinstance(inner, GraphQLList)
        inner = inner.of_type
    return inner, is_list
