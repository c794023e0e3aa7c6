"""Sessions: opened at sign-in, rotated at each refresh, listed, ended.

The row holds one integer, `generation`: how many times the session was refreshed. No token and
no token hash is kept; a presented refresh token is judged by its signed generation against the
row's. `judge` is the whole rule, pure, so that it can be explored exhaustively.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.tokens.core import RefreshClaims
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock, epoch, from_epoch
from gql_auth.kernel.errors import Refused, Unavailable
from gql_auth.kernel.unit import Unit

_ROUNDS: Final = 8  # a loser of the conditional update reads again; twice is the normal maximum


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


class EndReason(StrEnum):
    """Why a session ended."""

    LOGOUT = "logout"
    SIGNED_IN_AGAIN = "signed-in-again"
    REVOKED_BY_OWNER = "revoked-by-owner"
    REVOKED_BY_OPERATOR = "revoked-by-operator"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - a reason
    TOKEN_REUSED = "token-reused"  # noqa: S105 - a reason
    ACCOUNT_DISABLED = "account-disabled"


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


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long sessions live (`timedelta`), from the settings."""

    refresh_token_ttl: timedelta
    session_max_age: timedelta
    race_window: timedelta


class SessionStore(Protocol):
    """Where sessions are kept."""

    async def add(self, user_id: UUID, at: datetime, expires_at: datetime, by: Client) -> Session:
        """Keep a new session, generation 0."""
        ...

    async def get(self, session_id: UUID) -> Session | None:
        """The row as it is now, other transactions' commits included."""
        ...

    async def rotate(
        self, before: Session, *, generation: int, at: datetime, expires_at: datetime, by: Client
    ) -> bool:
        """Move on to `generation` if nobody has since `before`; whether it did."""
        ...

    async def end(self, session_id: UUID, at: datetime, reason: EndReason) -> bool:
        """End a live session; whether it was alive."""
        ...

    async def end_all(
        self, user_id: UUID, at: datetime, reason: EndReason, keep: UUID | None
    ) -> list[UUID]:
        """End the live sessions of an account but `keep`; which."""
        ...

    async def of_user(self, user_id: UUID, alive_at: datetime | None) -> list[Session]:
        """Sessions newest first; only those alive at an instant where one is given."""
        ...

    async def ended_since(self, since: datetime) -> list[tuple[UUID, datetime]]:
        """Ids and ends of the sessions that ended since."""
        ...

    async def confirm(self, seen: Mapping[UUID, int]) -> None:
        """Note generations whose tokens were seen in use, where they are still the newest."""
        ...


class EndedSessions:
    """The sessions that ended within one access-token lifetime, in this process's memory.

    All that could still be presented, and no more: asking costs no database read, and the size
    is bounded by the sessions that end within that time.
    """

    def __init__(self, clock: Clock, keep: timedelta) -> None:
        self._clock = clock
        self._keep = keep
        self._ended: dict[UUID, datetime] = {}

    def __contains__(self, session_id: UUID) -> bool:
        return session_id in self._ended

    def __len__(self) -> int:
        return len(self._ended)

    @property
    def horizon(self) -> datetime:
        """Sessions that ended before this have no living access token left."""
        return self._clock.now() - self._keep

    def add(self, session_id: UUID, at: datetime) -> None:
        """Refuse this session's access tokens from now on."""
        self._ended[session_id] = at

    def forget_old(self) -> None:
        """Drop what can no longer be presented."""
        horizon = self.horizon
        for session_id in [each for each, at in self._ended.items() if at < horizon]:
            del self._ended[session_id]


class Confirmations:
    """Generations whose access token reached a protected field, waiting to be written.

    `seen` is on the request's path and touches memory only; a background task writes. Lost in a
    crash, nothing breaks: an unconfirmed generation only makes replays be answered kindly.
    """

    BOUND: Final = 65_536

    def __init__(self) -> None:
        self._known: OrderedDict[UUID, int] = OrderedDict()
        self._pending: dict[UUID, int] = {}

    def seen(self, session_id: UUID, generation: int) -> bool:
        """Note a use; whether there is something new to write. Generation 0 has no predecessor
        that could be replayed, so its use decides nothing."""
        if generation == 0 or self._known.get(session_id, 0) >= generation:
            return False
        self._known[session_id] = generation
        self._known.move_to_end(session_id)
        if len(self._known) > self.BOUND:
            self._known.popitem(last=False)
        self._pending[session_id] = generation
        return True

    def take(self) -> dict[UUID, int]:
        """What is to be written; the caller writes it or gives it back."""
        taken, self._pending = self._pending, {}
        return taken

    def give_back(self, taken: Mapping[UUID, int]) -> None:
        """What could not be written: it stays pending, unless something newer came."""
        self._pending = {**taken, **self._pending}


class Sessions:
    """Sessions in the open unit."""

    def __init__(
        self,
        store: SessionStore,
        audit: Audit,
        unit: Unit,
        clock: Clock,
        ended: EndedSessions,
        limits: SessionLimits,
    ) -> None:
        self._store = store
        self._audit = audit
        self._unit = unit
        self._clock = clock
        self._ended = ended
        self._limits = limits

    async def open(self, user_id: UUID, client: Client) -> Session:
        """A new session, generation 0."""
        now = self._clock.now()
        return await self._store.add(user_id, now, self._expiry(now, now), client)

    async def refresh(self, presented: RefreshClaims, client: Client) -> Session:
        """The session in the generation whose tokens the client is to get.

        Exactly one of any number of concurrent holders rotates; the others, and whoever lost
        the answer, get the same successor.

        Raises:
            RefreshRejected: EXPIRED, REVOKED or REUSED; a reused token has ended its session.
            Unavailable: too many rotations at once to get a clear view.
        """
        for _ in range(_ROUNDS):
            now = self._clock.now()
            if now >= presented.expires_at:
                raise RefreshRejected(Rejection.EXPIRED)
            session = await self._store.get(presented.session_id)
            verdict = judge(session, presented.generation, now=now, window=self._limits.race_window)
            if session is None or verdict is Verdict.REVOKED:
                raise RefreshRejected(Rejection.REVOKED)
            if now >= session.created_at + self._limits.session_max_age:
                raise RefreshRejected(Rejection.EXPIRED)
            if now >= session.expires_at and verdict is not Verdict.AHEAD:
                # An older token may name a later end, where the operator shortened the time.
                raise RefreshRejected(Rejection.EXPIRED)
            if verdict in {Verdict.REPLAY, Verdict.RACED}:
                return session
            if verdict is Verdict.REUSED:
                await self._end_as_reused(session, presented, client)
            rotated = await self._rotate(session, presented.generation, now, client)
            if rotated is not None:
                if verdict is Verdict.AHEAD:
                    await self._audit.record(
                        Tag.REFRESH_AHEAD,
                        user_id=session.user_id,
                        session_id=session.id,
                        client=client,
                        presented=presented.generation,
                        stored=session.generation,
                    )
                return rotated
        raise Unavailable

    async def _rotate(
        self, session: Session, presented: int, now: datetime, client: Client
    ) -> Session | None:
        after = replace(
            session,
            generation=presented + 1,
            rotated_at=now,
            confirmed=False,
            expires_at=self._expiry(session.created_at, now),
            client=client,
        )
        won = await self._store.rotate(
            session,
            generation=after.generation,
            at=now,
            expires_at=after.expires_at,
            by=client,
        )
        return after if won else None

    async def _end_as_reused(
        self, session: Session, presented: RefreshClaims, client: Client
    ) -> None:
        """Two parties hold the token: nobody can tell which is the owner, so both lose it."""
        await self._audit.record(
            Tag.REFRESH_REUSED,
            user_id=session.user_id,
            session_id=session.id,
            client=client,
            presented=presented.generation,
            stored=session.generation,
        )
        await self.end(session.id, EndReason.TOKEN_REUSED, user_id=session.user_id, client=client)
        raise RefreshRejected(Rejection.REUSED)

    async def end(
        self,
        session_id: UUID,
        reason: EndReason,
        *,
        user_id: UUID | None = None,
        client: Client | None = None,
    ) -> Session | None:
        """End a session; its access tokens are refused from the commit on.

        Args:
            user_id: whose it must be, where given.

        Returns:
            The session, or None where it was not alive (or not that user's).
        """
        session = await self._store.get(session_id)
        if session is None or user_id not in {None, session.user_id}:
            return None
        now = self._clock.now()
        if now >= session.expires_at or not await self._store.end(session_id, now, reason):
            return None
        self._note_end(session_id, now)
        await self._audit.record(
            Tag.SESSION_ENDED,
            user_id=session.user_id,
            session_id=session_id,
            client=client,
            reason=reason.value,
        )
        return replace(session, revoked_at=now, end_reason=reason.value)

    async def end_all(self, user_id: UUID, reason: EndReason, *, keep: UUID | None = None) -> int:
        """End the live sessions of an account but `keep`; how many."""
        now = self._clock.now()
        ended = await self._store.end_all(user_id, now, reason, keep)
        for session_id in ended:
            self._note_end(session_id, now)
            await self._audit.record(
                Tag.SESSION_ENDED, user_id=user_id, session_id=session_id, reason=reason.value
            )
        return len(ended)

    async def of_user(self, user_id: UUID, *, ended_too: bool = False) -> list[Session]:
        """The sessions of an account, newest first; living ones unless asked otherwise."""
        return await self._store.of_user(user_id, None if ended_too else self._clock.now())

    async def learn_ended(self, since: datetime) -> None:
        """Take over what other processes ended."""
        for session_id, at in await self._store.ended_since(since):
            self._ended.add(session_id, at)

    async def confirm(self, seen: Mapping[UUID, int]) -> None:
        """Write generations whose access tokens were seen in use."""
        await self._store.confirm(seen)

    def _note_end(self, session_id: UUID, at: datetime) -> None:
        self._unit.after_commit(lambda: self._ended.add(session_id, at))

    def _expiry(self, created_at: datetime, now: datetime) -> datetime:
        """Whole seconds, as the token says it."""
        end = min(now + self._limits.refresh_token_ttl, created_at + self._limits.session_max_age)
        return from_epoch(epoch(end))
