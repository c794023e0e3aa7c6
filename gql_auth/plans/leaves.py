"""How scalars and enums leave: as they are where that is plain from their type."""

from math import isfinite
from typing import Any, Final

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLOutputType,
    GraphQLString,
    Undefined,
    is_leaf_type,
)
from graphql.pyutils import Path, inspect

from gql_auth.plans.running import Execution, awaits, relay

# Values of exactly these types leave as they are. The identity of the scalar counts, not its
# name: a schema may have a String of its own.
EXACT: Final[dict[Any, type]] = {
    GraphQLString: str,
    GraphQLID: str,
    GraphQLBoolean: bool,
    GraphQLInt: int,
    GraphQLFloat: float,
}


def leaves_as_is(type_: GraphQLOutputType) -> type | None:
    """The type whose values need no completion: str of String and ID, bool of Boolean."""
    exact = EXACT.get(type_) if is_leaf_type(type_) else None
    return exact if exact in {str, bool} else None


def leaf_completer(type_: GraphQLLeafType) -> Any:
    """Completes the values of a scalar or enum."""
    exact = EXACT.get(type_)
    if exact is int:
        return _completer_of_ints(type_)
    if exact is float:
        return _completer_of_floats(type_)
    coerce = type_.coerce_output_value

    def complete(_run: Execution, value: Any, _info: Any, _prev: Path | None, _key: Any) -> Any:
        if type(value) is exact:
            return value
        if value is None or value is Undefined:
            return None
        if isinstance(value, Exception):
            raise value
        coerced: Any = coerce(value)
        if coerced is None or coerced is Undefined:
            raise _no_value(type_, value, coerced)
        # What a scalar of one's own makes of a value may be awaitable, and is then awaited.
        return relay(coerced) if awaits(coerced) else coerced

    return complete


def _completer_of_ints(type_: GraphQLLeafType) -> Any:
    coerce = type_.coerce_output_value

    def complete(_run: Execution, value: Any, _info: Any, _prev: Path | None, _key: Any) -> Any:
        if type(value) is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT:
            return value
        return _complete_number(coerce, value)

    return complete


def _completer_of_floats(type_: GraphQLLeafType) -> Any:
    coerce = type_.coerce_output_value

    def complete(_run: Execution, value: Any, _info: Any, _prev: Path | None, _key: Any) -> Any:
        if type(value) is float and isfinite(value):
            return value
        return _complete_number(coerce, value)

    return complete


def _complete_number(coerce: Any, value: Any) -> Any:
    if value is None or value is Undefined:
        return None
    if isinstance(value, Exception):
        raise value
    return coerce(value)


def _no_value(type_: GraphQLLeafType, value: Any, coerced: Any) -> TypeError:
    return TypeError(
        f"Expected `{inspect(type_)}.coerce_output_value({inspect(value)})` to return "
        f"non-nullable value, returned: {inspect(coerced)}"
    )
