"""Another site's page cannot sign anybody in, out or refresh: refused before anything happens."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_auth.kernel.settings import Settings
from tests.attacks.browser import ask, cookies_of, counts, rows, serving
from tests.support import LOGIN, ME, PASSWORD, REFRESH, SECRET, SIGNUP, SettableClock, reason_of

OWN = "https://auth.example.com"
ALLOWED = "https://app.example.org"
JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
ADA = {"input": {"email": "ada@example.com", "password": PASSWORD}}
BOB = {"input": {"email": "bob@example.com", "password": PASSWORD}}
LOGOUT = "mutation { logout { sessionEnded } }"
FIELDS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "signup": (SIGNUP, BOB),
    "login": (LOGIN, ADA),
    "refreshToken": (REFRESH, None),
    "logout": (LOGOUT, None),
}
FOREIGN: dict[str, list[tuple[str, str]]] = {
    "foreign": [("Origin", "https://evil.example")],
    "null": [("Origin", "null")],
    "subdomain": [("Origin", "https://x.auth.example.com")],
    "parent-domain": [("Origin", "https://example.com")],
    "suffix": [("Origin", "https://auth.example.com.evil.example")],
    "prefix": [("Origin", "https://evil-auth.example.com")],
    "other-port": [("Origin", "https://auth.example.com:8443")],
    "default-port-spelled-out": [("Origin", "https://auth.example.com:443")],
    "other-scheme": [("Origin", "http://auth.example.com")],
    "upper-case": [("Origin", "HTTPS://AUTH.EXAMPLE.COM")],
    "trailing-slash": [("Origin", OWN + "/")],
    "trailing-dot": [("Origin", "https://auth.example.com.")],
    "path": [("Origin", OWN + "/graphql")],
    "user-info": [("Origin", "https://auth.example.com@evil.example")],
    "list": [("Origin", f"{OWN}, https://evil.example")],
    "space-separated": [("Origin", f"{OWN} https://evil.example")],
    "empty": [("Origin", "")],
    "star": [("Origin", "*")],
    "localhost": [("Origin", "http://localhost:8000")],
    "extension": [("Origin", "chrome-extension://abcdef")],
    "file": [("Origin", "file://")],
    "two-headers": [("Origin", OWN), ("Origin", "https://evil.example")],
    "two-headers-turned": [("Origin", "https://evil.example"), ("Origin", OWN)],
    "two-headers-alike": [("Origin", OWN), ("Origin", OWN)],
    "foreign-though-same-origin": [
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "same-origin"),
    ],
    "cross-site": [("Sec-Fetch-Site", "cross-site")],
    "same-site": [("Sec-Fetch-Site", "same-site")],
    "unknown-site": [("Sec-Fetch-Site", "anything")],
    "two-sites": [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
    "forged-host": [("Origin", "https://evil.example"), ("Host", "evil.example")],
    "forged-forwarded-host": [
        ("Origin", "https://evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "host=evil.example;proto=https"),
    ],
}
OWN_SITE: dict[str, list[tuple[str, str]]] = {
    "own-origin": [("Origin", OWN)],
    "allowed-origin": [("Origin", ALLOWED)],
    "allowed-origin-is-cross-site": [("Origin", ALLOWED), ("Sec-Fetch-Site", "cross-site")],
    "same-origin": [("Sec-Fetch-Site", "same-origin")],
    "typed-in": [("Sec-Fetch-Site", "none")],
    "no-browser": [],
    "own-origin-forged-host": [("Origin", OWN), ("Host", "evil.example")],
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A server behind https that allows one other origin."""
    return Settings(
        data_dir=tmp_path,
        secret=SECRET,
        bcrypt_cost=10,
        public_url=OWN,
        allowed_origins=(ALLOWED,),
    )


@pytest.fixture
async def http(settings: Settings, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    """The server's edge, with one account in it."""
    async with serving(settings, clock) as (_, http):
        yield http


async def _signed_up(http: httpx.AsyncClient) -> str:
    (line,) = cookies_of(await ask(http, SIGNUP, ADA))
    return line.split(";")[0]


async def _state(settings: Settings) -> Any:
    return await rows(
        settings,
        "SELECT id, generation, rotated_at, revoked_at FROM gql_auth_sessions ORDER BY id",
    ), await counts(settings)


@pytest.mark.parametrize("kind", FOREIGN)
async def test_another_sites_page_is_refused_and_nothing_happens(
    kind: str, http: httpx.AsyncClient, settings: Settings
) -> None:
    """Login, signup, refresh and logout from elsewhere answer 403 and leave no trace at all."""
    cookie = await _signed_up(http)
    before = await _state(settings)
    for query, variables in FIELDS.values():
        for accept in (JSON, GRAPHQL_RESPONSE):
            headers = [*FOREIGN[kind], ("Cookie", cookie), ("Accept", accept)]
            answer = await ask(http, query, variables, headers)
            assert answer.status_code == 403
            assert cookies_of(answer) == []
            (error,) = answer.json()["errors"]
            assert error["extensions"] == {"code": "FORBIDDEN", "reason": "CROSS_SITE_REQUEST"}
            assert not answer.json().get("data")
            assert "access-control-allow-origin" not in answer.headers
    assert await _state(settings) == before


@pytest.mark.parametrize("kind", OWN_SITE)
async def test_ones_own_pages_and_scripts_pass(kind: str, http: httpx.AsyncClient) -> None:
    """The server's own origin, an allowed one, and clients that are no browsers may sign in."""
    cookie = await _signed_up(http)
    for name, (query, variables) in FIELDS.items():
        answer = await ask(http, query, variables, [*OWN_SITE[kind], ("Cookie", cookie)])
        assert answer.status_code == 200, name
        assert "errors" not in answer.json()
        (line,) = cookies_of(answer)
        cookie = line.split(";")[0]


@pytest.mark.parametrize("kind", ["null", "foreign", "cross-site"])
async def test_a_fragment_or_an_alias_is_no_way_round(
    kind: str, http: httpx.AsyncClient, settings: Settings
) -> None:
    """The check stands before each field, however the document spells it."""
    cookie = await _signed_up(http)
    before = await _state(settings)
    for document in (
        "mutation { a: logout { sessionEnded } b: logout { sessionEnded } }",
        "mutation { ...F } fragment F on Mutation { logout { sessionEnded } }",
        "mutation { ... on Mutation { x: refreshToken { __typename } } }",
        "mutation { ... @include(if: true) { logout { sessionEnded } } }",
    ):
        answer = await ask(http, document, None, [*FOREIGN[kind], ("Cookie", cookie)])
        assert answer.status_code == 403
        assert cookies_of(answer) == []
    assert await _state(settings) == before


async def test_a_foreign_page_may_ask_what_needs_no_cookie(http: httpx.AsyncClient) -> None:
    """The check guards the cookie alone: a bearer token speaks for itself, from anywhere."""
    token = (await ask(http, SIGNUP, ADA)).json()["data"]["signup"]["accessToken"]
    headers = [("Origin", "https://evil.example"), ("Authorization", f"Bearer {token}")]
    answer = await ask(http, ME, None, headers)
    assert answer.json()["data"]["me"]["email"] == "ada@example.com"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"]
)
async def test_on_loopback_every_spelling_of_this_machine_is_its_own_site(
    origin: str, tmp_path: Path
) -> None:
    """Whichever address a person types for this machine, signing in works."""
    settings = Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10)
    async with serving(settings) as (_, http):
        assert (await ask(http, SIGNUP, ADA, {"Origin": origin})).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:8001",
        "https://localhost:8000",
        "http://localhost:8000.evil.example",
        "http://app.localhost:8000",
        "http://127.0.0.2:8000",
        "http://127.1:8000",
        "http://0.0.0.0:8000",
        "null",
    ],
)
async def test_on_loopback_other_ports_and_hosts_are_other_sites(
    origin: str, tmp_path: Path
) -> None:
    """Another server on this machine is another site."""
    settings = Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10)
    async with serving(settings) as (_, http):
        assert (await ask(http, SIGNUP, ADA, {"Origin": origin})).status_code == 403
    assert await counts(settings) == dict.fromkeys(await counts(settings), 0)


# -- CORS ------------------------------------------------------------------------------------


async def test_an_allowed_origin_reads_the_answer_with_credentials(
    http: httpx.AsyncClient,
) -> None:
    """The allowed origin is named exactly, with credentials, and caches are told to tell apart."""
    answer = await ask(http, SIGNUP, ADA, {"Origin": ALLOWED})
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in answer.headers["vary"]
    refused = await ask(http, ME, None, {"Origin": ALLOWED, "Accept": GRAPHQL_RESPONSE})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ALLOWED
    exposed = refused.headers["access-control-expose-headers"].lower()
    assert "www-authenticate" in exposed
    assert "retry-after" in exposed


def _preflight(**more: str) -> dict[str, str]:
    return {
        "Origin": ALLOWED,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    } | {name.replace("_", "-"): value for name, value in more.items()}


async def test_an_allowed_origins_preflight_passes(http: httpx.AsyncClient) -> None:
    """The preflight of an allowed origin is answered for POST with the headers clients send."""
    answer = await http.options("/graphql", headers=_preflight())
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert answer.headers["access-control-allow-credentials"] == "true"
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed
    assert "*" not in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    "changed",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ALLOWED + ".evil.example"},
        {"Access-Control-Request-Method": "DELETE"},
        {"Access-Control-Request-Headers": "x-anything"},
        {"Access-Control-Request-Headers": "x-refresh-transport"},
    ],
)
async def test_other_preflights_fail(changed: dict[str, str], http: httpx.AsyncClient) -> None:
    """Other origins, methods and headers get no permission from a preflight."""
    answer = await http.options("/graphql", headers=_preflight() | changed)
    assert answer.status_code == 400
    assert answer.headers.get("access-control-allow-origin") in {None, ALLOWED}
    if "Origin" in changed:
        assert "access-control-allow-origin" not in answer.headers


async def test_without_allowed_origins_there_is_no_cors(tmp_path: Path) -> None:
    """By default no page of another origin may read anything."""
    settings = Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10, public_url=OWN)
    async with serving(settings) as (_, http):
        for answer in (
            await http.options("/graphql", headers=_preflight()),
            await ask(http, "{ __typename }", None, {"Origin": ALLOWED}),
            await ask(http, "{ __typename }", None, {"Origin": OWN}),
            await http.get("/.well-known/jwks.json", headers={"Origin": ALLOWED}),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control")]


# -- What a form or an image can send --------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/plain; application/json",
        "text/plain;charset=application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/json-patch+json",
        "application/jsonp",
        "xapplication/json",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
        "application/octet-stream",
        "*/*",
    ],
)
async def test_only_json_is_a_body(
    content_type: str | None, http: httpx.AsyncClient, settings: Settings
) -> None:
    """What a page can send anywhere without a preflight is refused unread (ASVS 3.5.2)."""
    cookie = await _signed_up(http)
    before = await _state(settings)
    body = b'{"query": "mutation { logout { sessionEnded } }"}'
    headers = {"Cookie": cookie} | ({} if content_type is None else {"Content-Type": content_type})
    answer = await http.post("/graphql", content=body, headers=headers)
    assert answer.status_code == 415
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert cookies_of(answer) == []
    assert await _state(settings) == before


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "APPLICATION/JSON", "application/json;charset=utf-8",
     'application/json ; charset="UTF-8"'],
)  # fmt: skip
async def test_json_in_any_spelling_is_a_body(content_type: str, http: httpx.AsyncClient) -> None:
    """The media type compares as RFC 9110 says."""
    answer = await http.post(
        "/graphql", content=b'{"query": "{ __typename }"}', headers={"Content-Type": content_type}
    )
    assert answer.json() == {"data": {"__typename": "Query"}}


async def test_two_content_types_are_none(http: httpx.AsyncClient) -> None:
    """Of two content types a proxy may have believed the other one."""
    answer = await http.post(
        "/graphql",
        content=b'{"query": "{ __typename }"}',
        headers=[("Content-Type", "application/json"), ("Content-Type", "text/plain")],
    )
    assert answer.status_code == 415


@pytest.mark.parametrize("field", FIELDS)
async def test_get_runs_no_mutation(
    field: str, http: httpx.AsyncClient, settings: Settings
) -> None:
    """A link or an image cannot change anything: GET answers 405 and names POST."""
    cookie = await _signed_up(http)
    before = await _state(settings)
    mutation = FIELDS[field][0].replace("mutation", "mutation M", 1)
    answer = await http.get(
        "/graphql",
        params={
            "query": f"query Q {{ __typename }} {mutation}",
            "operationName": "M",
            "variables": httpx.Response(200, json=FIELDS[field][1] or {}).text,
        },
        headers={"Cookie": cookie, "Accept": JSON, "Sec-Fetch-Site": "none"},
    )
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert cookies_of(answer) == []
    assert await _state(settings) == before


# -- Host ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:1", "", "a b", "[::1", "x" * 5000])
async def test_the_host_header_decides_nothing(host: str, http: httpx.AsyncClient) -> None:
    """A forged Host shows in no answer, no token and no redirect."""
    for name in ("Host", "X-Forwarded-Host", "X-Original-Host"):
        sent = {name: host}
        answers = [
            await ask(http, LOGIN if host else SIGNUP, ADA, sent),
            await http.get("/graphql", headers=sent | {"Accept": "text/html"}),
            await http.get("/graphql/", headers=sent),
            await http.get("/healthz/", headers=sent),
            await http.get("/.well-known/jwks.json", headers=sent),
            await http.get("//evil.example", headers=sent),
        ]
        for answer in answers:
            assert "location" not in answer.headers
            assert answer.status_code in {200, 404}
            assert "evil.example" not in answer.text
            assert "domain" not in "".join(cookies_of(answer)).lower()


# -- WebSocket -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_sockets_handshake_from_another_site_is_refused(
    kind: str, settings: Settings
) -> None:
    """A socket carries cookies from any page: the handshake is refused before it is accepted."""
    async with serving(settings) as (_, http):
        sent = await _handshake(http, FOREIGN[kind])
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize("kind", OWN_SITE)
async def test_a_sockets_handshake_from_ones_own_site_is_accepted(
    kind: str, settings: Settings
) -> None:
    """The server's own pages, allowed ones and scripts open sockets."""
    async with serving(settings) as (_, http):
        sent = await _handshake(http, OWN_SITE[kind])
    assert sent[0]["type"] == "websocket.accept"
    assert sent[0]["subprotocol"] == "graphql-transport-ws"


async def test_the_legacy_socket_protocol_is_off(settings: Settings) -> None:
    """The protocol `graphql-ws` of old, with its own flaws, is not spoken."""
    async with serving(settings) as (_, http):
        sent = await _handshake(http, [("Origin", OWN)], protocol="graphql-ws")
    assert sent[0].get("subprotocol") is None
    assert any(message["type"] == "websocket.close" for message in sent)


async def _handshake(
    http: httpx.AsyncClient, headers: list[tuple[str, str]], protocol: str = "graphql-transport-ws"
) -> list[dict[str, Any]]:
    """What the server says to a handshake, and to a client that leaves right after it."""
    said: list[dict[str, Any]] = []
    incoming = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        said.append(message)

    transport: Any = http._transport
    scope = {
        "type": "websocket",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "scheme": "wss",
        "server": ("auth.example.com", 443),
        "client": ("127.0.0.1", 1),
        "subprotocols": [protocol],
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }
    await transport.app(scope, receive, send)
    return said


async def test_reason_is_told_apart_from_a_missing_token(http: httpx.AsyncClient) -> None:
    """A front end sees that its origin lacks permission, and not that somebody is signed out."""
    answer = await ask(http, LOGIN, ADA, {"Origin": "https://evil.example"})
    assert reason_of(answer.json()) == "CROSS_SITE_REQUEST"
    assert "GQL_AUTH_ALLOWED_ORIGINS" in answer.json()["errors"][0]["message"]
