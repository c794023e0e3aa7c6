"""Sessions: opened at sign-in, rotated at each refresh, listed, ended.

The row holds one integer, `generation`: how many times the session was refreshed. No token and
no token hash is kept; a presented refresh token is judged by its signed generation against the
row's by `rotation.judge`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.mail.core import MailKind
from gql_auth.features.notices.core import Notices
from gql_auth.features.sessions.events import MOST, Look, SessionEvents
from gql_auth.features.sessions.keeping import SessionStore
from gql_auth.features.sessions.memory import EndedSessions
from gql_auth.features.sessions.refusals import EndReason, RefreshRejected, Rejection
from gql_auth.features.sessions.rotation import Session, Verdict, judge
from gql_auth.features.throttle.core import Throttles
from gql_auth.features.tokens.core import RefreshClaims
from gql_auth.kernel.addresses import client_of
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock, epoch, from_epoch
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Unit, Units

_DEVICES: Final = 200  # sessions that are looked at, to know a device again
_PAGE: Final = 5_000  # ended sessions learnt in one transaction
_ROUNDS: Final = 8  # a loser of the conditional update reads again; twice is the normal maximum


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long sessions live (`timedelta`), from the settings."""

    refresh_token_ttl: timedelta
    session_max_age: timedelta
    race_window: timedelta


class Sessions:
    """Sessions in the open unit."""

    def __init__(
        self,
        store: SessionStore,
        audit: Audit,
        unit: Unit,
        clock: Clock,
        ended: EndedSessions,
        events: SessionEvents,
        limits: SessionLimits,
        throttles: Throttles,
        notices: Notices,
        telemetry: Telemetry,
    ) -> None:
        self._store = store
        self._audit = audit
        self._unit = unit
        self._clock = clock
        self._ended = ended
        self._events = events
        self._limits = limits
        self._throttles = throttles
        self._notices = notices
        self._telemetry = telemetry

    async def open(self, user_id: UUID, client: Client) -> Session:
        """A new session, generation 0."""
        now = self._clock.now()
        session = await self._store.add(user_id, now, self._expiry(now, now), client)
        self._unit.after_commit(lambda: self._events.look_at(user_id))
        return session

    async def refresh(self, presented: RefreshClaims, client: Client) -> Session:
        """The session in the generation whose tokens the client is to get.

        Exactly one of any number of concurrent holders rotates; the others, and whoever lost
        the answer, get the same successor.

        Raises:
            RefreshRejected: EXPIRED, REVOKED or REUSED; a reused token has ended its session.
            TooManyAttempts: this session is refreshed too often; it goes on.
            Unavailable: too many rotations at once to get a clear view.
        """
        charged = False
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
            if verdict is Verdict.REUSED:
                await self._end_as_reused(session, presented, client)
            if not charged:
                last = session.rotated_at if session.generation else None
                rotates = verdict is Verdict.ROTATE
                await self._throttles.refresh(session.id, last=last, rotates=rotates)
                charged = True  # a loser of the race comes back here
            if verdict in {Verdict.REPLAY, Verdict.RACED}:
                self._report(verdict)
                return session
            rotated = await self._rotate(session, presented.generation, now, client)
            if rotated is not None:
                self._report(verdict)
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

    def _report(self, verdict: Verdict) -> None:
        self._unit.after_commit(lambda: self._telemetry.refreshed(verdict.value))

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
        await self._notices.tell_owner(MailKind.TOKEN_REUSED, session.user_id, client)
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
        if now >= session.expires_at or not await self._store.end(session, now, reason):
            return None
        self._note_end(session_id, now)
        self._unit.after_commit(lambda: self._events.look_at(session.user_id))
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
        self._unit.after_commit(lambda: self._events.look_at(user_id))
        return len(ended)

    async def is_new_device(self, user_id: UUID, client: Client) -> bool:
        """Whether none of the account's newest sessions was on such a device: the same network,
        and the same `User-Agent` but for its numbers. False where there was no session at all."""
        known = await self._store.clients_of(user_id, _DEVICES)
        here = (client_of(client.ip_address), _nameless(client))
        return bool(known) and here not in {
            (client_of(each.ip_address), _nameless(each)) for each in known
        }

    async def find(self, session_id: UUID) -> Session | None:
        """A session whatever its state; for operators."""
        return await self._store.get(session_id)

    async def of_user(self, user_id: UUID, *, ended_too: bool = False) -> list[Session]:
        """The sessions of an account, newest first; living ones unless asked otherwise."""
        return await self._store.of_user(user_id, None if ended_too else self._clock.now())

    async def changed_since(self, accounts: Sequence[UUID], since: datetime) -> list[Session]:
        """The newest sessions of these accounts that began or ended since, expired ones too."""
        return await self._store.changed_since(accounts, since, self._clock.now(), MOST)

    async def learn_ended(
        self, since: datetime, after: UUID | None = None, *, tell: bool = True
    ) -> tuple[datetime, UUID] | None:
        """Take over some of what other processes ended since; where to go on, if there is more.
        By pages, so that no transaction and no turn of the event loop gets long.

        Args:
            tell: of each that is news; at start, none is.
        """
        page = await self._store.ended_since(since, after, _PAGE)
        for session_id, at in page:
            if tell and session_id not in self._ended:
                lag = (self._clock.now() - at).total_seconds()
                self._telemetry.learned(lag=max(lag, 0.0), heard=False)
            self._ended.add(session_id, at)
        return (page[-1][1], page[-1][0]) if len(page) == _PAGE else None

    async def sweep(
        self, after: UUID | None, before: datetime, limit: int
    ) -> tuple[int, UUID | None]:
        """Look at the next rows in order of id and remove those that were over before an
        instant; how many, and where to go on, if there is more.

        In order of id, as an index by the end of sessions would make each refresh dearer.
        """
        page = await self._store.page(after, limit)
        over = [session_id for session_id, at in page if at < before]
        removed = await self._store.remove(over) if over else 0
        return removed, page[-1][0] if len(page) == limit else None

    async def confirm(self, seen: Mapping[UUID, int]) -> None:
        """Write generations whose access tokens were seen in use."""
        await self._store.confirm(seen)

    def _note_end(self, session_id: UUID, at: datetime) -> None:
        self._unit.after_commit(lambda: self._ended.add(session_id, at))

    def _expiry(self, created_at: datetime, now: datetime) -> datetime:
        """Whole seconds, as the token says it."""
        end = min(now + self._limits.refresh_token_ttl, created_at + self._limits.session_max_age)
        return from_epoch(epoch(end))


def _nameless(client: Client) -> str:
    """A `User-Agent` without numbers: those change with each release of a browser."""
    return "".join(letter for letter in client.user_agent or "" if not letter.isdigit())


def looking(units: Units) -> Look:
    """A look at sessions in a unit of its own, for `SessionEvents`."""

    async def look(accounts: Sequence[UUID], since: datetime) -> list[Session]:
        async with units.read() as unit:
            return await unit.get(Sessions).changed_since(accounts, since)

    return look
