"""How refresh tokens travel: the setting that says which ways are open, and the two ways."""

from dataclasses import dataclass
from enum import StrEnum

from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import setting


class Transport(StrEnum):
    """How the refresh token of a session travels, for all the session's life."""

    COOKIE = "cookie"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Presented:
    """The refresh token that a request brought, or that it brought none, and how it travels."""

    token: str | None = None
    transport: Transport = Transport.COOKIE


def transports(text: str) -> tuple[Transport, ...]:
    """`cookie`, `body` or both, with commas or spaces between them.

    Raises:
        ValueError: another word, or none.
    """
    try:
        found = dict.fromkeys(Transport(word.lower()) for word in parsing.words(text))
    except ValueError:
        found = {}
    if not found:
        raise ValueError("wants cookie, body, or both")
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class TransportSettings:
    """Which ways refresh tokens may travel. Part of `Settings`."""

    refresh_transports: tuple[Transport, ...] = setting(
        (Transport.COOKIE,), transports, "How refresh tokens travel: `cookie`, for browsers; "
        "`body`, for clients without a cookie jar, which ask for it by `X-Refresh-Transport: "
        "body`. Browsers are refused that one.", "cookie,body",
    )  # fmt: skip
