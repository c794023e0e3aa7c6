"""What a resolver knows of its request."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol, cast
from uuid import UUID

from starlette.requests import HTTPConnection

from gql_auth.kernel.addresses import origin_of
from gql_auth.kernel.caller import Caller, Client, thawed
from gql_auth.kernel.errors import Forbidden, Unauthenticated
from gql_auth.kernel.parsing import Network
from gql_auth.kernel.transports import Transport
from gql_auth.kernel.unit import Units
from gql_auth.serving.cookies import CookieRules, RefreshCookie, require_own_site
from gql_auth.serving.head import Head
from gql_auth.serving.leases import Keeper, Lease
from gql_auth.serving.observed import Seen
from gql_auth.serving.transports import (
    RefreshBody,
    asked_for,
    require_no_page,
    require_no_token,
)

_USER_AGENT_LENGTH: Final = 512
_LANGUAGES_LENGTH: Final = 200
_BEARER: Final = b"Bearer "
_ADDRESS_LENGTH: Final = 45  # of IPv6 with IPv4 in it


class Doorkeeper(Keeper, Protocol):
    """What the context needs of the running system; the composition root provides it."""

    @property
    def units(self) -> Units:
        """Opens units of work."""
        ...

    @property
    def cookie_rules(self) -> CookieRules:
        """Name and attributes of the refresh cookie."""
        ...

    @property
    def refresh_transports(self) -> tuple[Transport, ...]:
        """How refresh tokens may travel."""
        ...

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """Whose word on where a request comes from is taken."""
        ...

    @property
    def proxy_header(self) -> str:
        """Which header they write."""
        ...

    def authenticate(self, token: str) -> Caller:
        """Who an access token speaks for.

        Raises:
            Unauthenticated: expired, invalid, or its session has ended.
        """
        ...

    def require_alive(self, caller: Caller) -> None:
        """Come back if the caller's session has not ended since it was authenticated.

        Raises:
            Unauthenticated: it has.
        """
        ...

    def part(self, kind: type[Any]) -> Any:
        """The system's part of that type."""
        ...


class RequestContext:
    """The context of one operation. The access token is looked at when somebody asks who the
    caller is, and not before: a stale header never fails a public field."""

    def __init__(self, request: HTTPConnection, system: Doorkeeper) -> None:
        self.request = request
        self.head: Head | None = None  # looked at once
        self.seen: Seen | None = None  # where a request is one of the metrics'
        self.system = system
        self.connection_params: dict[str, object] | None = None
        self.credentials = 0  # fields of this request that check or set a password, so far
        self.lease: Lease | None = None  # of a socket or a stream
        self._caller: Caller | None = None
        self._cookie: RefreshCookie | None = None
        self._binding: RefreshCookie | None = None
        self._client: Client | None = None

    @property
    def units(self) -> Units:
        """Opens units of work."""
        return self.system.units

    @property
    def address(self) -> str | None:
        """Where the request comes from: the connection's own address, unless a trusted proxy says
        whom it speaks for."""
        peer = self.request.scope.get("client")
        trusted = self.system.trusted_proxies
        if not trusted:
            return peer[0][:_ADDRESS_LENGTH] if peer else None
        headers = self.request.headers
        address = origin_of(
            peer[0] if peer else None,
            forwarded_for=headers.getlist("x-forwarded-for"),
            forwarded=headers.getlist("forwarded"),
            trusted=trusted,
            header=self.system.proxy_header,
        )
        return address[:_ADDRESS_LENGTH] if address else None

    @property
    def client(self) -> Client:
        """The far end of the line."""
        if self._client is None:
            headers = self.request.headers
            agent = headers.get("user-agent", "")[: 4 * _USER_AGENT_LENGTH]
            printable = "".join(letter for letter in agent if letter.isprintable())
            self._client = Client(
                self.address,
                printable[:_USER_AGENT_LENGTH] or None,
                ",".join(headers.getlist("accept-language"))[:_LANGUAGES_LENGTH] or None,
            )
        return self._client

    def require_caller(self) -> Caller:
        """Who the bearer token speaks for.

        Raises:
            Unauthenticated: no token, or it is expired, invalid or its session has ended.
            TooManyConnections: more sockets and streams act as this account than may.
        """
        # A socket has one context for all its life: there, a token is looked at each time.
        if self._caller is None or self.request.scope["type"] == "websocket":
            token = self._bearer()
            if token is None:
                raise Unauthenticated(Unauthenticated.Reason.MISSING)
            self._caller = self.system.authenticate(token)
        else:
            # An operation may be long, and its session end while it runs.
            self.system.require_alive(self._caller)
        if self.lease is not None:
            self.lease.prove(self._caller)
        return self._caller

    def last_words(self) -> AbstractContextManager[object]:
        """While this is entered, what the operation says goes out even when the caller's session
        has just ended; a socket or a stream waits a moment for it before it closes."""
        return self.lease.last_words() if self.lease else nullcontext()

    @property
    def known_caller(self) -> Caller | None:
        """The caller, if somebody has asked so far; for logs."""
        return self._caller

    @property
    def caller(self) -> Caller | None:
        """Who is calling, or None for anybody who does not prove it."""
        try:
            return self.require_caller()
        except Unauthenticated:
            return None

    @property
    def user_id(self) -> UUID | None:
        """The caller's account; never None behind `IsAuthenticated`."""
        return self.caller.user_id if self.caller else None

    @property
    def session_id(self) -> UUID | None:
        """The caller's session; never None behind `IsAuthenticated`."""
        return self.caller.session_id if self.caller else None

    @property
    def roles(self) -> tuple[str, ...]:
        """The caller's roles, as of the last refresh."""
        return self.caller.roles if self.caller else ()

    @property
    def claims(self) -> dict[str, object]:
        """The claims of the access token, the host's own among them."""
        return cast(dict[str, object], thawed(self.caller.claims)) if self.caller else {}

    def refresh_door(self, token: str | None = None) -> RefreshCookie | RefreshBody:
        """The door to the refresh token; every field that reads or answers one comes through
        here first, before it does anything.

        Args:
            token: the field's argument, where it has one.

        Raises:
            Forbidden: another site's page is asking, or any page for a token in the body; the
                settings do not allow the transport, or the request mixes two; or it is no POST
                (a WebSocket and a GET neither carry the cookie on purpose nor can answer it), or
                one that is answered by a stream (its head is gone before the cookie is known).
        """
        if self.request.scope["type"] != "http" or self.request.scope["method"] != "POST":
            raise Forbidden("POST_REQUIRED", "Send this operation by HTTP POST")
        if self.lease is not None:
            raise Forbidden("POST_REQUIRED", "Send this operation by HTTP POST, for JSON")
        rules, allowed = self.system.cookie_rules, self.system.refresh_transports
        if asked_for(self.request.headers, allowed=allowed) is Transport.BODY:
            require_no_page(self.request.headers, rules)
            return RefreshBody(token)
        require_no_token(token, allowed=allowed)
        if self._cookie is None:
            require_own_site(self.request, rules)
            self._cookie = RefreshCookie(rules, rules.find(self.request.headers))
        return self._cookie

    def binding_door(self) -> RefreshCookie | None:
        """The door to the cookie that tells the browser which asked for a magic link; None for
        clients without a cookie jar.

        Raises:
            Forbidden: as `refresh_door`.
        """
        if isinstance(self.refresh_door(), RefreshBody):
            return None
        if self._binding is None:
            rules = self.system.cookie_rules.binding
            self._binding = RefreshCookie(rules, rules.find(self.request.headers))
        return self._binding

    @property
    def cookie_answer(self) -> str | None:
        """The `Set-Cookie` value of the refresh cookie that the operation asks for."""
        return self._cookie.answer if self._cookie else None

    @property
    def cookie_answers(self) -> list[str]:
        """Every `Set-Cookie` value that the operation asks for."""
        doors = [each.answer for each in (self._cookie, self._binding) if each]
        return [answer for answer in doors if answer is not None]

    def _bearer(self) -> str | None:
        """The token of `Authorization: Bearer …` (RFC 6750), or of a socket's `connection_init`,
        where browsers cannot set headers. Something that is there but no bearer token is given
        on as it is, to be found invalid."""
        if self.head is None:
            self.head = Head(self.request.scope["headers"])
        line = self.head.one(b"authorization")
        if (
            line is not None
            and line.startswith(_BEARER)
            and self.head.is_plain
            and (plain := line[len(_BEARER) :].strip())
        ):
            return plain.decode("latin-1")
        values = self.head.all(b"authorization")
        if not values and self.connection_params:
            for name in ("Authorization", "authorization"):
                if value := self.connection_params.get(name):
                    values = [str(value)]
                    break
        if not values or not any(value.strip() for value in values):
            return None
        scheme, _, token = values[0].strip().partition(" ")
        if len(values) > 1 or scheme.lower() != "bearer":
            return values[0]
        return token.strip() or None
