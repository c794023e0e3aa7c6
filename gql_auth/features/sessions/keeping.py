"""What sessions want of the storage."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from gql_auth.features.sessions.refusals import EndReason
from gql_auth.features.sessions.rotation import Session
from gql_auth.kernel.caller import Client


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

    async def end(self, session: Session, at: datetime, reason: EndReason) -> bool:
        """End a session; whether it was alive."""
        ...

    async def end_all(
        self, user_id: UUID, at: datetime, reason: EndReason, keep: UUID | None
    ) -> list[UUID]:
        """End the live sessions of an account but `keep`; which."""
        ...

    async def of_user(self, user_id: UUID, alive_at: datetime | None) -> list[Session]:
        """Sessions newest first; only those alive at an instant where one is given."""
        ...

    async def clients_of(self, user_id: UUID, limit: int) -> list[Client]:
        """Where the newest sessions of an account were used last."""
        ...

    async def ended_since(
        self, since: datetime, after: UUID | None, limit: int
    ) -> list[tuple[UUID, datetime]]:
        """Ids and ends of sessions that ended since, in order of end and id; behind the one
        that ended at `since` and has the id `after`, where it is given."""
        ...

    async def changed_since(
        self, accounts: Sequence[UUID], since: datetime, now: datetime, limit: int
    ) -> list[Session]:
        """The newest sessions of these accounts that began, were ended or expired since."""
        ...

    async def page(self, after: UUID | None, limit: int) -> list[tuple[UUID, datetime]]:
        """Ids behind `after`, in order, and when each session was or will be over."""
        ...

    async def remove(self, sessions: Sequence[UUID]) -> int:
        """Delete rows that nobody is at; how many."""
        ...

    async def confirm(self, seen: Mapping[UUID, int]) -> None:
        """Note generations whose tokens were seen in use, where they are still the newest."""
        ...
