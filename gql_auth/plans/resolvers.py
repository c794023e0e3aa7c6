"""What a field's resolve function is, where it is one that Strawberry makes."""

from graphql import GraphQLField
from strawberry.types.field import StrawberryField


def attribute_of(field: GraphQLField) -> str | None:
    """The attribute that a field's resolve function reads, if it does nothing else."""
    described = field.extensions.get("strawberry-definition")
    resolve = field.resolve
    if (
        isinstance(described, StrawberryField)
        # Nobody put another function in its place, and no handler of exceptions stands before it.
        and getattr(resolve, "__module__", None) == "strawberry.schema.schema_converter"
        and getattr(resolve, "__name__", None) == "_get_basic_result"
        and described.is_basic_field
        and type(described).get_result is StrawberryField.get_result
        and described.default_resolver is getattr
    ):
        return described.python_name
    return None
