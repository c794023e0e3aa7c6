"""The refusals of the whole system, drawn as a tree.

    Refused                      an expected no, told to the client as it stands
    ├── InvalidInput             one violation or more, each naming a field and its mend
    ├── Unauthenticated          no usable access token; `reason` says which of the four
    ├── Forbidden                known caller, not allowed; `reason` says what is missing
    ├── Unavailable              nothing wrong with the request: come back in `retry_after` s
    └── … each feature's own     EmailTaken, InvalidCredentials, RefreshRejected, …

Anything that is not a `Refused` is a defect: masked for the client, logged with a reference.
A refusal knows neither HTTP nor GraphQL; `gql_auth.serving` translates it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error in us
    """An expected no: a stable code and a sentence that reveals nothing new to the caller."""

    code: ClassVar[str] = "REFUSED"
    message: ClassVar[str] = "Refused"
    # True: what the unit of work wrote before the refusal is evidence and must commit
    # (a reused refresh token ends its session *and* is refused).
    leaves_evidence: ClassVar[bool] = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)

    @property
    def extensions(self) -> dict[str, object]:
        """What a client may branch on, next to the message."""
        return {"code": self.code}


class ViolationCode(StrEnum):
    """What is wrong with one field of an input."""

    REQUIRED = "REQUIRED"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    MALFORMED = "MALFORMED"
    FORBIDDEN_CHARACTER = "FORBIDDEN_CHARACTER"
    TOO_COMMON = "TOO_COMMON"
    NOT_UNIQUE_ENOUGH = "NOT_UNIQUE_ENOUGH"
    AMBIGUOUS = "AMBIGUOUS"


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that one input field breaks: the field by its GraphQL name, and the mend."""

    field: str
    code: ViolationCode
    message: str


class InvalidInput(Refused):
    """The input breaks rules that the client can mend."""

    code = "BAD_USER_INPUT"
    message = "Invalid input"

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(" ".join(violation.message for violation in violations))
        self.violations = tuple(violations)


class Unauthenticated(Refused):
    """No usable access token. The reasons are a closed list that front ends branch on."""

    code = "UNAUTHENTICATED"

    class Reason(StrEnum):
        """Why the access token is not usable, with the message that goes with it."""

        MISSING = "ACCESS_TOKEN_MISSING"
        EXPIRED = "ACCESS_TOKEN_EXPIRED"
        INVALID = "ACCESS_TOKEN_INVALID"
        REVOKED = "SESSION_REVOKED"

    MESSAGES: ClassVar[dict[Reason, str]] = {
        Reason.MISSING: "Access token required",
        Reason.EXPIRED: "Token expired",
        Reason.INVALID: "Invalid or tampered token",
        Reason.REVOKED: "Session revoked",
    }

    def __init__(self, reason: Reason) -> None:
        super().__init__(self.MESSAGES[reason])
        self.reason = reason

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "reason": self.reason.value}


class Forbidden(Refused):
    """A caller we know, who may not do this. `reason` is stable, the message says what lacks."""

    code = "FORBIDDEN"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "reason": self.reason}


class Unavailable(Refused):
    """The server cannot answer now (database out of reach, hashing queue full).

    Args:
        retry_after: seconds after which asking again makes sense; at least 1.
        cause: for the log, what the trouble is called ("OperationalError SQLITE_FULL").
    """

    code = "SERVICE_UNAVAILABLE"
    message = "Service temporarily unavailable, try again shortly"

    def __init__(
        self, message: str | None = None, *, retry_after: int = 1, cause: str | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.cause = cause

    @property
    def extensions(self) -> dict[str, object]:
        return {"code": self.code, "retryAfter": self.retry_after}
