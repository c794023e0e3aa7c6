"""The refresh cookie: one builder sets and deletes it, so a deletion repeats the attributes."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from gql_auth.kernel import parsing
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Forbidden
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Presented, Transport

_NAME: Final = "refresh_token"
_BINDING: Final = "magic_link"


class CookieRules:
    """Name and attributes, decided by the settings alone."""

    def __init__(self, settings: Settings, clock: Clock, name: str = _NAME) -> None:
        self._settings = settings
        self._clock = clock
        self._origins = settings.origins
        self._plain = not settings.https
        self.name = f"__Host-{name}" if settings.https else name
        same_site = settings.cookie_same_site.capitalize()
        self._attributes = f"; Path=/; HttpOnly; SameSite={same_site}"
        if settings.https:
            self._attributes += "; Secure"
        if settings.cookie_same_site == "none":
            self._attributes += "; Partitioned"

    @cached_property
    def binding(self) -> "CookieRules":
        """The rules of the cookie that tells the browser which asked for a magic link."""
        return CookieRules(self._settings, self._clock, _BINDING)

    def setting(self, token: str, expires_at: datetime) -> str:
        """The `Set-Cookie` value for a token that ends at `expires_at`."""
        left = max(expires_at - self._clock.now(), timedelta(0))
        return f"{self.name}={token}; Max-Age={int(left.total_seconds())}{self._attributes}"

    def deletion(self) -> str:
        """The `Set-Cookie` value that makes a browser forget the cookie."""
        return f'{self.name}=""; Max-Age=0{self._attributes}'

    def origins_at(self, server: tuple[str, int | None] | None) -> frozenset[str]:
        """Origins whose pages may use the cookie, on a socket that listens at `server`.

        A plain-http loopback server is its own origin at the port it really listens on, which
        a mounted application's settings cannot know. The port is the socket's, not the `Host`
        header's: that one a page could choose that rebinds its name to this machine.
        """
        if not self._plain or not server or not server[1]:
            return self._origins
        return self._origins | parsing.loopback_origins(server[1])

    def find(self, headers: Headers) -> str | None:
        """The presented token; two different ones are joined into one that cannot be valid,
        because which of them the server itself set cannot be told (RFC 6265, section 8.6)."""
        found = dict.fromkeys(_values(headers.getlist("cookie"), self.name))
        return ",".join(found) if found else None


def _values(lines: Iterable[str], wanted: str) -> Iterable[str]:
    for line in lines:
        for pair in line.split(";"):
            # Spaces and tabs alone (RFC 6265, section 4.2.1): a browser takes "\xa0__Host-…"
            # for another name, which a sibling domain may set, and str.strip() would not.
            name, separator, value = pair.strip(" \t").partition("=")
            if separator and name == wanted and value:
                yield value.strip('"')


class RefreshCookie:
    """The cookie of one request, open to be read and answered. Made by `RequestContext` after
    the cross-site check: whoever holds one may use it."""

    def __init__(self, rules: CookieRules, presented: str | None) -> None:
        self._rules = rules
        self.presented = Presented(presented, Transport.COOKIE)
        self.answer: str | None = None

    def give(self, token: str, expires_at: datetime) -> None:
        """Give the client a token; of the answer's body it is no part."""
        self.answer = self._rules.setting(token, expires_at)

    def forget(self) -> None:
        """Make the client forget its token."""
        self.answer = self._rules.deletion()


def require_own_site(request: HTTPConnection, rules: CookieRules) -> None:
    """Come back if a request may use the cookie: `Origin` decides where it is present,
    `Sec-Fetch-Site` where it is not; with neither it is no browser's.

    Raises:
        Forbidden: another site's page is asking.
    """
    headers = request.headers
    presented = headers.getlist("origin")
    if presented:
        if len(presented) == 1 and presented[0] in rules.origins_at(request.scope.get("server")):
            return
    else:
        sites = headers.getlist("sec-fetch-site")
        if not sites or sites in (["same-origin"], ["none"]):
            return
    raise Forbidden(
        "CROSS_SITE_REQUEST",
        "This origin may not sign in or refresh; the server allows it by GQL_AUTH_ALLOWED_ORIGINS",
    )
