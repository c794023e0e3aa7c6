"""The rotation rule: what a presented refresh token leads to. Pure, so that it can be explored
exhaustively, and the one place that decides it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from gql_auth.features.tokens.core import RefreshClaims
from gql_auth.kernel.caller import Client


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in on one device."""

    id: UUID
    user_id: UUID
    created_at: datetime
    generation: int
    rotated_at: datetime
    confirmed: bool
    expires_at: datetime
    revoked_at: datetime | None
    end_reason: str | None
    client: Client

    @property
    def refresh_claims(self) -> RefreshClaims:
        """What the refresh token of the row's generation says."""
        return RefreshClaims(self.id, self.generation, self.rotated_at, self.expires_at)


class Verdict(StrEnum):
    """What a presented refresh token leads to."""

    ROTATE = "rotated"
    AHEAD = "ahead"
    REPLAY = "replayed"
    RACED = "raced"
    REUSED = "reused"
    REVOKED = "revoked"


def judge(session: Session | None, presented: int, *, now: datetime, window: timedelta) -> Verdict:
    """The rotation rule, for a token whose signature holds and whose time is not over.

    Args:
        session: the row, or None where there is none.
        presented: the generation in the token.
        now: when.
        window: how long two tabs that raced may differ once the newest token was seen in use.
    """
    if session is None or session.revoked_at is not None:
        return Verdict.REVOKED
    if presented == session.generation:
        return Verdict.ROTATE
    if presented > session.generation:
        # The database lost its last commits (failover, restore) while the client kept them;
        # the signature proves that we issued it.
        return Verdict.AHEAD
    if presented == session.generation - 1:
        if not session.confirmed:
            # Nobody has used the newest token yet: its answer got lost, however long ago.
            return Verdict.REPLAY
        if now - session.rotated_at <= window:
            return Verdict.RACED
    return Verdict.REUSED
