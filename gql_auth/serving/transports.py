"""The way that the refresh token of a request comes and goes: the request asks for it, the
settings allow it, and neither lets a page have a token."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from starlette.datastructures import Headers

from gql_auth.kernel.errors import Forbidden
from gql_auth.kernel.transports import Presented, Transport
from gql_auth.serving.cookies import CookieRules

HEADER: Final = "X-Refresh-Transport"
# Node's fetch sends this one too; what is a browser sends others with it.
_NOT_OF_BROWSERS_ALONE: Final = "sec-fetch-mode"


class RefreshBody:
    """The refresh token of one field, in its argument and its answer. Made by `RequestContext`
    for clients that are no browser's page: whoever holds one may use it."""

    def __init__(self, token: str | None) -> None:
        self.presented = Presented(token, Transport.BODY)

    def give(self, token: str, expires_at: datetime) -> str:  # noqa: ARG002 - the token says it
        """The token, to be put into the answer."""
        return token

    def forget(self) -> None:
        """Nothing: what the client keeps, it drops itself."""


def asked_for(headers: Headers, *, allowed: Collection[Transport]) -> Transport:
    """The transport that a request asks for; without a word of it, the cookie.

    Raises:
        Forbidden: the settings allow no such transport.
    """
    word = ", ".join(headers.getlist(HEADER)).strip().lower() or Transport.COOKIE
    if word not in allowed:
        raise Forbidden(
            "REFRESH_TRANSPORT_NOT_ALLOWED",
            "This server hands out refresh tokens another way; "
            "GQL_AUTH_REFRESH_TRANSPORTS says which",
        )
    return Transport(word)


def require_no_page(headers: Headers, rules: CookieRules) -> None:
    """Come back if no page is asking for tokens in the body: a script that got into a page could
    take such a token away and use it for as long as the session lives.

    Raises:
        Forbidden: a browser is asking, or something that has a browser's cookie.
    """
    if any(_tells_of_a_browser(name) for name in headers):
        raise Forbidden(
            "REFRESH_TRANSPORT_NOT_FOR_BROWSERS",
            "Pages get no refresh token in the body; browsers keep it in the cookie",
        )
    if rules.find(headers) is not None:
        raise Forbidden(
            "REFRESH_TRANSPORT_MIXED",
            f"A request with the refresh cookie cannot ask for {HEADER}: body",
        )


def require_no_token(token: str | None, *, allowed: Collection[Transport]) -> None:
    """Come back if no token is given to a field of a request that did not ask for the body.

    Raises:
        Forbidden: one is.
    """
    if token is None:
        return
    if Transport.BODY not in allowed:
        raise Forbidden(
            "REFRESH_TRANSPORT_NOT_ALLOWED",
            "This server takes refresh tokens by cookie alone, not as `token`; "
            "GQL_AUTH_REFRESH_TRANSPORTS says so",
        )
    raise Forbidden("REFRESH_TRANSPORT_MIXED", f"`token` goes with the header {HEADER}: body")


def _tells_of_a_browser(header: str) -> bool:
    if header == _NOT_OF_BROWSERS_ALONE:
        return False
    return header == "origin" or header.startswith("sec-fetch-")
