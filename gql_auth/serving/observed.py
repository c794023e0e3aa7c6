"""What telemetry is told of a request: which operation it was, how it went, who asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gql_auth.kernel.telemetry import SIGN_IN

if TYPE_CHECKING:
    from gql_auth.serving.context import RequestContext


@dataclass(slots=True)
class Seen:
    """One request, as far as it has got."""

    kind: str = "none"  # until a document was found valid
    operation: str | None = None
    outcome: str = "ok"
    proven_by: str | None = None
    counts: bool = True  # the page for browsers is no operation

    def note(self, kind: str, name: str | None) -> None:
        """Take over which operation is about to be run."""
        self.kind = kind
        self.operation = name or None

    def judge(self, failures: Sequence[Any]) -> None:
        """Take over how an operation went."""
        if failures:
            told = failures[0].get("extensions") or {}
            self.outcome = str(told.get("code", "unknown")).lower()

    def prove(self, context: "RequestContext") -> None:
        """Take over who asked. A refresh cookie is set by what succeeded alone; a deletion
        proves nothing, as anybody may sign out."""
        caller, answer = context.known_caller, context.cookie_answer
        if caller is not None:
            self.proven_by = caller.user_id.hex
        elif answer is not None and answer != context.system.cookie_rules.deletion():
            self.proven_by = SIGN_IN
