"""Which operations run by a compiled plan, and which by graphql-core's executor."""

from collections.abc import Callable, Sequence
from typing import Final

from graphql import GraphQLSchema
from strawberry.extensions import SchemaExtension

from gql_auth.plans import Plan, Uncovered, compile_operation
from gql_auth.serving.documents import Entry, Known

# Hooks around the execution: what a plan does, they would not see.
_HOOKS: Final = ("resolve", "on_execute")


class Planner:
    """Compiles the operations of valid documents, each once.

    Args:
        schema: whose operations they are.
        extensions: the host's, which every operation runs with.
        enabled: by the settings.
        directives: whether the host has directives of operations.
    """

    # What comes for the first time may not come again; the tests want a plan for that, too.
    at_once = False

    def __init__(
        self,
        schema: GraphQLSchema,
        extensions: Sequence[object],
        *,
        enabled: bool,
        directives: bool,
    ) -> None:
        self._schema = schema
        self._enabled = enabled
        self._in_the_way = "directive" if directives else _hook_among(extensions)
        # With nothing of the host's around an operation, nothing needs to be built for it.
        self.alone = not extensions and not directives

    def plan_of(
        self, known: Known, entry: Entry, fell_back: Callable[[str], None] = lambda _why: None
    ) -> Plan | None:
        """The plan of an operation of a document that came before; None where the executor is to
        run it.

        Args:
            entry: the operation, which is one of the document's.
            fell_back: told why.
        """
        if not self._enabled:
            return None
        if self._in_the_way:
            fell_back(self._in_the_way)
            return None
        plan = entry.plan
        if plan is None:
            try:
                plan = compile_operation(self._schema, known.document, entry.name)
            except Uncovered as uncovered:
                plan = uncovered.reason
            entry.plan = plan
        if isinstance(plan, str):
            fell_back(plan)
            return None
        return plan


def _hook_among(extensions: Sequence[object]) -> str:
    """Whether one of them wants to be there when fields are resolved; a factory may make such."""
    for each in extensions:
        kind = each if isinstance(each, type) else type(each)
        if not issubclass(kind, SchemaExtension):
            return "extension"
        if any(getattr(kind, hook) is not getattr(SchemaExtension, hook) for hook in _HOOKS):
            return "extension"
    return ""
