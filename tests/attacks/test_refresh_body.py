"""Refresh tokens in bodies, for clients without a cookie jar: no page of any site gets one, and a
session keeps the way that it was born with.

That the rotation is the same is shown by `test_thief.py`, which runs in both ways, and that no
log holds such a token by `test_secrets.py`.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_auth.app import GraphQLAuth
from gql_auth.kernel.parsing import Rate
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Transport
from gql_auth.storage.migrate import migrate
from tests.attacks.browser import ask, cookies_of, counts, rows, serving
from tests.attacks.forge import Forge, b64, claims_of, header_of
from tests.support import (
    LOGIN,
    PASSWORD,
    REFRESH,
    SECRET,
    SIGNUP,
    BodyClient,
    GraphQLClient,
    SettableClock,
    reason_of,
)

ALLOWED = "https://app.example.com"
OWN = "http://localhost:8000"
ASKS = {"X-Refresh-Transport": "body"}
REFRESH_BY = REFRESH.replace("mutation", "mutation($token: String)").replace(
    "refreshToken {", "refreshToken(token: $token) {", 1
)
LOGOUT_BY = "mutation($token: String) { logout(token: $token) { sessionEnded } }"
NEW = {"input": {"email": "bob@example.com", "password": PASSWORD}}
OLD = {"input": {"email": "ada@example.com", "password": PASSWORD}}
FIELDS: dict[str, Callable[[str | None], tuple[str, dict[str, Any]]]] = {
    "signup": lambda _: (SIGNUP, NEW),
    "login": lambda _: (LOGIN, OLD),
    "refreshToken": lambda token: (REFRESH_BY, {"token": token}),
    "logout": lambda token: (LOGOUT_BY, {"token": token}),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Both ways are open; the database makes no difference."""
    made = Settings(
        data_dir=tmp_path,
        secret=SECRET,
        bcrypt_cost=10,
        allowed_origins=(ALLOWED,),
        refresh_transports=(Transport.COOKIE, Transport.BODY),
    )
    migrate(made)
    return made


@pytest.fixture
async def phone(client: GraphQLClient) -> BodyClient:
    """A client without a cookie jar, signed in."""
    made = BodyClient(client.http)
    await made.signup("phone@example.com")
    return made


@pytest.fixture
async def browser(client: GraphQLClient) -> GraphQLClient:
    """A browser, signed in."""
    await client.signup()
    return client


async def state(settings: Settings) -> Any:
    """All that a refused request must leave as it is."""
    sessions = "SELECT id, generation, confirmed, revoked_at FROM gql_auth_sessions ORDER BY id"
    return await counts(settings), await rows(settings, sessions)


async def test_a_life_without_a_cookie(phone: BodyClient, clock: SettableClock) -> None:
    """Signing up and in and refreshing hand the token out in the body, and never set a cookie
    (the client looks at each answer); signing out ends the session and its access token."""
    seen = [phone.refresh_token]
    await phone.login(email="phone@example.com")
    seen.append(phone.refresh_token)
    for _ in range(3):
        clock.forward(minutes=10)
        assert (await phone.refresh())["user"]["email"] == "phone@example.com"
        seen.append(phone.refresh_token)
        assert "data" in await phone.me()
    assert len(set(seen)) == len(seen) == 5
    assert await phone.field("mutation { logout { sessionEnded } }") == {"sessionEnded": True}
    assert reason_of(await phone.me()) == "SESSION_REVOKED"
    assert (await phone.refresh())["reason"] == "REVOKED"
    assert (await phone.refresh())["reason"] == "MISSING"


BROWSERS = {
    "own-origin": {"Origin": OWN},
    "allowed-origin": {"Origin": ALLOWED},
    "null-origin": {"Origin": "null"},
    "other-site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "same-origin": {"Sec-Fetch-Site": "same-origin"},
    "typed": {"Sec-Fetch-Site": "none"},
    "other-header": {"Sec-Fetch-Dest": "empty"},
}


@pytest.mark.parametrize("kind", BROWSERS)
async def test_a_page_gets_no_token_in_the_body(
    kind: str, phone: BodyClient, browser: GraphQLClient, settings: Settings
) -> None:
    """Whatever tells of a browser closes this way, for its own pages and allowed ones too, be the
    token another's that the script brought along; and nothing happens."""
    before = await state(settings)
    for field in FIELDS.values():
        answer = await ask(phone.http, *field(phone.refresh_token), BROWSERS[kind] | ASKS)
        assert reason_of(answer.json()) == "REFRESH_TRANSPORT_NOT_FOR_BROWSERS"
        assert answer.json()["data"] is None
        assert cookies_of(answer) == []
    assert await state(settings) == before


async def test_nodes_fetch_is_no_browser(phone: BodyClient) -> None:
    """Node says how it fetches and nothing else that browsers say."""
    assert (await phone.refresh(Sec_Fetch_Mode="cors"))["__typename"] == "AuthPayload"


async def test_a_script_in_the_page_gets_nothing_for_the_cookie(
    browser: GraphQLClient, settings: Settings
) -> None:
    """A script that got into the page asks for the body, with the cookie that the browser adds:
    refused by what browsers send, and by the cookie alone where a proxy took that away. The
    browser's session goes on."""
    before = await state(settings)
    cookie = {"Cookie": f"refresh_token={browser.refresh_token}"}
    stripped = (cookie | ASKS, "REFRESH_TRANSPORT_MIXED")
    honest = (cookie | ASKS | {"Origin": OWN}, "REFRESH_TRANSPORT_NOT_FOR_BROWSERS")
    for field, (sent, reason) in product(FIELDS.values(), (honest, stripped)):
        answer = await ask(browser.http, *field(None), sent)
        assert reason_of(answer.json()) == reason
        assert str(browser.refresh_token) not in answer.text
        assert cookies_of(answer) == []
    assert await state(settings) == before
    assert (await browser.refresh())["__typename"] == "AuthPayload"


async def test_a_cookies_session_never_comes_in_the_body(
    phone: BodyClient, browser: GraphQLClient, settings: Settings
) -> None:
    """A token that got out of a browser's jar is INVALID as an argument: it neither refreshes
    nor ends its session, and the browser goes on."""
    before = await state(settings)
    phone.cookies = dict(browser.cookies)
    assert (await phone.refresh())["reason"] == "INVALID"
    assert await phone.field("mutation { logout { sessionEnded } }") == {"sessionEnded": False}
    assert await state(settings) == before
    assert (await browser.refresh())["__typename"] == "AuthPayload"


async def test_a_bodys_session_never_comes_in_a_cookie(
    phone: BodyClient, browser: GraphQLClient, settings: Settings
) -> None:
    """The other way round too; signing in over such a cookie ends no session either."""
    browser.cookies = {"refresh_token": str(phone.refresh_token)}
    before = await state(settings)
    assert (await browser.refresh())["reason"] == "INVALID"
    assert await browser.field("mutation { logout { sessionEnded } }") == {"sessionEnded": False}
    assert await state(settings) == before
    browser.cookies = {"refresh_token": str(phone.refresh_token)}
    await browser.login()
    assert (await phone.refresh())["__typename"] == "AuthPayload"


@pytest.mark.parametrize("field", ["refreshToken", "logout"])
@pytest.mark.parametrize("cookie", [True, False])
async def test_a_token_without_the_header_is_refused(
    field: str, cookie: bool, phone: BodyClient, browser: GraphQLClient, settings: Settings
) -> None:
    """Cookie and token together, or a token alone: a request goes one way, and says which."""
    before = await state(settings)
    query, variables = FIELDS[field](phone.refresh_token)
    sent = {"Cookie": f"refresh_token={browser.refresh_token}"} if cookie else {}
    answer = await ask(phone.http, query, variables, sent)
    assert reason_of(answer.json()) == "REFRESH_TRANSPORT_MIXED"
    assert cookies_of(answer) == []
    assert await state(settings) == before


async def test_two_fields_of_one_request_do_not_mix(
    phone: BodyClient, browser: GraphQLClient, settings: Settings
) -> None:
    """An operation that refreshes by the cookie gets no further with a token beside it."""
    document = """mutation($token: String) {
      mine: refreshToken { ... on AuthPayload { refreshToken } }
      other: refreshToken(token: $token) { ... on AuthPayload { refreshToken } }
    }"""
    answer = await ask(
        browser.http,
        document,
        {"token": phone.refresh_token},
        {"Cookie": f"refresh_token={browser.refresh_token}"},
    )
    assert reason_of(answer.json()) == "REFRESH_TRANSPORT_MIXED"
    found = await rows(settings, "SELECT generation FROM gql_auth_sessions")
    assert sorted(found) == [(0,), (1,)]


async def test_one_request_may_refresh_two_sessions(phone: BodyClient) -> None:
    """Each argument is a session of its own: a back end refreshes for several of its users."""
    other = BodyClient(phone.http)
    await other.signup("tablet@example.com")
    document = """mutation($a: String, $b: String) {
      a: refreshToken(token: $a) { ... on AuthPayload { refreshToken user { email } } }
      b: refreshToken(token: $b) { ... on AuthPayload { refreshToken user { email } } }
    }"""
    variables = {"a": phone.refresh_token, "b": other.refresh_token}
    data = (await ask(phone.http, document, variables, ASKS)).json()["data"]
    assert data["a"]["user"] == {"email": "phone@example.com"}
    assert data["b"]["user"] == {"email": "tablet@example.com"}
    assert data["a"]["refreshToken"] != data["b"]["refreshToken"]


async def test_by_default_only_the_cookie_travels(tmp_path: Path, clock: SettableClock) -> None:
    """Unless the operator opens it, no client gets a token in the body, and the argument is
    refused by its name."""
    settings = Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10)
    async with serving(settings, clock) as (_, http):
        signed_up = await ask(http, SIGNUP, OLD)
        assert signed_up.json()["data"]["signup"]["refreshToken"] is None
        token = cookies_of(signed_up)[0].partition(";")[0].partition("=")[2]
        before = await state(settings)
        words: list[dict[str, str]] = [
            {"X-Refresh-Transport": word}
            for word in ("body", "header", "body, cookie", "cookie;body", "*")
        ]
        asked = [(*field(token), word) for field in FIELDS.values() for word in words]
        asked += [(*FIELDS[name](token), {}) for name in ("refreshToken", "logout")]
        for query, variables, sent in asked:
            answer = await ask(http, query, variables, sent)
            assert reason_of(answer.json()) == "REFRESH_TRANSPORT_NOT_ALLOWED"
            assert "GQL_AUTH_REFRESH_TRANSPORTS" in answer.json()["errors"][0]["message"]
            assert cookies_of(answer) == []
        assert await state(settings) == before


async def test_the_cookie_can_be_closed_too(tmp_path: Path, clock: SettableClock) -> None:
    """A server for phones alone sets and reads no cookie."""
    only_body = (Transport.BODY,)
    settings = Settings(
        data_dir=tmp_path, secret=SECRET, bcrypt_cost=10, refresh_transports=only_body
    )
    async with serving(settings, clock) as (_, http):
        asked = ({}, {"X-Refresh-Transport": "cookie"}, {"Cookie": "refresh_token=x"})
        for field, sent in product(FIELDS.values(), asked):
            answer = await ask(http, *field(None), sent)
            assert reason_of(answer.json()) == "REFRESH_TRANSPORT_NOT_ALLOWED"
            assert cookies_of(answer) == []


@pytest.fixture
def forge(auth: GraphQLAuth, phone: BodyClient) -> Forge:
    return Forge(auth, str(phone.access_token))


async def test_the_way_is_said_in_one_manner(
    phone: BodyClient, browser: GraphQLClient, forge: Forge
) -> None:
    """A token that says its way in another manner than ours is INVALID both ways, even with our
    signature."""
    token = str(phone.refresh_token)
    for said in ("cookie", "", "BODY", None, True, ["body"], {"body": 1}):
        claims = claims_of(token) | {"via": said}
        forged = forge.hmac_token(forge.refresh_key, header_of(token), claims)
        for client in (phone, browser):
            client.cookies = {"refresh_token": forged}
            assert (await client.refresh())["reason"] == "INVALID"


@pytest.mark.parametrize("into", ["body", None])
async def test_the_way_is_signed(
    into: str | None, phone: BodyClient, browser: GraphQLClient
) -> None:
    """Nobody turns a cookie's token into a body's, or back, without our key."""
    source, target = (browser, phone) if into else (phone, browser)
    head, payload, signature = str(source.refresh_token).split(".")
    claims = claims_of(f"{head}.{payload}.{signature}")
    changed = claims | {"via": into} if into else {k: v for k, v in claims.items() if k != "via"}
    assert changed != claims
    target.cookies = {"refresh_token": f"{head}.{b64(changed)}.{signature}"}
    assert (await target.refresh())["reason"] == "INVALID"


async def test_the_way_of_a_cookie_is_unsaid(browser: GraphQLClient, phone: BodyClient) -> None:
    """Cookies issued by the release before stay good, as theirs do not say a way."""
    assert "via" not in claims_of(str(browser.refresh_token))
    assert claims_of(str(phone.refresh_token))["via"] == "body"


async def test_refreshes_are_throttled_alike(tmp_path: Path, clock: SettableClock) -> None:
    """The bucket of a session is the same, whichever way its token comes; the token is kept."""
    settings = Settings(
        data_dir=tmp_path,
        secret=SECRET,
        bcrypt_cost=10,
        refresh_transports=(Transport.BODY,),
        throttle_refresh_session=Rate(2, timedelta(minutes=1)),
    )
    async with serving(settings, clock) as (_, http):
        phone = BodyClient(http)
        await phone.signup()
        found = [(await phone.refresh())["__typename"] for _ in range(4)]
        assert "TooManyAttempts" in found
        clock.forward(minutes=1)
        assert (await phone.refresh())["__typename"] == "AuthPayload"


async def test_a_get_takes_no_token(phone: BodyClient) -> None:
    """Nothing that could lead to a token in a URL, and so in a proxy's log, is answered."""
    answer = await phone.http.get(
        "/graphql",
        params={"query": REFRESH_BY, "variables": f'{{"token": "{phone.refresh_token}"}}'},
        headers=ASKS,
    )
    assert answer.status_code == httpx.codes.METHOD_NOT_ALLOWED
    assert (await phone.refresh())["__typename"] == "AuthPayload"
