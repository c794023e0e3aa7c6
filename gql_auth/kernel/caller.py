"""Who is asking: the client's end of the line, and the account behind a verified token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
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
    """The account and session that a verified access token speaks for.

    Requests with one token may share it, so in the server nothing in `claims` can be changed:
    objects in it are read-only mappings, and lists are tuples.
    """

    user_id: UUID
    session_id: UUID
    generation: int
    roles: tuple[str, ...]
    claims: Mapping[str, object]

    @property
    def expires_at(self) -> datetime:
        """When the token's time is over."""
        return datetime.fromtimestamp(cast(float, self.claims["exp"]), UTC)


def frozen(value: object) -> object:
    """What JSON holds, so that nobody can change it."""
    if isinstance(value, dict):
        return MappingProxyType({name: frozen(each) for name, each in value.items()})
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def thawed(value: object) -> object:
    """A copy of what is frozen, to be changed at will."""
    if isinstance(value, Mapping):
        return {name: thawed(each) for name, each in value.items()}
    return list(map(thawed, value)) if isinstance(value, tuple) else value
