"""`gql_auth.Verifier`: another service verifies access tokens, against a real server's JWKS and
against servers that answer with everything but."""

import asyncio
import gzip
import hmac
import ipaddress
import json
import ssl
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import get_default_algorithms

from gql_auth import TokenRejected, Unauthenticated, Unavailable, Verifier
from gql_auth.app import GraphQLAuth, create_app
from gql_auth.features.keys.core import Keys
from gql_auth.features.tokens import jws
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import migrate
from gql_auth.verifier import MAX_JWKS
from tests.live import Counted, free_port, serving, within
from tests.support import PASSWORD, SECRET, GraphQLClient, SettableClock

ISSUER = "https://auth.example.com"
AUDIENCE = "https://api.example.com"
JWKS = "/.well-known/jwks.json"
MINUTE = 60.0


class Issuer:
    """Signs access tokens as the server does, with a key of its own."""

    def __init__(self, algorithm: str = "ES256", kid: str = "k1") -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.key: Any = {
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
            "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        }[algorithm]()

    @property
    def jwk(self) -> dict[str, Any]:
        return public_jwk(self.key, self.algorithm, self.kid)

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.jwk]}

    def token(self, *, kid: str | None = None, typ: str = "at+jwt", **changes: Any) -> str:
        """A token as of the settable clock's beginning; a change of None leaves a claim out."""
        now = int(SettableClock().now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(uuid4()),
            "sid": str(uuid4()),
            "jti": "a",
            "gen": 3,
            "iat": now,
            "exp": now + 900,
            "roles": ["admin"],
            "email": "ada@example.com",
        } | changes
        return jws.sign(
            {name: value for name, value in claims.items() if value is not None},
            kid=kid or self.kid,
            algorithm=self.algorithm,
            key=self.key,
            token_type=typ,
        )


def public_jwk(key: Any, algorithm: str, kid: str) -> dict[str, Any]:
    """The public JWK of a private key."""
    made: Any = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": kid, "use": "sig", "alg": algorithm} | {"key_ops": ["verify"]}


class Seconds:
    """A monotonic clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def forward(self, seconds: float) -> None:
        self.at += seconds


Answer = Callable[[BaseHTTPRequestHandler], None]


class KeyServer:
    """An HTTP server that answers every GET as it is told."""

    def __init__(self, port: int = 0, certificate: Path | None = None) -> None:
        self.requests: list[str] = []
        self.answer: Answer = send(b"", status=500)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                # A client that has had enough hangs up: nothing to report.
                try:
                    outer.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}{JWKS}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def serve(self, jwks: object) -> None:
        self.answer = send(json.dumps(jwks).encode())

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def send(body: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> Answer:
    """An answer that is what it says."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


@contextmanager
def key_server(**options: Any) -> Iterator[KeyServer]:
    made = KeyServer(**options)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with key_server() as made:
        yield made


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def verifier_of(clock: SettableClock, seconds: Seconds) -> Callable[..., Verifier]:
    """Makes verifiers on the settable clocks."""

    def make(jwks_url: str | None = None, **options: Any) -> Verifier:
        options = {"issuer": ISSUER, "audience": AUDIENCE} | options
        return Verifier(jwks_url, clock=clock, monotonic=seconds, **options)

    return make


def reason_of(verifier: Verifier, token: Any) -> str:
    """Why a token is rejected."""
    with pytest.raises(TokenRejected) as caught:
        verifier.verify(token)
    return caught.value.reason.value


# --- with a real gql-auth server ------------------------------------------------------------


class Served:
    """A gql-auth server over HTTP, and one signed-in person."""

    def __init__(self, settings: Settings, url: str, counted: Counted) -> None:
        self.settings = settings
        self.url = url
        self.counted = counted

    @property
    def fetches(self) -> int:
        return self.counted.seen.get(JWKS, 0)

    def verifier(self, **options: Any) -> Verifier:
        return Verifier(self.url + JWKS, issuer=ISSUER, audience=AUDIENCE, **options)

    async def jwks(self) -> dict[str, Any]:
        async with httpx.AsyncClient() as http:
            found: dict[str, Any] = (await http.get(self.url + JWKS)).json()
            return found

    async def token(self) -> str:
        """A fresh access token."""
        async with httpx.AsyncClient(base_url=self.url) as http:
            client = GraphQLClient(http)
            await client.login(PASSWORD, email="ada@example.com")
            assert client.access_token
            return client.access_token

    async def token_of(self, kid: str) -> str:
        """A fresh access token, once the server signs with that key."""

        async def look() -> str | None:
            token = await self.token()
            return token if header_of(token)["kid"] == kid else None

        found = await within(10, look)
        assert found
        return found

    async def rotate(self) -> str:
        """Rotate as the command line does, in another process's place; which key signs now."""
        async with GraphQLAuth(self.settings).running() as system, system.units.write() as unit:
            return (await unit.get(Keys).rotate(force=True)).kid

    async def retire(self, kid: str) -> None:
        async with GraphQLAuth(self.settings).running() as system, system.units.write() as unit:
            life = self.settings.access_token_ttl
            await unit.get(Keys).retire(kid, access_token_ttl=life, force=True)


def header_of(token: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(jws.canonical(token.split(".", maxsplit=1)[0]))
    return header


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    settings = Settings(
        data_dir=tmp_path,
        secret=SECRET,
        bcrypt_cost=10,
        issuer=ISSUER,
        audience=AUDIENCE,
        revocation_poll=timedelta(seconds=1),
    )
    migrate(settings)
    counted = Counted(create_app(GraphQLAuth(settings)))
    with serving(counted) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            await GraphQLClient(http).signup(username="ada")
        yield Served(settings, url, counted)


async def test_a_real_servers_token_is_verified(served: Served) -> None:
    """Another service learns who calls, from the token and the JWKS alone."""
    token = await served.token()
    verifier = served.verifier()
    caller = verifier.verify(token)
    assert caller.claims["email"] == "ada@example.com"
    assert caller.claims["preferred_username"] == "ada"
    assert str(caller.user_id) == caller.claims["sub"]
    assert str(caller.session_id) == caller.claims["sid"]
    assert (caller.generation, caller.roles) == (0, ())
    assert await verifier.verify_async(token) == caller


async def test_a_real_servers_refresh_token_is_refused(served: Served) -> None:
    """A refresh token buys nothing at a resource server."""
    async with httpx.AsyncClient(base_url=served.url) as http:
        client = GraphQLClient(http)
        await client.login(PASSWORD, email="ada@example.com")
    assert client.refresh_token
    assert reason_of(served.verifier(), client.refresh_token) == "ACCESS_TOKEN_INVALID"
    assert served.fetches == 0, "a token of another type is no reason to fetch keys"


async def test_keys_are_fetched_once(served: Served) -> None:
    """Hundreds of verifications cost one request for the keys."""
    token, verifier = await served.token(), served.verifier()
    for _ in range(200):
        verifier.verify(token)
    await asyncio.gather(*(verifier.verify_async(token) for _ in range(200)))
    assert served.fetches == 1


async def test_the_next_key_is_known_before_it_signs(served: Served) -> None:
    """A verifier that fetched before a rotation takes the new key's tokens without asking."""
    verifier = served.verifier()
    old = await served.token()
    verifier.verify(old)
    kid = await served.rotate()
    new = await served.token_of(kid)
    assert header_of(old)["kid"] != kid
    assert verifier.verify(new).claims["email"] == "ada@example.com"
    verifier.verify(old)
    assert served.fetches == 1


async def test_a_key_made_after_the_fetch_is_found(served: Served, seconds: Seconds) -> None:
    """After two rotations a verifier with old keys fetches again, and takes the token."""
    verifier = served.verifier(monotonic=seconds)
    verifier.verify(await served.token())
    await served.rotate()
    token = await served.token_of(await served.rotate())
    seconds.forward(31)
    assert verifier.verify(token)
    assert served.fetches == 2


async def test_a_retired_keys_tokens_are_refused_after_the_refresh(
    served: Served, seconds: Seconds
) -> None:
    """When the cached keys are due, the retired one is gone and its tokens are refused."""
    verifier = served.verifier(monotonic=seconds)
    token = await served.token()
    verifier.verify(token)
    await served.rotate()
    retired = header_of(token)["kid"]
    await served.retire(retired)
    await within(10, lambda: _gone(served, retired))
    verifier.verify(token)  # within the ttl, the keys are the old ones
    seconds.forward(10 * MINUTE)
    assert reason_of(verifier, token) == "ACCESS_TOKEN_INVALID"


async def _gone(served: Served, kid: str) -> bool:
    return kid not in {key["kid"] for key in (await served.jwks())["keys"]}


# --- verdicts -------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_keys_given_by_hand(algorithm: str, verifier_of: Callable[..., Verifier]) -> None:
    """A JWKS passed as `keys=` verifies each asymmetric algorithm, with no network at all."""
    issuer = Issuer(algorithm)
    caller = verifier_of(keys=issuer.jwks).verify(issuer.token())
    assert caller.roles == ("admin",)
    assert caller.generation == 3


@pytest.mark.parametrize("token", [None, ""])
def test_no_token(token: str | None, issuer: Issuer, verifier_of: Callable[..., Verifier]) -> None:
    """No token is told apart from a bad one, in the contract's words."""
    with pytest.raises(TokenRejected, match=r"^Access token required$") as caught:
        verifier_of(keys=issuer.jwks).verify(token)
    assert caught.value.extensions == {
        "code": "UNAUTHENTICATED",
        "reason": "ACCESS_TOKEN_MISSING",
    }
    assert isinstance(caught.value, Unauthenticated)


def test_expiry_and_its_leeway(
    issuer: Issuer, verifier_of: Callable[..., Verifier], clock: SettableClock
) -> None:
    """A token is taken until the leeway after `exp`, and refused as expired from there on."""
    verifier, token = verifier_of(keys=issuer.jwks), issuer.token()
    clock.forward(seconds=904.999)
    verifier.verify(token)
    clock.forward(seconds=0.001)
    with pytest.raises(TokenRejected, match=r"^Token expired$") as caught:
        verifier.verify(token)
    assert caught.value.reason.value == "ACCESS_TOKEN_EXPIRED"


def test_a_token_from_the_future(
    issuer: Issuer, verifier_of: Callable[..., Verifier], clock: SettableClock
) -> None:
    """`iat` may lie as far ahead as the leeway and not a second more."""
    verifier = verifier_of(keys=issuer.jwks)
    now = int(clock.now().timestamp())
    verifier.verify(issuer.token(iat=now + 5))
    assert reason_of(verifier, issuer.token(iat=now + 6)) == "ACCESS_TOKEN_INVALID"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example.com"},
        {"aud": "https://other.example.com"},
        {"aud": [AUDIENCE]},
        {"iss": None},
        {"aud": None},
        {"exp": None},
        {"exp": 1e308},
        {"iat": None},
        {"sid": None},
        {"sub": "ada"},
        {"gen": True},
        {"roles": "admin"},
        {"roles": [1]},
        {"typ": "refresh+jwt"},
        {"typ": "JWT"},
    ],
    ids=str,
)
def test_a_token_that_says_something_else(
    changes: dict[str, Any], issuer: Issuer, verifier_of: Callable[..., Verifier]
) -> None:
    """A good signature does not help a token of another issuer, audience, type or shape."""
    verifier = verifier_of(keys=issuer.jwks)
    with pytest.raises(TokenRejected, match=r"^Invalid or tampered token$") as caught:
        verifier.verify(issuer.token(**changes))
    assert caught.value.reason.value == "ACCESS_TOKEN_INVALID"


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _segment(value: object) -> str:
    return _base64url(json.dumps(value).encode())


def test_tampered_and_forged_tokens(issuer: Issuer, verifier_of: Callable[..., Verifier]) -> None:
    """Garbage, a changed payload, another's signature, `none`, and the public key as an HMAC
    key are all refused alike."""
    verifier = verifier_of(keys=issuer.jwks)
    head, body, signature = issuer.token().split(".")
    other = Issuer()
    pem = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    unsigned = _segment({"alg": "none", "typ": "at+jwt", "kid": "k1"})
    symmetric = _segment({"alg": "HS256", "typ": "at+jwt", "kid": "k1"})
    mac = hmac.digest(pem, f"{symmetric}.{body}".encode(), "sha256")
    for token in (
        "x",
        "a.b.c",
        "é.é.é",
        "a" * 100_000,
        f"{head}.{body}",
        f"{head}.{body}.",
        f"{head}.{other.token().split('.')[1]}.{signature}",
        other.token(),
        other.token(kid="nobody's"),
        f"{unsigned}.{body}.{signature}",
        f"{symmetric}.{body}.{_base64url(mac)}",
    ):
        assert reason_of(verifier, token) == "ACCESS_TOKEN_INVALID", token[:80]


# --- the keys: when they are fetched, and when not ------------------------------------------


def test_strangers_cannot_make_it_fetch(
    server: KeyServer, issuer: Issuer, verifier_of: Callable[..., Verifier], seconds: Seconds
) -> None:
    """Any number of tokens with random key ids cost one fetch an interval, and no good token."""
    server.serve(issuer.jwks)
    verifier = verifier_of(server.url)
    verifier.verify(issuer.token())
    stranger = Issuer()

    def flood() -> None:
        for number in range(100):
            token = stranger.token(kid=f"random-{number}")
            assert reason_of(verifier, token) == "ACCESS_TOKEN_INVALID"

    flood()
    assert len(server.requests) == 1, "the first fetch was less than an interval ago"
    seconds.forward(29.9)
    flood()
    assert len(server.requests) == 1
    seconds.forward(0.1)
    flood()
    assert len(server.requests) == 2
    verifier.verify(issuer.token())
    assert len(server.requests) == 2


def test_garbage_is_no_reason_to_fetch(
    server: KeyServer, issuer: Issuer, verifier_of: Callable[..., Verifier]
) -> None:
    """A token that cannot be good whatever its key fetches nothing."""
    verifier = verifier_of(server.url)
    for token in ("x", "a.b.c", "a" * 100_000, issuer.token(typ="refresh+jwt")):
        assert reason_of(verifier, token) == "ACCESS_TOKEN_INVALID"
    assert server.requests == []


async def test_one_fetch_however_many_wait(
    server: KeyServer, issuer: Issuer, verifier_of: Callable[..., Verifier]
) -> None:
    """Threads and coroutines that need the keys at the same instant share one request."""
    go_on = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        go_on.wait(5)
        send(good(issuer))(request)

    server.answer = answer
    verifier = verifier_of(server.url)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(20) as threads:
        waiting = [
            *(loop.run_in_executor(threads, verifier.verify, issuer.token()) for _ in range(20)),
            *(asyncio.create_task(verifier.verify_async(issuer.token())) for _ in range(100)),
        ]
        # Reached only if waiting for keys leaves the event loop free.
        await within(5, lambda: server.requests)
        go_on.set()
        callers = await asyncio.gather(*waiting)
    assert len({caller.user_id for caller in callers}) == 120
    assert len(server.requests) == 1


async def test_one_who_gives_up_spoils_it_for_nobody(
    server: KeyServer, issuer: Issuer, verifier_of: Callable[..., Verifier]
) -> None:
    """A cancelled waiter (a client that hung up) leaves the fetch to the others."""
    go_on = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        go_on.wait(5)
        send(good(issuer))(request)

    server.answer = answer
    verifier = verifier_of(server.url)
    first, second = (asyncio.create_task(verifier.verify_async(issuer.token())) for _ in range(2))
    await within(5, lambda: server.requests)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    assert (await second).roles == ("admin",)


def test_keys_are_refreshed_ahead_of_time(
    server: KeyServer, issuer: Issuer, verifier_of: Callable[..., Verifier], seconds: Seconds
) -> None:
    """Near the end of the ttl a fetch begins while the known keys go on serving."""
    server.serve(issuer.jwks)
    verifier = verifier_of(server.url)
    verifier.verify(issuer.token())
    held = threading.Event()
    server.answer = lambda _request: held.wait(5) and None
    seconds.forward(7.9 * MINUTE)
    verifier.verify(issuer.token())
    assert len(server.requests) == 1
    seconds.forward(0.2 * MINUTE)
    began = time.monotonic()
    verifier.verify(issuer.token())
    assert time.monotonic() - began < 1, "nobody waits while the keys are still good"
    asyncio.run(within(5, lambda: len(server.requests) == 2))
    held.set()


def test_last_known_keys_outlive_an_outage(
    issuer: Issuer, verifier_of: Callable[..., Verifier], seconds: Seconds
) -> None:
    """While the JWKS is down the last known keys serve, up to the bound; then nothing is
    accepted, and nobody is told that their token is bad."""
    with key_server() as server:
        server.serve(issuer.jwks)
        verifier = verifier_of(server.url, max_stale=timedelta(hours=1))
        verifier.verify(issuer.token())
    seconds.forward(10 * MINUTE)
    verifier.verify(issuer.token())
    assert reason_of(verifier, Issuer().token(kid="other")) == "ACCESS_TOKEN_INVALID"
    seconds.forward(60 * MINUTE)
    verifier.verify(issuer.token())
    seconds.forward(0.001)
    with pytest.raises(Unavailable) as caught:
        verifier.verify(issuer.token())
    assert caught.value.extensions["code"] == "SERVICE_UNAVAILABLE"


async def test_a_service_that_starts_before_the_server(
    issuer: Issuer, verifier_of: Callable[..., Verifier], seconds: Seconds
) -> None:
    """Without any keys yet the answer is Unavailable, and the keys are found a second after
    the server has come up."""
    port = free_port()
    verifier = verifier_of(f"http://127.0.0.1:{port}{JWKS}")
    with pytest.raises(Unavailable):
        await verifier.verify_async(issuer.token())
    with key_server(port=port) as server:
        server.serve(issuer.jwks)
        with pytest.raises(Unavailable):
            verifier.verify(issuer.token())
        assert server.requests == [], "tries keep their distance, also where there are no keys"
        seconds.forward(1)
        assert (await verifier.verify_async(issuer.token())).roles == ("admin",)


# --- hostile answers ------------------------------------------------------------------------


Hostile = Callable[["Issuer"], Answer]
PADDING = b" " * 1000


def good(issuer: Issuer) -> bytes:
    return json.dumps(issuer.jwks).encode()


def drip(issuer: Issuer) -> Answer:
    """The right body, never stalling for long, but too slow as a whole."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(200):
            request.wfile.write(b" ")
            time.sleep(0.05)
        request.wfile.write(good(issuer))

    return answer


def hang(issuer: Issuer) -> Answer:
    """Headers that come too slowly to be complete in time."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 40:
            request.wfile.write(bytes([letter]))
            time.sleep(0.05)

    return answer


def endless(issuer: Issuer) -> Answer:
    """More than anybody wants, with no length announced."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(10_000):
            request.wfile.write(PADDING)
        request.wfile.write(good(issuer))

    return answer


def says(body: bytes, status: int = 200, **headers: str) -> Hostile:
    return lambda _issuer: send(body, status, **headers)


def instead(**changes: Any) -> Hostile:
    """The good key with something that disqualifies it."""
    return lambda issuer: send(json.dumps({"keys": [issuer.jwk | changes]}).encode())


def private(issuer: Issuer) -> Answer:
    made: Any = get_default_algorithms()["ES256"].to_jwk(issuer.key, as_dict=True)
    return send(json.dumps({"keys": [issuer.jwk | made | {"key_ops": ["verify"]}]}).encode())


def other_curves(_issuer: Issuer) -> Answer:
    p384 = public_jwk(ec.generate_private_key(ec.SECP384R1()), "ES384", "k1")
    ed = public_jwk(ed448.Ed448PrivateKey.generate(), "EdDSA", "k1")
    return send(json.dumps({"keys": [p384 | {"alg": "ES256"}, p384, ed]}).encode())


HOSTILE: dict[str, Hostile] = {
    "redirect": says(b"", 302, Location="/elsewhere.json"),
    "moved": says(b"", 308, Location="/elsewhere.json"),
    "redirect with a body": lambda issuer: send(good(issuer), 302, Location="/elsewhere.json"),
    "error with a body": lambda issuer: send(good(issuer), 500),
    "ten megabytes": lambda issuer: send(PADDING * 10_000 + good(issuer)),
    "a byte too much": lambda issuer: send(good(issuer).ljust(MAX_JWKS + 1)),
    "endless": endless,
    "slow body": drip,
    "slow headers": hang,
    "web page": says(b"<!doctype html><title>Sign in</title>"),
    "nothing": says(b""),
    "no content": says(b"", 204),
    "cut short": lambda issuer: send(good(issuer), Content_Length="500"),
    "gzip": lambda issuer: send(gzip.compress(good(issuer)), Content_Encoding="gzip"),
    "null": says(b"null"),
    "list": says(b"[]"),
    "no keys": says(b'{"keys": []}'),
    "keys of no list": says(b'{"keys": {"k1": {}}}'),
    "keys of no object": says(b'{"keys": [null, 1, "k1", [], {}]}'),
    "deep": says(b"[" * 100_000),
    "no utf-8": says(b'{"keys": "\xff"}'),
    "private key": private,
    "symmetric key": says(b'{"keys": [{"kty": "oct", "kid": "k1", "alg": "HS256", "k": "AA"}]}'),
    "symmetric in disguise": says(
        b'{"keys": [{"kty": "oct", "kid": "k1", "alg": "ES256", "k": "AA"}]}'
    ),
    "other curves": other_curves,
    "point not on the curve": instead(y="AAAA"),
    "no algorithm": instead(alg=None),
    "algorithm none": instead(alg="none"),
    "symmetric algorithm": instead(alg="HS256"),
    "another key type": instead(kty="RSA"),
    "for encryption": instead(use="enc"),
    "for signing alone": instead(key_ops=["sign"]),
    "odd operations": instead(key_ops=7),
    "id of no text": instead(kid=["k1"]),
    "no id": instead(kid=None),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_answers(
    hostile: Hostile, verifier_of: Callable[..., Verifier], server: KeyServer, seconds: Seconds
) -> None:
    """Whatever comes instead of a JWKS: without keys nothing is accepted, with known keys they
    go on serving; it takes no longer than the timeout."""
    issuer = Issuer()
    options: dict[str, Any] = {"timeout": timedelta(seconds=0.5)}
    fresh = verifier_of(server.url, **options)
    server.answer = hostile(issuer)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        fresh.verify(issuer.token())
    assert time.monotonic() - began < 2

    server.serve(issuer.jwks)
    knowing = verifier_of(server.url, **options)
    knowing.verify(issuer.token())
    server.answer = hostile(issuer)
    seconds.forward(10 * MINUTE)
    began = time.monotonic()
    assert knowing.verify(issuer.token()).roles == ("admin",)
    assert knowing.verify(issuer.token()).roles == ("admin",)
    assert time.monotonic() - began < 2
    assert set(server.requests) == {JWKS}, "a redirect was followed"


async def test_a_fetch_that_drips_is_given_up(
    issuer: Issuer, verifier_of: Callable[..., Verifier], server: KeyServer, seconds: Seconds
) -> None:
    """An answer that never ends does not keep the next fetch from beginning."""
    server.answer = drip(issuer)
    verifier = verifier_of(server.url, timeout=timedelta(seconds=0.5))
    with pytest.raises(Unavailable):
        verifier.verify(issuer.token())
    server.serve(issuer.jwks)

    async def accepted() -> bool:
        seconds.forward(1)
        try:
            return bool(await verifier.verify_async(issuer.token()))
        except Unavailable:
            return False

    assert await within(5, accepted)


def test_as_much_as_is_read(
    issuer: Issuer, verifier_of: Callable[..., Verifier], server: KeyServer
) -> None:
    """A JWKS of exactly the greatest length is still read."""
    server.answer = send(good(issuer).ljust(MAX_JWKS))
    verifier_of(server.url).verify(issuer.token())


def test_odd_keys_do_not_spoil_the_good_one(
    server: KeyServer, issuer: Issuer, verifier_of: Callable[..., Verifier]
) -> None:
    """Keys of other kinds are passed over; of two keys with one id the first counts."""
    jwk = issuer.jwk
    odd: list[Any] = [
        {"kty": "oct", "kid": "k0", "k": "AAAA"},
        {"kty": "AKP", "kid": "k2", "alg": "ML-DSA-65", "pub": "AAAA"},
        jwk | {"kid": "k3", "use": "enc"},
        jwk | {"kid": "k5", "key_ops": 7},
        {"kid": "k4"},
        None,
    ]
    server.serve({"keys": [*odd, jwk | {"new": ["member"]}, Issuer().jwk], "more": 1})
    verifier = verifier_of(server.url)
    assert verifier.verify(issuer.token()).roles == ("admin",)
    assert reason_of(verifier, issuer.token(kid="k3")) == "ACCESS_TOKEN_INVALID"


def test_an_rsa_key_that_is_too_small(verifier_of: Callable[..., Verifier]) -> None:
    """RS256 wants 2048 bits (RFC 7518, section 3.3): fewer are no key at all."""
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(ValueError, match="no public key"):
        verifier_of(keys={"keys": [public_jwk(small, "RS256", "k1")]})


def certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_https_wants_a_trusted_certificate(
    issuer: Issuer,
    verifier_of: Callable[..., Verifier],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Keys from a server whose certificate nobody vouches for are not taken; a company's own
    authority is named with SSL_CERT_FILE."""
    path = certificate(tmp_path)
    with key_server(certificate=path) as server:
        server.serve(issuer.jwks)
        with pytest.raises(Unavailable):
            verifier_of(server.url).verify(issuer.token())
        assert server.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        verifier_of(server.url).verify(issuer.token())


def test_proxies_of_the_environment_are_not_asked(
    server: KeyServer,
    issuer: Issuer,
    verifier_of: Callable[..., Verifier],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy variable, which a process inherits unseen, does not decide where keys come from."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.serve(issuer.jwks)
    verifier_of(server.url).verify(issuer.token())


# --- the door -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "exactly one of jwks_url and keys"),
        ({"jwks_url": "https://a.example/jwks", "keys": {"keys": []}}, "exactly one"),
        ({"keys": {"keys": []}}, "no public key"),
        ({"keys": {"k1": {}}}, "not a JWKS"),
        ({"jwks_url": "http://auth.internal/jwks"}, "must be https"),
        ({"jwks_url": "http://10.0.0.1/jwks"}, "must be https"),
        ({"jwks_url": "file:///etc/keys"}, r"not an http\(s\) URL"),
        ({"jwks_url": "auth.example.com"}, r"not an http\(s\) URL"),
        ({"jwks_url": "https://user:word@auth.example.com/jwks"}, "user name"),
        ({"jwks_url": "https://auth.example.com:99999/jwks"}, "[Pp]ort"),
        ({"jwks_url": "https://a.example/jwks", "issuer": ""}, "issuer and audience"),
        ({"jwks_url": "https://a.example/jwks", "audience": ""}, "issuer and audience"),
    ],
    ids=str,
)
def test_wrong_arguments(options: dict[str, Any], complaint: str) -> None:
    """What cannot work or cannot be trusted is refused when the verifier is made."""
    with pytest.raises(ValueError, match=complaint):
        Verifier(**{"issuer": ISSUER, "audience": AUDIENCE} | options)


def test_a_service_that_only_verifies_stays_light() -> None:
    """Importing and using the Verifier loads no web framework, no GraphQL and no database."""
    # bcrypt itself is loaded by `cryptography`, where it is installed; our use of it is not.
    heavy = ["fastapi", "starlette", "strawberry", "graphql", "sqlalchemy", "sqlmodel", "pydantic",
             "alembic", "uvicorn", "gql_auth.features.passwords", "gql_auth.features.users",
             "gql_auth.features.sessions", "gql_auth.storage", "gql_auth.serving"]  # fmt: skip
    issuer = Issuer()
    program = f"""
import sys
from gql_auth import TokenRejected, Verifier
verifier = Verifier(keys={issuer.jwks!r}, issuer={ISSUER!r}, audience={AUDIENCE!r})
try:
    verifier.verify({issuer.token()!r})
except TokenRejected as rejected:
    print(rejected.reason.value)
print(sorted(set({heavy!r}) & set(sys.modules)))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split("\n") == ["ACCESS_TOKEN_EXPIRED", "[]", ""]
