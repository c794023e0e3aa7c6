"""Who is asking: the client's end of the line, and the account behind a verified token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Client:
    """The far end of a request, known before anybody has signed in.

    Kept with sessions and audit events so that an owner can recognise a device.
    `user_agent` is the client's own word and is cut to 512 characters. `languages`, its
    `Accept-Language`, is not kept: it is for mails that the request asks for.
    """

    ip_address: str | None = None
    user_agent: str | None = None
    languages: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """The account and session that a verified access token speaks for."""

    user_id: UUID
    session_id: UUID
    generation: int
    roles: tuple[str, ...]
    claims: Mapping[str, object]

    @property
    def expires_at(self) -> datetime:
        """When the token's time is over."""
        return datetime.fromtimestamp(cast(float, self.claims["exp"]), UTC)
