"""Closed by default: nothing is served that was not asked for, and no answer says too much."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gql_auth.kernel.settings import Settings
from tests.attacks.browser import ask, rows, serving
from tests.support import ME, PASSWORD, SECRET, SIGNUP

OWN = "https://auth.example.com"
ALLOWED = "https://app.example.org"
PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
ADA = {"input": {"email": "ada@example.com", "password": PASSWORD}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A server behind https that allows one other origin; one for all, as no answer depends on
    another."""
    folder = tmp_path_factory.mktemp("server")
    settings = Settings(
        data_dir=folder, secret=SECRET, bcrypt_cost=10, public_url=OWN, allowed_origins=(ALLOWED,)
    )
    async with serving(settings) as (_, made):
        yield made


ABSENT = [
    "/", "/docs", "/docs/", "/redoc", "/openapi.json", "/metrics", "/docs/oauth2-redirect",
    "/graphql/", "/graphql/x", "/GraphQL", "/graphiql", "/playground", "/altair", "/voyager",
    "/admin", "/.env", "/.git/config", "/.well-known/", "/.well-known/openid-configuration",
    "/.well-known/jwks.json/", "/healthz/", "/readyz/x", "/static/page.css", "/favicon.ico",
    "/robots.txt", "/server-status", "/debug", "/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd",
    "/graphql%00", "/graphql;x", "//graphql", "/schema.graphql", "/subscriptions",
]  # fmt: skip


@pytest.mark.parametrize("path", ABSENT)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_not_there_is_not_found(
    path: str, method: str, http: httpx.AsyncClient
) -> None:
    """Documentation pages, metrics and whatever scanners try answer 404, and redirect nowhere."""
    answer = await http.request(method, path, headers=PAGE)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert "location" not in answer.headers
    is_closed(answer)


METHODS = ["PUT", "DELETE", "PATCH", "OPTIONS"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/graphql", "GET, POST"),
        ("/healthz", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
        ("/.well-known/jwks.json", "GET, HEAD"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_other_methods_are_not_allowed(
    method: str, path: str, allowed: str, http: httpx.AsyncClient
) -> None:
    """Each path answers its own methods; others are told which."""
    answer = await http.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.json()["errors"][0]["extensions"]["code"]
    is_closed(answer)


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "BREW", "GETX"])
@pytest.mark.parametrize("path", ["/graphql", "/healthz", "/.well-known/jwks.json", "/nothing"])
@pytest.mark.asyncio(loop_scope="module")
async def test_methods_of_no_use_here(method: str, path: str, http: httpx.AsyncClient) -> None:
    """TRACE and what no client of ours sends is refused, and nothing of the request comes back."""
    answer = await http.request(
        method,
        path,
        headers={"Cookie": "refresh_token=echo-me", "Content-Type": "application/json"},
        content=b'{"query": "{ __typename }", "x": "echo-me"}',
    )
    assert answer.status_code in {404, 405, 501}
    assert "echo-me" not in answer.text
    assert "data" not in answer.json()
    assert answer.json()["errors"][0]["extensions"]["code"]
    is_closed(answer)


@pytest.mark.asyncio(loop_scope="module")
async def test_head(http: httpx.AsyncClient) -> None:
    """HEAD is for probes: it asks what is alive, and runs no operation."""
    for path, status in (("/healthz", 200), ("/.well-known/jwks.json", 200), ("/graphql", 405)):
        answer = await http.head(path, params={"query": "{ __typename }"})
        assert answer.status_code == status
        is_closed(answer)


def is_closed(answer: httpx.Response, *, https: bool = True) -> None:
    """The headers that every answer has, and those that none has."""
    headers = answer.headers
    assert headers.get_list("cache-control") in (["no-store"], ["private, no-store"])
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert headers.get_list("referrer-policy") == ["no-referrer"]
    assert headers.get_list("x-frame-options") == ["DENY"]
    assert headers.get_list("cross-origin-opener-policy") == ["same-origin"]
    (policy,) = headers.get_list("content-security-policy")
    directives = [each.strip() for each in policy.split(";")]
    assert "frame-ancestors 'none'" in directives
    assert "base-uri 'none'" in directives
    assert "default-src 'none'" in directives
    assert ("strict-transport-security" in headers) == https
    assert not {"server", "x-powered-by", "via", "etag", "x-process-time"} & set(headers)
    assert not re.search(
        r"(uvicorn|starlette|fastapi|strawberry|python)[/ ]?\d", str(headers), re.IGNORECASE
    )


@pytest.mark.asyncio(loop_scope="module")
async def test_every_kind_of_answer_has_the_headers(http: httpx.AsyncClient) -> None:
    """Data, refusals, errors, pages, preflights, keys: all are kept nowhere and framed nowhere."""
    json = {"Content-Type": "application/json"}
    preflight = {"Origin": ALLOWED, "Access-Control-Request-Method": "POST"}
    asked = [
        (200, http.get("/graphql", headers=PAGE)),
        (200, http.get("/graphql", params={"query": "{ __typename }"})),
        (400, http.get("/graphql")),
        (405, http.get("/graphql", params={"query": "mutation { logout { sessionEnded } }"})),
        (200, ask(http, SIGNUP, ADA)),
        (200, ask(http, SIGNUP, ADA, {"Origin": ALLOWED})),
        (401, ask(http, ME, None, {"Accept": "application/graphql-response+json"})),
        (403, ask(http, SIGNUP, ADA, {"Origin": "https://evil.example"})),
        (406, ask(http, ME, None, {"Accept": "image/png"})),
        (400, http.post("/graphql", content=b"{", headers=json)),
        (413, http.post("/graphql", content=b" " * 1_000_001, headers=json)),
        (415, http.post("/graphql", content=b"{}")),
        (200, http.options("/graphql", headers=preflight)),
        (400, http.options("/graphql", headers=preflight | {"Origin": "https://evil.example"})),
        (200, http.get("/.well-known/jwks.json")),
        (200, http.get("/healthz")),
        (200, http.get("/readyz")),
        (404, http.get("/nothing")),
    ]
    for status, coming in asked:
        answer = await coming
        assert answer.status_code == status, answer.text
        is_closed(answer)


async def test_an_internal_error_has_the_headers_too(tmp_path: Path) -> None:
    """The answer to a defect, and of a database that is gone, is as closed as any."""
    settings = Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10)
    async with serving(settings) as (auth, http):
        await auth.system._tasks.stop([])  # they would make the file anew
        (tmp_path / "gql_auth.sqlite3").unlink()
        await auth.system.database.close()
        (tmp_path / "gql_auth.sqlite3").mkdir()
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert answer.headers["retry-after"] == "1"
        assert "sqlite" not in answer.text
        is_closed(answer, https=False)
        answer = await ask(http, SIGNUP, ADA)
        is_closed(answer, https=False)
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert "sqlite" not in answer.text.lower()
        assert str(tmp_path) not in answer.text
        assert (await http.get("/healthz")).status_code == 200


async def test_on_plain_http_nothing_promises_https(tmp_path: Path) -> None:
    """HSTS is sent where the server is reached by https, and never on loopback."""
    async with serving(Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10)) as (_, http):
        is_closed(await http.get("/healthz"), https=False)


FORWARDED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Real-IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9",
    "CF-Connecting-IP": "203.0.113.9",
    "True-Client-IP": "203.0.113.9",
    "X-Client-IP": "203.0.113.9",
}


@pytest.mark.parametrize("header", FORWARDED)
async def test_no_header_changes_the_recorded_address(header: str, tmp_path: Path) -> None:
    """Sessions and events record the connection's own address, whatever a header claims."""
    settings = Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10)
    async with serving(settings) as (_, http):
        sent = {header: FORWARDED[header]}
        token = (await ask(http, SIGNUP, ADA, sent)).json()["data"]["signup"]["accessToken"]
        answer = await ask(
            http,
            "{ sessions { ipAddress } }",
            None,
            sent | {"Authorization": f"Bearer {token}"},
        )
        assert answer.json()["data"]["sessions"] == [{"ipAddress": "127.0.0.1"}]
    for table in ("sessions", "events"):
        assert await rows(settings, f"SELECT ip_address FROM gql_auth_{table}") == [("127.0.0.1",)]


# -- The explorer's page ---------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="module")
async def test_a_browser_gets_the_explorer(http: httpx.AsyncClient) -> None:
    """A browser that types the address gets a page; clients that want data never do."""
    page = await http.get("/graphql", headers=PAGE)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "Accept" in page.headers["vary"]
    for accept in ("application/json", "*/*", "application/json, text/html;q=0.5", "text/html;q=0"):
        answer = await http.get(
            "/graphql", params={"query": "{ __typename }"}, headers={"Accept": accept}
        )
        if accept == "text/html;q=0":
            assert answer.status_code == 406
        else:
            assert answer.json() == {"data": {"__typename": "Query"}}


@pytest.mark.asyncio(loop_scope="module")
async def test_the_page_names_no_other_host(http: httpx.AsyncClient) -> None:
    """No code, style, picture or font comes from another host: the page works offline."""
    text = (await http.get("/graphql", headers=PAGE)).text
    urls = set(re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}", text))
    elsewhere = {url for url in urls if not re.search(r"www\.w3\.org|example\.(com|org)", url)}
    assert elsewhere == set()
    assert not re.findall(
        r"<(?:script|img|iframe|link)[^>]*\b(?:src|href)=(?![\"']?(?:data:|#))", text
    )
    assert "@import" not in text
    assert "url(" not in text.replace("url(data:", "").replace("url(#", "")


@pytest.mark.asyncio(loop_scope="module")
async def test_the_pages_policy_allows_its_own_code_and_no_other(
    http: httpx.AsyncClient,
) -> None:
    """Exactly the one script and the one style run, by their hashes; nothing inline, no eval."""
    page = await http.get("/graphql", headers=PAGE)
    policy = {
        name: values
        for name, *values in (
            directive.split() for directive in page.headers["content-security-policy"].split(";")
        )
    }
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.DOTALL)
    (style,) = re.findall(r"<style[^>]*>(.*?)</style>", page.text, re.DOTALL)
    assert policy["script-src"] == [_source(script)]
    assert policy["style-src"] == [_source(style)]
    assert policy["default-src"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]
    assert policy["base-uri"] == ["'none'"]
    assert policy["form-action"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert not re.search(r"unsafe|\*|https?:|strict-dynamic", str(policy))
    assert not re.findall(r"<[^>]+\son\w+=", page.text.replace(script, ""))
    assert not re.findall(r"<[^>]+\sstyle=", page.text.replace(script, ""))
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert sink not in script


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("query", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
@pytest.mark.asyncio(loop_scope="module")
async def test_the_page_repeats_nothing_of_the_request(query: str, http: httpx.AsyncClient) -> None:
    """The page is the same bytes for everybody: no part of a request is written into it."""
    plain = await http.get("/graphql", headers=PAGE)
    asked = await http.get(
        "/graphql",
        params={"query": query, "variables": query, "operationName": query},
        headers=PAGE | {"Cookie": f"refresh_token={query}", "Referer": query, "User-Agent": query},
    )
    assert asked.content == plain.content
    assert "set-cookie" not in asked.headers


@pytest.mark.parametrize("path", ["/<script>alert(1)</script>", "/graphql?query=<script>"])
@pytest.mark.asyncio(loop_scope="module")
async def test_errors_are_json_and_never_markup(path: str, http: httpx.AsyncClient) -> None:
    """An error that repeats input is JSON to every browser, whatever it accepts."""
    answer: Any = await http.get(path, headers={"Accept": "application/json, text/html;q=0.9"})
    assert answer.headers["content-type"].split(";")[0] in {
        "application/json",
        "application/graphql-response+json",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
