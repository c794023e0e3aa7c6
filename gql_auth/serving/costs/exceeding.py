"""The error for an operation that asks for too much: which bound, and by how much."""

from typing import Any, Final

from graphql import GraphQLError

from gql_auth.kernel.declaring import PREFIX

# bound -> (code, what is told); one vocabulary for clients, metrics and documentation.
BOUNDS: Final[dict[str, tuple[str, str]]] = {
    "document_size": ("DOCUMENT_TOO_LARGE", "The document has more than {limit} characters"),
    "tokens": ("TOO_MANY_TOKENS", "The document has more than {limit} tokens"),
    "lines": ("TOO_MANY_LINES", "The document has more than {limit} lines"),
    "depth": ("TOO_DEEP", "Fields nest {found} deep, {limit} are allowed"),
    "aliases": ("TOO_MANY_ALIASES", "The operation has {found} aliases, {limit} are allowed"),
    "root_fields": (
        "TOO_MANY_ROOT_FIELDS",
        "The operation has {found} fields at its root, {limit} are allowed",
    ),
    "repeats": (
        "TOO_MANY_REPEATS",
        "A selection names the same field {found} times, {limit} are allowed",
    ),
    "directives": (
        "TOO_MANY_DIRECTIVES",
        "There are {found} directives at one place, {limit} are allowed",
    ),
    "complexity": ("TOO_COMPLEX", "The operation costs {found}, {limit} are allowed"),
    "introspection": (
        "INTROSPECTION_TOO_DEEP",
        "Introspection nests {found} deep, {limit} are allowed",
    ),
    "introspections": (
        "TOO_MANY_INTROSPECTIONS",
        "The operation introspects {found} times, {limit} are allowed",
    ),
    "variables_size": ("VARIABLES_TOO_LARGE", "The variables have more than {limit} bytes"),
    "input_depth": (
        "INPUT_TOO_DEEP",
        "Lists and objects of the input nest {found} deep, {limit} are allowed",
    ),
    "batch": ("BATCH_TOO_LARGE", "The request holds {found} operations, {limit} are allowed"),
    "time": ("OPERATION_TIMEOUT", "The operation took longer than {limit} s and was ended"),
}
CODES: Final = frozenset(code for code, _ in BOUNDS.values())
# bound -> the setting that moves it; the others are fixed.
_SETTINGS: Final = {
    "document_size": "max_document_size",
    "tokens": "max_tokens",
    "depth": "max_depth",
    "aliases": "max_aliases",
    "root_fields": "max_root_fields",
    "repeats": "max_repeats",
    "directives": "max_directives",
    "complexity": "max_complexity",
    "introspection": "max_introspection_depth",
    "variables_size": "max_variables_size",
    "input_depth": "max_input_depth",
    "batch": "max_batch",
    "time": "operation_timeout",
}


class Exceeded(GraphQLError):  # noqa: N818 - a refusal
    """An operation goes beyond one of its bounds.

    Args:
        bound: a key of `BOUNDS`.
        limit: what is allowed.
        found: what was asked for, where it was counted to the end.
        nodes: where in the document.
    """

    def __init__(
        self, bound: str, *, limit: int, found: int | None = None, nodes: Any = None
    ) -> None:
        code, told = BOUNDS[bound]
        extensions: dict[str, Any] = {"code": code, "limit": limit}
        if found is not None:
            extensions["found"] = found
        super().__init__(told.format(limit=limit, found=found), nodes, extensions=extensions)
        self.bound = bound


def setting_of(bound: str) -> str | None:
    """The variable that moves a bound, for documentation."""
    name = _SETTINGS.get(bound)
    return f"{PREFIX}{name.upper()}" if name else None
