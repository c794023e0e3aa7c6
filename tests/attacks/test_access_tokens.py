"""Attacks on access tokens: each forgery gets the contract's refusal, and never any data."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.features.keys.core import KeyRings, Keys
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import migrate
from tests.attacks.browser import serving
from tests.attacks.forge import Forge, b64, claims_of, header_of, other_key
from tests.support import LOGIN, ME, PASSWORD, SECRET, GraphQLClient, SettableClock, reason_of

GRAPHQL_RESPONSE = "application/graphql-response+json"
MESSAGES = {
    "ACCESS_TOKEN_MISSING": "Access token required",
    "ACCESS_TOKEN_EXPIRED": "Token expired",
    "ACCESS_TOKEN_INVALID": "Invalid or tampered token",
    "SESSION_REVOKED": "Session revoked",
}
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "sid", "gen", "roles")


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """No token reaches SQL before it is verified: one database is enough."""
    return sqlite_settings


@pytest.fixture
async def forge(auth: GraphQLAuth, client: GraphQLClient) -> Forge:
    """A forge that has an honest token to start from."""
    signed_up = await client.signup(name="Ada", username="ada")
    client.access_token = None
    return Forge(auth, signed_up["accessToken"])


async def refused(client: GraphQLClient, reason: str, **headers: str) -> None:
    """The field is refused just as the contract says, in both media types."""
    answer = await client.me(**headers)
    assert client.last.status_code == 200
    (error,) = answer["errors"]
    assert error["message"] == MESSAGES[reason]
    assert error["extensions"] == {"code": "UNAUTHENTICATED", "reason": reason}
    assert answer["data"] is None

    answer = await client.me(**headers, Accept=GRAPHQL_RESPONSE)
    assert client.last.status_code == 401
    assert client.last.headers["content-type"].startswith(GRAPHQL_RESPONSE)
    assert "data" not in answer
    assert reason_of(answer) == reason
    challenge = client.last.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert ('error="invalid_token"' in challenge) == (reason != "ACCESS_TOKEN_MISSING")


async def accepted(client: GraphQLClient, token: str) -> None:
    """The token opens the field: what an attack changes is then all that closes it."""
    answer = await client.me(token=token)
    assert "errors" not in answer, answer
    assert answer["data"]["me"]["email"] == "ada@example.com"


def _public(forge: Forge, encoding: serialization.Encoding) -> bytes:
    raw: bytes = forge.ring.private.public_key().public_bytes(
        encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return raw


def _jwk(forge: Forge) -> dict[str, Any]:
    return dict(forge.ring.jwks["keys"][0])


def _hs256(forge: Forge, key: bytes) -> str:
    return forge.hmac_token(key, {**forge.header, "alg": "HS256"}, forge.claims)


def _unsigned(forge: Forge, algorithm: str, signature: str = "") -> str:
    return f"{b64({**forge.header, 'alg': algorithm})}.{b64(forge.claims)}.{signature}"


def _segments(forge: Forge) -> list[str]:
    return forge.honest.split(".")


def _embedding(name: str, value: Any) -> Callable[[Forge], str]:
    """The server's own signature, with a header that asks for more than the server offers."""
    return lambda forge: forge.token({name: value})


def _self_signed(forge: Forge) -> str:
    """The attacker's key, signed with it and shown in the header (RFC 7515, 4.1.3)."""
    key = other_key()
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return forge.token({"jwk": jwk}, key=key)


def _flipped(forge: Forge) -> str:
    head, payload, signature = _segments(forge)
    turned = "B" if signature[10] == "A" else "A"
    return f"{head}.{payload}.{signature[:10]}{turned}{signature[11:]}"


def _not_canonical(forge: Forge) -> str:
    """The same signature bytes: the last of 86 letters carries four bits that say nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return forge.honest[:-1] + alphabet[alphabet.index(forge.honest[-1]) + 1]


def _promoted(forge: Forge) -> str:
    head, _, signature = _segments(forge)
    return f"{head}.{b64({**forge.claims, 'roles': ['admin']})}.{signature}"


def _padded_canonical(forge: Forge) -> str:
    return ".".join(part + "=" * (-len(part) % 4) for part in _segments(forge))


FORGERIES: dict[str, Callable[[Forge], str]] = {
    # The algorithm is the key's, never the token's (RFC 8725, 3.1).
    "alg-none": lambda f: _unsigned(f, "none"),
    "alg-None": lambda f: _unsigned(f, "None"),
    "alg-NONE": lambda f: _unsigned(f, "NONE"),
    "alg-nOnE": lambda f: _unsigned(f, "nOnE"),
    "alg-none-with-space": lambda f: _unsigned(f, " none"),
    "alg-empty": lambda f: _unsigned(f, ""),
    "alg-none-any-signature": lambda f: _unsigned(f, "none", "AAAA"),
    "alg-none-old-signature": lambda f: _unsigned(f, "none", _segments(f)[2]),
    "alg-missing": lambda f: f.token(without=("alg",)),
    "alg-null": lambda f: f.token({"alg": None}),
    "alg-list": lambda f: f.token({"alg": ["ES256"]}),
    "alg-lower-case": lambda f: f.token({"alg": "es256"}),
    "alg-ES384": lambda f: f.token({"alg": "ES384"}),
    "alg-RS256": lambda f: f.token({"alg": "RS256"}),
    "hs256-public-pem": lambda f: _hs256(f, _public(f, serialization.Encoding.PEM)),
    "hs256-public-pem-stripped": lambda f: _hs256(f, _public(f, serialization.Encoding.PEM)[:-1]),
    "hs256-public-der": lambda f: _hs256(f, _public(f, serialization.Encoding.DER)),
    "hs256-public-jwk": lambda f: _hs256(f, b64(_jwk(f)).encode()),
    "hs256-public-jwk-json": lambda f: _hs256(f, httpx.Response(200, json=_jwk(f)).content),
    "hs256-public-x": lambda f: _hs256(f, _jwk(f)["x"].encode()),
    "hs256-empty-key": lambda f: _hs256(f, b""),
    "hs256-kid": lambda f: _hs256(f, f.ring.kid.encode()),
    # The key is one of ours, by its name.
    "other-key-our-kid": lambda f: f.token(key=other_key()),
    "other-key-own-kid": lambda f: f.token({"kid": "attacker"}, key=other_key()),
    "kid-unknown": lambda f: f.token({"kid": "unknown"}),
    "kid-of-next-key": lambda f: f.token(
        {"kid": next(kid for kid in f.ring.verification if kid != f.ring.kid)}
    ),
    "kid-missing": lambda f: f.token(without=("kid",)),
    "kid-empty": lambda f: f.token({"kid": ""}),
    "kid-null": lambda f: f.token({"kid": None}),
    "kid-number": lambda f: f.token({"kid": 1}),
    "kid-object": lambda f: f.token({"kid": {}}),
    "kid-path": lambda f: f.token({"kid": "../../../../dev/null"}),
    "kid-sql": lambda f: f.token({"kid": "' OR '1'='1"}),
    "kid-nul": lambda f: f.token({"kid": f.ring.kid + "\0"}),
    # The header says nothing else, and is said once.
    "jwk-embedded": _self_signed,
    "jku": _embedding("jku", "https://attacker.example/jwks.json"),
    "x5u": _embedding("x5u", "https://attacker.example/key.pem"),
    "x5c": _embedding("x5c", ["MIIB"]),
    "crit": _embedding("crit", ["exp"]),
    "b64-false": _embedding("b64", False),
    "zip": _embedding("zip", "DEF"),
    "cty": _embedding("cty", "JWT"),
    "header-doubled-alg": lambda f: f.token(
        f'{{"alg":"none","alg":"ES256","kid":"{f.ring.kid}","typ":"at+jwt"}}'
    ),
    "header-doubled-kid": lambda f: f.token(
        f'{{"alg":"ES256","kid":"x","kid":"{f.ring.kid}","typ":"at+jwt"}}'
    ),
    "header-list": lambda f: f.token("[]"),
    "header-null": lambda f: f.token("null"),
    "header-no-json": lambda f: f.token("{alg:ES256}"),
    "header-deep": lambda f: f.token('{"alg":' * 1500),
    # An access token says that it is one (RFC 9068, 2.1).
    "typ-JWT": lambda f: f.token({"typ": "JWT"}),
    "typ-refresh": lambda f: f.token({"typ": "refresh+jwt"}),
    "typ-missing": lambda f: f.token(without=("typ",)),
    "typ-empty": lambda f: f.token({"typ": ""}),
    "typ-null": lambda f: f.token({"typ": None}),
    "typ-longer": lambda f: f.token({"typ": "at+jwt2"}),
    # From whom, and for whom.
    "iss-other": lambda f: f.token(claims={"iss": "https://attacker.example"}),
    "iss-slash": lambda f: f.token(claims={"iss": f.claims["iss"] + "/"}),
    "iss-case": lambda f: f.token(claims={"iss": f.claims["iss"].upper()}),
    "iss-list": lambda f: f.token(claims={"iss": [f.claims["iss"]]}),
    "aud-other": lambda f: f.token(claims={"aud": "https://other.example"}),
    "aud-list": lambda f: f.token(claims={"aud": [f.claims["aud"]]}),
    "aud-list-of-two": lambda f: f.token(claims={"aud": [f.claims["aud"], "https://b.example"]}),
    "aud-empty": lambda f: f.token(claims={"aud": ""}),
    "aud-null": lambda f: f.token(claims={"aud": None}),
    # Times are whole numbers within the life that the server gives.
    "iat-future": lambda f: f.token(claims={"iat": f.now + 61, "exp": f.now + 900}),
    "nbf-future": lambda f: f.token(claims={"nbf": f.now + 61}),
    "nbf-far-future": lambda f: f.token(claims={"nbf": f.now + 10**9}),
    "nbf-text": lambda f: f.token(claims={"nbf": "0"}),
    "nbf-null": lambda f: f.token(claims={"nbf": None}),
    "exp-too-far": lambda f: f.token(claims={"exp": f.now + 901}),
    "exp-years": lambda f: f.token(claims={"exp": f.now + 10 * 365 * 86400}),
    "exp-too-far-for-old-iat": lambda f: f.token(claims={"iat": f.now - 1}),
    "exp-before-iat": lambda f: f.token(claims={"iat": f.now + 50, "exp": f.now + 50}),
    "exp-float": lambda f: f.token(claims={"exp": f.now + 600.5}),
    "exp-whole-float": lambda f: f.token(claims={"exp": f.now + 600.0}),
    "exp-1e308": lambda f: f.token(claims={"exp": 1e308}),
    "exp-infinity": lambda f: f.token(claims={"exp": float("inf")}),
    "exp-nan": lambda f: f.token(claims={"exp": float("nan")}),
    "exp-true": lambda f: f.token(claims={"iat": 0, "exp": True}),
    "exp-text": lambda f: f.token(claims={"exp": str(f.now + 600)}),
    "exp-null": lambda f: f.token(claims={"exp": None}),
    "exp-list": lambda f: f.token(claims={"exp": [f.now + 600]}),
    "exp-huge": lambda f: f.token(claims={"exp": 1 << 64}),
    "exp-5000-digits": lambda f: f.token(claims='{"exp":' + "1" * 5000 + "}"),
    "exp-negative": lambda f: f.token(claims={"iat": -10, "exp": -5}),
    "iat-true": lambda f: f.token(claims={"iat": True, "exp": 600}),
    "iat-float": lambda f: f.token(claims={"iat": f.now + 0.5}),
    # Whom it speaks for has one spelling.
    "sub-no-uuid": lambda f: f.token(claims={"sub": "admin"}),
    "sub-upper-case": lambda f: f.token(claims={"sub": f.claims["sub"].upper()}),
    "sub-braces": lambda f: f.token(claims={"sub": "{" + f.claims["sub"] + "}"}),
    "sub-number": lambda f: f.token(claims={"sub": 1}),
    "sid-no-uuid": lambda f: f.token(claims={"sid": "1"}),
    "gen-negative": lambda f: f.token(claims={"gen": -1}),
    "gen-true": lambda f: f.token(claims={"gen": True}),
    "gen-huge": lambda f: f.token(claims={"gen": 1 << 31}),
    "roles-text": lambda f: f.token(claims={"roles": "admin"}),
    "roles-numbers": lambda f: f.token(claims={"roles": [1]}),
    **{f"without-{name}": (lambda f, n=name: f.token(without=(n,))) for name in CLAIMS},
    "claims-list": lambda f: f.token(claims="[]"),
    "claims-text": lambda f: f.token(claims='"x"'),
    "claims-no-json": lambda f: f.token(claims="not json"),
    "claims-empty": lambda f: f.token(claims="{}"),
    "claims-doubled": lambda f: f.token(
        claims=f'{{"sub":"{f.claims["sub"]}",' + httpx.Response(200, json=f.claims).text[1:]
    ),
    "claims-bad-utf-8": lambda f: f.token(claims='{"a":"\udcff"}'),
    # What was signed is what is read.
    "payload-tampered": _promoted,
    "payload-of-another": lambda f: ".".join(
        [_segments(f)[0], b64({**f.claims, "sub": f.claims["sid"]}), _segments(f)[2]]
    ),
    "signature-flipped": _flipped,
    "signature-truncated": lambda f: f.honest[:-2],
    "signature-one-letter-less": lambda f: f.honest[:-1],
    "signature-longer": lambda f: f.honest + "AA",
    "signature-empty": lambda f: f.honest.rsplit(".", 1)[0] + ".",
    "signature-missing": lambda f: f.honest.rsplit(".", 1)[0],
    "signature-zeros": lambda f: f.honest.rsplit(".", 1)[0] + "." + b64(bytes(64)),
    "signature-swapped": lambda f: ".".join([*_segments(f)[:2], _segments(f)[0]]),
    # One spelling of each token.
    "base64-not-canonical": _not_canonical,
    "base64-padded": _padded_canonical,
    "base64-standard-alphabet": lambda f: f.honest[:-4] + "++//",
    "space-inside": lambda f: f.honest[:50] + " " + f.honest[50:],
    "tab-inside": lambda f: f.honest[:50] + "\t" + f.honest[50:],
    "space-before-dot": lambda f: f.honest.replace(".", " .", 1),
    "extra-segment": lambda f: f.honest + ".AAAA",
    "extra-dot": lambda f: f.honest + ".",
    "five-segments": lambda f: "A.A.A.A.A",
    "token-twice": lambda f: f"{f.honest},{f.honest}",
    "token-quoted": lambda f: f'"{f.honest}"',
    "json-serialization": lambda f: '{"payload":"","signatures":[]}',
    "100-kB-of-letters": lambda f: "A" * 100_000,
    "100-kB-of-dots": lambda f: "." * 100_000,
    "100-kB-of-claims": lambda f: f.token(claims={"x": "y" * 100_000}),
    "100-kB-header": lambda f: f.token({"kid": "y" * 100_000}),
    "latin-1": lambda f: "\xff" * 20,
    "garbage": lambda f: "garbage",
    "dots": lambda f: "..",
    "null": lambda f: "null",
    "undefined": lambda f: "undefined",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workshop(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Forge, GraphQLClient]]:
    """A forge and a client of one server for all forgeries: none of them changes anything."""
    folder = tmp_path_factory.mktemp("server")
    settings = Settings(data_dir=folder, secret=SECRET, bcrypt_cost=10)
    async with serving(settings, SettableClock()) as (auth, http):
        client = GraphQLClient(http)
        token = (await client.signup(username="ada"))["accessToken"]
        client.access_token = None
        yield Forge(auth, token), client


@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_forged_token_is_refused(name: str, workshop: tuple[Forge, GraphQLClient]) -> None:
    """Whatever is wrong with a token, the client hears the same sentence and gets no data."""
    forge, client = workshop
    await accepted(client, forge.token())
    header: Any = f"Bearer {FORGERIES[name](forge)}".encode("latin-1")
    await refused(client, "ACCESS_TOKEN_INVALID", Authorization=header)


ACCEPTED: dict[str, Callable[[Forge], str]] = {
    "honest": lambda f: f.honest,
    "typ-in-capitals": lambda f: f.token({"typ": "AT+JWT"}),
    "typ-with-its-tree": lambda f: f.token({"typ": "application/at+jwt"}),
    "iat-within-leeway": lambda f: f.token(claims={"iat": f.now + 60, "exp": f.now + 900}),
    "nbf-within-leeway": lambda f: f.token(claims={"nbf": f.now + 60}),
    "nbf-past": lambda f: f.token(claims={"nbf": 0}),
    "whole-life": lambda f: f.token(claims={"exp": f.now + 900}),
    "greatest-generation": lambda f: f.token(claims={"gen": (1 << 31) - 1}),
    "a-claim-of-the-host": lambda f: f.token(claims={"tenant": {"id": 1}}),
}


@pytest.mark.parametrize("name", ACCEPTED)
async def test_the_last_accepted_side_of_each_edge(
    name: str, forge: Forge, client: GraphQLClient
) -> None:
    """What lies just inside of the rules opens the field."""
    await accepted(client, ACCEPTED[name](forge))


async def test_a_token_ends_at_its_expiry_to_the_second(
    forge: Forge, client: GraphQLClient, clock: SettableClock
) -> None:
    """A token is good up to its `exp`, without leeway, and then is expired, not invalid."""
    clock.forward(seconds=899)
    await accepted(client, forge.honest)
    clock.forward(seconds=1)
    await refused(client, "ACCESS_TOKEN_EXPIRED", Authorization=f"Bearer {forge.honest}")


async def test_a_forged_token_is_never_called_expired(
    forge: Forge, client: GraphQLClient, clock: SettableClock
) -> None:
    """A claim of a token whose signature fails is not looked at, so nothing is told of it."""
    clock.forward(days=1)
    for token in (forge.token(key=other_key()), _unsigned(forge, "none"), _flipped(forge)):
        await refused(client, "ACCESS_TOKEN_INVALID", Authorization=f"Bearer {token}")


@pytest.mark.parametrize("value", ["", " ", "Bearer", "Bearer ", "bearer  "])
async def test_no_token_is_missing(value: str, forge: Forge, client: GraphQLClient) -> None:
    """An empty header is as good as none: a token is required."""
    await refused(client, "ACCESS_TOKEN_MISSING")
    await refused(client, "ACCESS_TOKEN_MISSING", Authorization=value)


@pytest.mark.parametrize("scheme", ["Basic", "Token", "JWT", "Bearer:", "Bearer,", "DPoP"])
async def test_another_scheme_is_refused(scheme: str, forge: Forge, client: GraphQLClient) -> None:
    """A good token under another scheme than Bearer is no bearer token."""
    await refused(client, "ACCESS_TOKEN_INVALID", Authorization=f"{scheme} {forge.honest}")


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "BeArEr"])
async def test_the_scheme_has_no_case(scheme: str, forge: Forge, client: GraphQLClient) -> None:
    """Schemes compare without regard to case (RFC 9110, 11.1)."""
    answer = await client.me(Authorization=f"{scheme} {forge.honest}")
    assert answer["data"]["me"]["username"] == "ada"


@pytest.mark.parametrize("second", ["same", "other"])
async def test_two_authorization_headers_are_refused(
    second: str, forge: Forge, client: GraphQLClient
) -> None:
    """With two headers a proxy and we might each believe another: neither is believed."""
    tokens = [forge.honest, forge.honest if second == "same" else "x.y.z"]
    for order in (tokens, tokens[::-1]):
        answer = await client.http.post(
            "/graphql",
            json={"query": ME},
            headers=[("Authorization", f"Bearer {token}") for token in order],
        )
        assert reason_of(answer.json()) == "ACCESS_TOKEN_INVALID"
        assert answer.json()["data"] is None


async def test_a_token_is_taken_from_the_header_alone(forge: Forge, client: GraphQLClient) -> None:
    """A token in the URL, the body or a cookie opens nothing (RFC 6750, 5.3)."""
    body = {"query": ME, "access_token": forge.honest, "extensions": {"token": forge.honest}}
    for url, headers in (
        (f"/graphql?access_token={forge.honest}", {}),
        ("/graphql", {"Cookie": f"access_token={forge.honest}; token={forge.honest}"}),
        ("/graphql", {"X-Authorization": f"Bearer {forge.honest}"}),
        ("/graphql", {"Proxy-Authorization": f"Bearer {forge.honest}"}),
    ):
        answer = await client.http.post(url, json=body, headers=headers)
        assert reason_of(answer.json()) == "ACCESS_TOKEN_MISSING"


async def test_a_refresh_token_opens_no_field(forge: Forge, client: GraphQLClient) -> None:
    """The refresh token is refused in the place of an access token, also dressed up as one."""
    assert client.refresh_token is not None
    await refused(client, "ACCESS_TOKEN_INVALID", Authorization=f"Bearer {client.refresh_token}")
    dressed_up = forge.hmac_token(
        forge.refresh_key, {"alg": "HS256", "kid": "r1", "typ": "at+jwt"}, forge.claims
    )
    await refused(client, "ACCESS_TOKEN_INVALID", Authorization=f"Bearer {dressed_up}")


async def test_an_access_token_refreshes_nothing(forge: Forge, client: GraphQLClient) -> None:
    """The access token is refused in the place of the refresh token, also dressed up as one."""
    times = {name: forge.claims[name] for name in ("sid", "gen", "iat", "exp")}
    header = {"alg": "HS256", "kid": "r1", "typ": "refresh+jwt"}
    good = forge.hmac_token(forge.refresh_key, header, times)
    for token in (
        forge.honest,
        forge.token({"typ": "refresh+jwt"}),
        forge.token({"typ": "refresh+jwt", "kid": "r1"}),
        forge.hmac_token(forge.refresh_key, {**header, "typ": "at+jwt"}, times),
        forge.hmac_token(forge.refresh_key, {**header, "typ": "JWT"}, times),
        forge.hmac_token(forge.refresh_key, {**header, "kid": forge.ring.kid}, times),
        forge.hmac_token(forge.refresh_key, {**header, "alg": "HS512"}, times),
        forge.hmac_token(SECRET.encode(), header, times),
        _unsigned(forge, "none"),
    ):
        client.cookies = {"refresh_token": token}
        answer = await client.refresh()
        assert (answer["__typename"], answer["reason"]) == ("RefreshTokenRejected", "INVALID")
        assert "set-cookie" not in client.last.headers
    client.cookies = {"refresh_token": good}
    assert (await client.refresh())["__typename"] == "AuthPayload"


async def test_a_token_of_another_server_is_refused(
    forge: Forge, client: GraphQLClient, clock: SettableClock, tmp_path: Path
) -> None:
    """Another server's token is refused, even one of the same name and the same secret."""
    twin = Settings(data_dir=tmp_path / "twin", secret=SECRET, bcrypt_cost=10)
    (tmp_path / "twin").mkdir()
    migrate(twin)
    other = GraphQLAuth(twin, clock=clock)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(other.running())
        http = await stack.enter_async_context(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(create_app(other)), base_url=twin.public_url
            )
        )
        stranger = GraphQLClient(http)
        token = (await stranger.signup())["accessToken"]
        assert (await stranger.me())["data"]["me"]["email"] == "ada@example.com"
    assert claims_of(token)["iss"] == forge.claims["iss"]
    await refused(client, "ACCESS_TOKEN_INVALID", Authorization=f"Bearer {token}")


async def test_a_retired_key_verifies_no_more(
    forge: Forge, client: GraphQLClient, auth: GraphQLAuth
) -> None:
    """A rotated key goes on verifying until it is retired; its tokens end with that."""
    await _with_keys(auth, lambda keys: keys.rotate(force=True))
    await accepted(client, forge.honest)
    fresh = (await client.refresh())["accessToken"]
    client.access_token = None
    assert header_of(fresh)["kid"] != forge.ring.kid
    await _with_keys(
        auth,
        lambda keys: keys.retire(
            forge.ring.kid, access_token_ttl=timedelta(minutes=15), force=True
        ),
    )
    await refused(client, "ACCESS_TOKEN_INVALID", Authorization=f"Bearer {forge.honest}")
    await accepted(client, fresh)
    published = {key["kid"] for key in auth.system.jwks["keys"]}
    assert forge.ring.kid not in published


async def _with_keys(auth: GraphQLAuth, act: Callable[[Keys], Any]) -> None:
    async with auth.system.units.write() as unit:
        await act(unit.get(Keys))
    await auth.system.learn()


@pytest.mark.parametrize(
    "header",
    ["Bearer x.y.z", "Bearer ", "Basic YTpi", "garbage", "Bearer " + "A" * 100_000, "expired"],
)
async def test_a_stale_header_fails_no_public_operation(
    header: str, forge: Forge, client: GraphQLClient, clock: SettableClock
) -> None:
    """Clients attach what they have to every operation: where no caller is needed, nobody looks."""
    if header == "expired":
        clock.forward(hours=1)
        header = f"Bearer {forge.honest}"
    sent = {"Authorization": header}
    assert (await client.refresh(**sent))["__typename"] == "AuthPayload"
    login = {"input": {"email": "ada@example.com", "password": PASSWORD}}
    assert (await client.field(LOGIN, login, **sent))["__typename"] == "AuthPayload"
    wrong = {"input": {"email": "ada@example.com", "password": "wrong password"}}
    assert (await client.field(LOGIN, wrong, **sent))["__typename"] == "InvalidCredentials"
    assert (await client.signup("bob@example.com"))["__typename"] == "AuthPayload"
    assert await client.field("{ __typename }", **sent) == "Query"
    ended = await client.field("mutation { logout { sessionEnded } }", **sent)
    assert ended == {"sessionEnded": True}


async def test_a_public_field_is_served_beside_a_refused_one(
    forge: Forge, client: GraphQLClient
) -> None:
    """Of two fields the protected one is refused and takes the data with it only by its type."""
    query = "{ __typename sessions { id } }"
    answer = await client.post(query, token="x.y.z")
    assert reason_of(answer) == "ACCESS_TOKEN_INVALID"
    assert answer["data"] is None


PROTECTED = {
    "me": "{ me { id } }",
    "sessions": "{ sessions { id } }",
    "changePassword": 'mutation { changePassword(input: {currentPassword: "correct horse battery"'
    ', newPassword: "another horse battery"}) { __typename } }',
    "revokeSession": 'mutation { revokeSession(id: "x") { __typename } }',
    "revokeOtherSessions": "mutation { revokeOtherSessions { endedSessions } }",
}


@pytest.mark.parametrize("field", PROTECTED)
async def test_every_protected_field_looks_at_the_token(
    field: str, forge: Forge, client: GraphQLClient
) -> None:
    """Each protected field is refused with no token and with a forged one; nothing changes."""
    await client.login()
    client.access_token = None
    for token, reason in (
        (None, "ACCESS_TOKEN_MISSING"),
        (_unsigned(forge, "none"), "ACCESS_TOKEN_INVALID"),
    ):
        answer = await client.post(PROTECTED[field], token=token)
        assert reason_of(answer) == reason
        assert answer["data"] is None
    assert (await client.login())["__typename"] == "AuthPayload"


@pytest.fixture
async def running(
    request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock
) -> AsyncIterator[tuple[GraphQLAuth, GraphQLClient]]:
    """A server that signs with the algorithm given as the parameter."""
    settings = Settings(
        data_dir=tmp_path, secret=SECRET, bcrypt_cost=10, signing_algorithm=request.param
    )
    migrate(settings)
    auth = GraphQLAuth(settings, clock=clock)
    async with auth.running():
        transport = httpx.ASGITransport(create_app(auth))
        async with httpx.AsyncClient(transport=transport, base_url=settings.public_url) as http:
            yield auth, GraphQLClient(http)


@pytest.mark.parametrize("running", ["ES256", "EdDSA", "RS256", "HS256"], indirect=True)
async def test_each_signing_algorithm_works_and_is_pinned(
    running: tuple[GraphQLAuth, GraphQLClient], request: pytest.FixtureRequest
) -> None:
    """Sign-in works with each algorithm; the JWKS verifies its tokens, and holds no secret."""
    auth, client = running
    token = (await client.signup())["accessToken"]
    assert (await client.me())["data"]["me"]["email"] == "ada@example.com"
    ring = auth.system.part(KeyRings).ring
    assert header_of(token) == {"alg": ring.algorithm, "kid": ring.kid, "typ": "at+jwt"}
    assert f"[{ring.algorithm}]" in request.node.name

    published = (await client.http.get("/.well-known/jwks.json")).json()["keys"]
    if ring.algorithm == "HS256":
        assert published == []
    else:
        assert [key["alg"] for key in published] == [ring.algorithm] * 2
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {n for key in published for n in key}
        jwk = next(key for key in published if key["kid"] == ring.kid)
        claims = jwt.decode(
            token,
            jwt.PyJWK(jwk),
            algorithms=[ring.algorithm],
            audience=auth.settings.audience,
            issuer=auth.settings.issuer,
            options={"verify_exp": False, "verify_iat": False},
        )
        assert claims == claims_of(token)

    forge = Forge(auth, token)
    client.access_token = None
    await accepted(client, forge.token())
    public = "" if ring.algorithm == "HS256" else published[0]["kid"]
    for forged in (
        _unsigned(forge, "none"),
        forge.token({"alg": "HS512"}),
        forge.token({"alg": "RS256" if ring.algorithm != "RS256" else "PS256"}),
        forge.hmac_token(public.encode(), {**forge.header, "alg": "HS256"}, forge.claims),
    ):
        await refused(client, "ACCESS_TOKEN_INVALID", Authorization=f"Bearer {forged}")
