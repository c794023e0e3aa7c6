"""The page at the API's address: GraphiQL where it is built, the plain page where it is not."""

import base64
import gzip
import hashlib
import re
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gql_auth.building import build_schema
from gql_auth.kernel.settings import Settings
from gql_auth.serving.explorer import Explorer
from tests.attacks.browser import serving
from tests.support import SECRET

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "gql_auth/serving/explorer/built"
PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "ttf": "font/ttf",
}


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


def files() -> list[str]:
    """The names of what was built, as the page asks for them."""
    assert BUILT.is_dir(), "scripts/test has scripts/web build it"
    return sorted(path.stem for path in (BUILT / "assets").glob("*.gz"))


def linked(page: httpx.Response) -> list[str]:
    """The addresses that the page names."""
    named = re.findall(r'<(?:script|link)[^>]*\b(?:src|href)="(\.[^"]*)"', page.text)
    return [urljoin(str(page.url), name) for name in named]


def policy_of(answer: httpx.Response) -> dict[str, list[str]]:
    """What each directive of an answer's policy allows."""
    directives = answer.headers["content-security-policy"].split(";")
    return {name: values for name, *values in (each.split() for each in directives)}


# -- built -----------------------------------------------------------------------------------


async def test_the_page_finds_its_files(http: httpx.AsyncClient, url: str) -> None:
    """What the page names is there, wherever the router is mounted."""
    page = await http.get(url, headers=PAGE)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept"
    addresses = linked(page)
    assert len(addresses) >= 2
    for address in addresses:
        assert address.startswith(f"{url}/explorer/assets/")
        assert (await http.get(address)).status_code == 200


@pytest.mark.parametrize(
    ("path", "asked"), [("/graphql", "/auth/graphql"), ("/", "/"), ("/a b/x:y", "/a%20b/x:y")]
)
async def test_files_are_named_relative_to_the_page(path: str, asked: str) -> None:
    """A proxy may serve the API under a longer path than the server knows of; a path may be `/`
    or need quoting. What the page names is below the address that the browser has."""
    app = Starlette(routes=[Route(path, Explorer(build_schema(), Settings()).page)])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
        page = await http.get(path)
    for name in re.findall(r'"(\./[^"]*)"', page.text):
        below = urljoin(f"https://proxy.example{asked}", name)
        whole = asked.rstrip("/").replace(":", "%3A")
        assert below.startswith(f"https://proxy.example{whole}/explorer/assets/"), below


async def test_every_file_is_served_as_what_it_is(
    http: httpx.AsyncClient, standalone_url: str
) -> None:
    """Each with its type, for a year, compressed for those who take it and plain for others."""
    for name in files():
        address = f"{standalone_url}/explorer/assets/{name}"
        plain = await http.get(address, headers={"Accept-Encoding": "identity"})
        small = await http.get(address, headers={"Accept-Encoding": "gzip, br;q=0"})
        assert "content-encoding" not in plain.headers
        assert small.headers["content-encoding"] == "gzip"
        assert int(small.headers["content-length"]) < len(plain.content)
        assert plain.content == small.content  # httpx has unpacked it
        assert plain.content == gzip.decompress((BUILT / "assets" / f"{name}.gz").read_bytes())
        for answer in (plain, small):
            assert answer.headers["content-type"] == TYPES[name.rpartition(".")[2]]
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["vary"] == "Accept-Encoding"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert policy_of(answer) == {"default-src": ["'none'"], "script-src": ["'self'"]}


async def test_browsers_get_the_smallest(http: httpx.AsyncClient, standalone_url: str) -> None:
    """Of what a browser names, Brotli comes first."""
    (name,) = [each for each in files() if each.startswith("index-") and each.endswith(".js")]
    address = f"{standalone_url}/explorer/assets/{name}"
    accepted = {"Accept-Encoding": "gzip, deflate, br, zstd"}
    async with http.stream("GET", address, headers=accepted) as answer:
        assert answer.headers["content-encoding"] == "br"
        body = b"".join([piece async for piece in answer.aiter_raw()])
    assert body == (BUILT / "assets" / f"{name}.br").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "assets",
        "assets/",
        "assets/nothing.js",
        "assets/../index.html",
        "assets/..%2f..%2f__init__.py",
        "assets/%2e%2e/plain/main.js",
        "assets//etc/passwd",
        "index.html",
        ".stamp",
        "schema.graphql/",
    ],
)
async def test_nothing_else_is_there(
    name: str, http: httpx.AsyncClient, standalone_url: str
) -> None:
    """Files go by their exact names; no path leads out of their folder."""
    request = http.build_request("GET", standalone_url)
    request.url = request.url.copy_with(raw_path=f"/graphql/explorer/{name}".encode())
    answer = await http.send(request)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_the_policy_lets_nothing_foreign_in(
    http: httpx.AsyncClient, standalone_url: str
) -> None:
    """Scripts and workers are files of our own; only styles may stand in the page."""
    page = await http.get(standalone_url, headers=PAGE)
    assert policy_of(page) == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "worker-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
    }
    assert not re.findall(r"<script(?![^>]*\bsrc=)", page.text)
    assert not re.findall(r"<[^>]+\son\w+=", page.text)
    assert not re.findall(r'(?:src|href)="(?!\./|data:)', page.text)


async def test_the_page_is_closed(http: httpx.AsyncClient, standalone_url: str) -> None:
    """The page is framed nowhere and leaks no address, like every other answer."""
    page = await http.get(standalone_url, headers=PAGE)
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert "set-cookie" not in page.headers


@pytest.mark.parametrize("below", ["", "/explorer/schema.graphql"])
async def test_what_a_browser_has_is_not_sent_again(
    below: str, http: httpx.AsyncClient, standalone_url: str
) -> None:
    """Page and schema are asked for each time, and sent when they have changed."""
    first = await http.get(standalone_url + below, headers=PAGE)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    for known in (tag, f'"other", W/{tag}'):
        again = await http.get(standalone_url + below, headers=PAGE | {"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    changed = await http.get(standalone_url + below, headers=PAGE | {"If-None-Match": '"other"'})
    assert changed.content == first.content


# -- the schema ------------------------------------------------------------------------------


async def test_the_schema_tells_what_fields_require(
    http: httpx.AsyncClient, mounted_url: str
) -> None:
    """The text has the directives that introspection leaves out, on the host's fields too."""
    answer = await http.get(f"{mounted_url}/explorer/schema.graphql")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "me: User! @authenticated" in answer.text
    assert "hint: String @authenticated" in answer.text


async def test_without_introspection_the_schema_is_not_shown(tmp_path: Path) -> None:
    """Who turns introspection off does not have the schema told by the explorer."""
    settings = Settings(data_dir=tmp_path, secret=SECRET, introspection=False)
    async with serving(settings) as (_, http):
        answer = await http.get("/graphql/explorer/schema.graphql")
        page = await http.get("/graphql", headers=PAGE)
    assert answer.status_code == 404
    assert "authenticated" not in answer.text
    assert page.status_code == 200


@pytest.mark.parametrize("strict", [False, True])
async def test_without_the_explorer_nothing_is_there(strict: bool, tmp_path: Path) -> None:
    """Who turns it off, or trusts known documents alone, has neither the page nor its files."""
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"an-id": "{ __typename }"}')
    changed: dict[str, Any] = {"explorer": False}
    if strict:
        changed = {"trusted_documents": "strict", "trusted_documents_manifest": manifest}
    settings = Settings(data_dir=tmp_path, secret=SECRET, **changed)
    async with serving(settings) as (_, http):
        page = await http.get("/graphql", headers=PAGE)
        assert page.headers["content-type"] == "application/json; charset=utf-8"
        assert page.status_code == 400
        for name in ("schema.graphql", f"assets/{files()[0]}"):
            assert (await http.get(f"/graphql/explorer/{name}")).status_code == 404


# -- in the package --------------------------------------------------------------------------


def test_the_wheel_has_the_explorer(tmp_path: Path) -> None:
    """A release has all that was built, with the licences of what is in it, and no sources."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        licences = packed.read("gql_auth/serving/explorer/built/third-party-licences.md").decode()
    folder = "gql_auth/serving/explorer"
    wanted = {f"{folder}/built/assets/{name}.{end}" for name in files() for end in ("gz", "br")}
    assert wanted | {f"{folder}/built/index.html", f"{folder}/plain/page.html"} <= names
    assert not [name for name in names if "node_modules" in name or "web/" in name]
    for package in ("graphiql", "monaco-editor", "react", "graphql", "MarkedJS", "DOMPurify"):
        assert re.search(rf"\b{package}\b", licences, re.IGNORECASE), package


# -- plain -----------------------------------------------------------------------------------


@pytest.fixture
async def plain(tmp_path: Path) -> httpx.Response:
    """The page of a package without the built one."""
    app = Starlette(routes=[Route("/graphql", Explorer(build_schema(), Settings(), tmp_path).page)])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
        return await http.get("/graphql")


async def test_the_plain_page_says_how_to_get_the_other(plain: httpx.Response) -> None:
    """It works by itself, and names the script that builds GraphiQL."""
    assert plain.status_code == 200
    for part in ("scripts/web", "signup-form", "signin-form", 'id="operation"'):
        assert part in plain.text


async def test_the_plain_page_names_no_other_host(plain: httpx.Response) -> None:
    """No code, style, picture or font comes from another host: the page works offline."""
    urls = set(re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}", plain.text))
    elsewhere = {url for url in urls if not re.search(r"www\.w3\.org|example\.(com|org)", url)}
    assert elsewhere == set()
    assert not re.findall(
        r"<(?:script|img|iframe|link)[^>]*\b(?:src|href)=(?![\"']?(?:data:|#))", plain.text
    )
    assert "@import" not in plain.text
    assert "url(" not in plain.text.replace("url(data:", "").replace("url(#", "")


async def test_the_plain_pages_policy_allows_its_own_code_and_no_other(
    plain: httpx.Response,
) -> None:
    """Exactly the one script and the one style run, by their hashes; nothing inline, no eval."""
    policy = policy_of(plain)
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", plain.text, re.DOTALL)
    (style,) = re.findall(r"<style[^>]*>(.*?)</style>", plain.text, re.DOTALL)
    assert policy["script-src"] == [_source(script)]
    assert policy["style-src"] == [_source(style)]
    assert policy["default-src"] == ["'none'"]
    assert policy["connect-src"] == ["'self'"]
    assert policy["base-uri"] == ["'none'"]
    assert policy["form-action"] == ["'none'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert not re.search(r"unsafe|\*|https?:|strict-dynamic", str(policy))
    assert not re.findall(r"<[^>]+\son\w+=", plain.text.replace(script, ""))
    assert not re.findall(r"<[^>]+\sstyle=", plain.text.replace(script, ""))
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert sink not in script


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
