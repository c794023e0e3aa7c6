"""For other services: verify access tokens with the public keys alone, no database, no framework.

What stands here is fetching and keeping the keys; the verification is the server's own
(`gql_auth.features.tokens.access`). Revocation cannot be seen from here: a token of a session
that ended is taken until it expires, so the access tokens' life is the bound.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from contextlib import suppress
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from gql_auth._version import __version__
from gql_auth.features.keys.jwk import VerificationKey, verification_key
from gql_auth.features.tokens.access import AccessRules, TokenExpired, read_access_token
from gql_auth.features.tokens.jws import NotOurs, UnknownKey
from gql_auth.kernel.caller import Caller
from gql_auth.kernel.clock import Clock, SystemClock
from gql_auth.kernel.errors import Unauthenticated, Unavailable
from gql_auth.kernel.parsing import is_loopback

_log = logging.getLogger("gql_auth.verifier")

MAX_JWKS: Final = 256_000  # bytes; ours has a handful of keys of some 200 each
MAX_KEYS: Final = 64
_EARLY: Final = 0.8  # of the ttl: from here on a fetch begins without anybody waiting for it
_NO_KEYS_PAUSE: Final = 1.0  # seconds between tries while there is no key to verify with

Keys = Mapping[str, VerificationKey]


class TokenRejected(Unauthenticated):
    """The access token is not to be accepted. `reason`, message and `extensions` are those that
    gql-auth itself answers with: ACCESS_TOKEN_MISSING, ACCESS_TOKEN_EXPIRED or
    ACCESS_TOKEN_INVALID."""


class Verifier:
    """Verifies access tokens. Make one a process and share it: it is safe between threads and
    event loops, keeps the keys, and opens a connection only when it needs newer ones.

        verifier = Verifier(
            "https://auth.example.com/.well-known/jwks.json",
            issuer="https://auth.example.com",
            audience="https://api.example.com",
        )
        caller = verifier.verify(token)              # or: await verifier.verify_async(token)

    A `kid` that is not among the keys makes them be fetched again, at most once every
    `refetch_interval`, whoever asks and however often.

    Args:
        jwks_url: where the keys are published: https, or http on loopback.
        keys: a JWKS (`{"keys": […]}`) instead of the URL; then nothing is ever fetched.
        issuer, audience: what `iss` and `aud` must be, exactly.
        leeway: how far this machine's clock and the issuer's may differ.
        ttl: how long fetched keys are used before they are fetched again.
        max_stale: how much longer the last known keys serve while fetching them fails.
        refetch_interval: least time from one fetch to the next.
        timeout: how long a fetch, and whoever waits for it, may take.
        clock: another source of time, for tests; `monotonic` likewise, in seconds.

    Raises:
        ValueError: not exactly one of `jwks_url` and `keys`; the URL is neither https nor
            loopback; no key of `keys` can be used.
    """

    def __init__(
        self,
        jwks_url: str | None = None,
        *,
        keys: Mapping[str, Any] | None = None,
        issuer: str,
        audience: str,
        leeway: timedelta = timedelta(seconds=5),
        ttl: timedelta = timedelta(minutes=10),
        max_stale: timedelta = timedelta(days=1),
        refetch_interval: timedelta = timedelta(seconds=30),
        timeout: timedelta = timedelta(seconds=5),
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if (jwks_url is None) == (keys is None):
            raise ValueError("give exactly one of jwks_url and keys")
        if not issuer or not audience:
            raise ValueError("issuer and audience must be the values that the server is set to")
        self._rules = AccessRules(
            issuer=issuer,
            audience=audience,
            max_life=None,
            clock_leeway=leeway,
            expiry_leeway=leeway,
        )
        self._clock = clock or SystemClock()
        self._fixed: Keys | None = None if keys is None else usable_keys(keys)
        self._published = None if jwks_url is None else _Published(
            jwks_url, ttl=ttl, max_stale=max_stale, interval=refetch_interval, timeout=timeout,
            monotonic=monotonic,
        )  # fmt: skip

    def verify(self, token: str | None) -> Caller:
        """Who an access token speaks for. May wait for the keys, `timeout` at most; in a
        coroutine use `verify_async`.

        Raises:
            TokenRejected: no token, or one that is expired or invalid.
            Unavailable: there are no keys to verify with: answer 503, the token may be good.
        """
        if (fetching := self._before(token)) is not None:
            fetching.wait()
        caller, fetching = self._attempt(token)
        if caller is None and fetching is not None:
            fetching.wait()
        return caller or self._last_attempt(token)

    async def verify_async(self, token: str | None) -> Caller:
        """`verify` for coroutines: waits for keys without holding up the event loop.

        Raises:
            TokenRejected, Unavailable: as `verify`.
        """
        if (fetching := self._before(token)) is not None:
            await fetching.wait_async()
        caller, fetching = self._attempt(token)
        if caller is None and fetching is not None:
            await fetching.wait_async()
        return caller or self._last_attempt(token)

    def _before(self, token: str | None) -> "_Fetching | None":
        """What to wait for before looking at the token: newer keys, where ours are too old."""
        if not token:
            raise TokenRejected(TokenRejected.Reason.MISSING)
        return None if self._published is None else self._published.keep_fresh()

    def _attempt(self, token: str | None) -> "tuple[Caller | None, _Fetching | None]":
        """The caller; or None, with what to wait for, where the token names an unknown key."""
        try:
            return self._read(token or ""), None
        except UnknownKey:
            return None, self._published.look_again() if self._published else None

    def _last_attempt(self, token: str | None) -> Caller:
        try:
            return self._read(token or "")
        except UnknownKey:
            if self._published is not None and not self._published.keys:
                raise Unavailable(
                    "The keys to verify access tokens with are out of reach"
                ) from None
            raise TokenRejected(TokenRejected.Reason.INVALID) from None

    def _read(self, token: str) -> Caller:
        keys = self._published.keys if self._published else self._fixed or {}
        try:
            return read_access_token(token, keys=keys, rules=self._rules, now=self._clock.now())
        except UnknownKey:
            raise
        except TokenExpired:
            raise TokenRejected(TokenRejected.Reason.EXPIRED) from None
        except NotOurs:
            raise TokenRejected(TokenRejected.Reason.INVALID) from None


class _Fetching:
    """A fetch under way in a thread of its own: any number of threads and event loops wait for
    it, and none of them longer than the timeout."""

    def __init__(self, work: Callable[[], None], timeout: float) -> None:
        self._timeout = timeout
        self._done: Future[None] = Future()
        self._done.set_running_or_notify_cancel()  # one who stops waiting cancels nobody else
        # A daemon: a server that hangs must not keep this process from ending.
        self._thread = threading.Thread(
            target=self._run, args=(work,), name="gql-auth-jwks", daemon=True
        )
        self._thread.start()

    @property
    def under_way(self) -> bool:
        """False also in a process that was forked meanwhile, where the thread does not exist."""
        return self._thread.is_alive() and not self._done.done()

    def wait(self) -> None:
        """Come back when it is done, well or ill, or the timeout is over."""
        try:
            self._done.result(self._timeout)
        except WaitedTooLong:
            _log.warning("the JWKS is slow to arrive; going on without it")

    async def wait_async(self) -> None:
        """`wait` without holding up the event loop."""
        import asyncio  # noqa: PLC0415 - who has a loop has loaded it; others load half as much

        done = asyncio.wrap_future(self._done)
        try:
            await asyncio.wait([done], timeout=self._timeout)
        finally:
            done.cancel()  # this loop's end of it alone; nothing, where it is done

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self._done.set_result(None)


class _Published:
    """The keys at a URL: what is known of them, and when to ask again."""

    def __init__(
        self,
        url: str,
        *,
        ttl: timedelta,
        max_stale: timedelta,
        interval: timedelta,
        timeout: timedelta,
        monotonic: Callable[[], float],
    ) -> None:
        self._url = _checked(url)
        self._ttl = ttl.total_seconds()
        self._bound = self._ttl + max_stale.total_seconds()
        self._interval = interval.total_seconds()
        self._timeout = timeout.total_seconds()
        self._now = monotonic
        self._lock = threading.Lock()
        self._keys: Keys = MappingProxyType({})
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._failing = False
        self._fetching: _Fetching | None = None

    @property
    def keys(self) -> Keys:
        """The newest known keys; none where they are too old to be trusted."""
        fetched_at = self._fetched_at
        if fetched_at is None or self._now() - fetched_at > self._bound:
            return {}
        return self._keys

    def keep_fresh(self) -> _Fetching | None:
        """Begin a fetch where the keys get old. What to wait for, if they are too old already;
        nobody waits for a server that did not answer just before."""
        fetched_at = self._fetched_at
        if fetched_at is None:
            return None  # the token decides whether a fetch is worth it
        age = self._now() - fetched_at
        if age < self._ttl * _EARLY:
            return None
        fetching = self.look_again()
        return fetching if age >= self._ttl and not self._failing else None

    def look_again(self) -> _Fetching | None:
        """The fetch under way, begun now unless the last one is too recent; None then."""
        with self._lock:
            if self._fetching is not None and self._fetching.under_way:
                return self._fetching
            pause = self._interval if self.keys else min(self._interval, _NO_KEYS_PAUSE)
            if self._tried_at is not None and self._now() - self._tried_at < pause:
                return None
            self._tried_at = self._now()
            self._fetching = _Fetching(self._fetch, self._timeout)
            return self._fetching

    def _fetch(self) -> None:
        """Take over the published keys; on any failure keep what is known."""
        try:
            keys = usable_keys(json.loads(_get(self._url, self._timeout)))
        except Exception as error:  # noqa: BLE001 - whatever a server can answer: the old keys stay
            self._failing = True
            _log.warning("the JWKS cannot be used: %s: %.200s", type(error).__name__, error)
            return
        self._keys, self._fetched_at, self._failing = keys, self._now(), False


def usable_keys(jwks: Any) -> Keys:
    """The keys of a JWKS (RFC 7517, section 5) that can verify our tokens, by `kid`.

    Keys of other kinds or uses are passed over, as section 5 asks; of two with one `kid` the
    first counts.

    Raises:
        ValueError: this is no JWKS, or none of its keys can be used.
    """
    listed = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWKS: an object with a list `keys` was expected")  # noqa: TRY004
    found: dict[str, VerificationKey] = {}
    for jwk in listed[:MAX_KEYS]:
        kid = jwk.get("kid") if isinstance(jwk, Mapping) else None
        if not isinstance(kid, str) or kid in found:
            continue
        try:
            found[kid] = verification_key(jwk)
        except ValueError as why:
            _log.info("key %.64r of the JWKS is passed over: %s", kid, why)
    if not found:
        raise ValueError("no public key of ES256, EdDSA or RS256 in the JWKS")
    return MappingProxyType(found)


def _checked(url: str) -> str:
    """The URL, if what comes from it can be trusted to come from there.

    Raises:
        ValueError: plain http over a network, or no URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"jwks_url is not an http(s) URL: {url!r}")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(
            "jwks_url must be https: over plain http anybody on the way could put their own "
            f"keys in, and with them sign tokens that this service takes: {url!r}"
        )
    if parts.username is not None or parts.fragment:
        raise ValueError("jwks_url must hold neither a user name nor a fragment")
    parts.port  # noqa: B018 - raises ValueError where it is no port
    return url


def _get(url: str, timeout: float) -> bytes:
    """The body of a 200 answer: no redirect is followed, no proxy asked, no more read than a
    JWKS can need, and no longer than `timeout` seconds.

    Raises:
        Exception: anything else; what a server can do wrong has no one base class.
    """
    # For those who are given keys, and for later: this runs in a thread.
    from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415
    from ssl import create_default_context  # noqa: PLC0415

    deadline = time.monotonic() + timeout
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = (
        HTTPSConnection(host, parts.port, timeout=timeout, context=create_default_context())
        if parts.scheme == "https"
        else HTTPConnection(host, parts.port, timeout=timeout)
    )
    # Each read has the timeout; a head that comes byte by byte would never meet it.
    connection.connect()
    end = threading.Timer(deadline - time.monotonic(), _hang_up, (connection.sock,))
    end.daemon = True
    end.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Accept": "application/jwk-set+json, application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"gql-auth/{__version__}",
        }
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:  # noqa: PLR2004 - a redirect too: it may lead anywhere
            raise ValueError(f"status {answer.status}")
        body = bytearray()
        while chunk := answer.read1(65_536):
            body += chunk
            if len(body) > MAX_JWKS:
                raise ValueError(f"larger than {MAX_JWKS} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError("did not arrive in time")
        if answer.length:
            raise ValueError("cut short")
        return bytes(body)
    finally:
        end.cancel()
        connection.close()


def _hang_up(line: socket.socket) -> None:
    """End a connection that another thread reads from."""
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
