"""What is refused about sessions, and why they end."""

from enum import StrEnum
from typing import Final

from gql_auth.kernel.errors import Refused


class Rejection(StrEnum):
    """Why a refresh was refused. All but MISSING and INVALID mean: this session has ended."""

    MISSING = "MISSING"
    EXPIRED = "EXPIRED"
    INVALID = "INVALID"
    REUSED = "REUSED"
    REVOKED = "REVOKED"


class RefreshRejected(Refused):
    """The refresh token buys nothing. What was found out on the way stays written."""

    code = "REFRESH_TOKEN_REJECTED"
    leaves_evidence = True
    _MESSAGES: Final = {
        Rejection.MISSING: "Refresh token required",
        Rejection.EXPIRED: "Refresh token expired",
        Rejection.INVALID: "Invalid refresh token",
        Rejection.REUSED: "Refresh token already used",
        Rejection.REVOKED: "Session revoked",
    }

    def __init__(self, reason: Rejection) -> None:
        super().__init__(self._MESSAGES[reason])
        self.reason = reason

    @property
    def session_has_ended(self) -> bool:
        """Whether the client's cookie is worthless for good. On INVALID it is kept: whoever sent
        the broken one may not be the browser that holds the good one."""
        return self.reason in {Rejection.EXPIRED, Rejection.REVOKED, Rejection.REUSED}


class SessionNotFound(Refused):
    """The caller has no such session (another user's is "not found" too)."""

    code = "SESSION_NOT_FOUND"
    message = "Session not found"


class ListenerTooSlow(Refused):
    """A subscriber took events more slowly than they came."""

    code = "TOO_SLOW"
    message = "Events came faster than they were taken; read `sessions` and subscribe again"


class EndReason(StrEnum):
    """Why a session ended."""

    LOGOUT = "logout"
    SIGNED_IN_AGAIN = "signed-in-again"
    REVOKED_BY_OWNER = "revoked-by-owner"
    REVOKED_BY_OPERATOR = "revoked-by-operator"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - a reason
    TOKEN_REUSED = "token-reused"  # noqa: S105 - a reason
    ACCOUNT_DISABLED = "account-disabled"
    EMAIL_CHANGED = "email-changed"
    ACCOUNT_DELETED = "account-deleted"
