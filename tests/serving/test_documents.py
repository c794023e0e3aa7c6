"""Documents that are named instead of sent, and what is kept of those that were seen."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import parse

from gql_auth.kernel.declaring import SettingsError
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Transport
from gql_auth.serving.documents import DocumentCache, Known
from tests.attacks.browser import serving
from tests.flooding import flood
from tests.support import PASSWORD, SIGNUP, reason_of

TYPENAME = "query T { __typename }"
ME = "query Me { me { email } }"
RELAY = {"t": TYPENAME, "me": ME, "signup": SIGNUP}
APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": name, "name": name, "type": "query", "body": text} for name, text in RELAY.items()
    ],
}
Open = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def apq(name: str, **more: Any) -> dict[str, Any]:
    """A request by Apollo's protocol."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}, **more}


@pytest.fixture
def opened(sqlite_settings: Settings, tmp_path: Path) -> Open:
    """Opens a server with such a manifest and such settings."""

    @asynccontextmanager
    async def open_(manifest: object = None, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
        if manifest is not None:
            path = tmp_path / "documents.json"
            path.write_text(json.dumps(manifest), encoding="utf-8")
            more["trusted_documents_manifest"] = path
        async with serving(replace(sqlite_settings, **more)) as (_, http):
            yield http

    return open_


async def code_of(http: httpx.AsyncClient, body: Any) -> str | None:
    """The code of the answer's error, or None."""
    answer = (await http.post("/graphql", json=body)).json()
    if isinstance(answer, list):
        (answer,) = answer
    return reason_of(answer) if "errors" in answer else None


# -- Automatic persisted queries ---------------------------------------------------------------


async def test_a_document_is_registered_and_named(opened: Open) -> None:
    """Unknown, then sent with its hash, then known by the hash alone, by POST and by GET."""
    name = hash_of(TYPENAME)
    async with opened() as http:
        assert await code_of(http, apq(name)) == "PERSISTED_QUERY_NOT_FOUND"
        sent = await http.post("/graphql", json=apq(name))
        assert sent.json()["errors"][0]["message"] == "PersistedQueryNotFound"
        for body in (apq(name, query=TYPENAME), apq(name), apq(name)):
            answer = (await http.post("/graphql", json=body)).json()
            assert answer == {"data": {"__typename": "Query"}}
        got = await http.get("/graphql", params={"extensions": json.dumps(apq(name)["extensions"])})
        assert got.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("extension", "query"),
    [
        ({"version": 1, "sha256Hash": "0" * 64}, TYPENAME),
        ({"version": 1, "sha256Hash": hash_of(ME)}, TYPENAME),
        ({"version": 2, "sha256Hash": hash_of(TYPENAME)}, TYPENAME),
        ({"version": 1}, TYPENAME),
        ({"version": 1, "sha256Hash": 5}, TYPENAME),
        ({"version": 1, "sha256Hash": ""}, None),
        ({"version": 1, "sha256Hash": hash_of(TYPENAME).upper()}, TYPENAME),
        ({"version": 1, "sha256Hash": "x" * 10_000}, None),
        ([], TYPENAME),
        ("x", TYPENAME),
    ],
)
async def test_a_hash_that_is_none(extension: Any, query: str | None, opened: Open) -> None:
    """Nobody can put another document under a hash: it must be the text's own."""
    async with opened() as http:
        body = {"query": query, "extensions": {"persistedQuery": extension}}
        assert await code_of(http, body) == "BAD_USER_INPUT"
        assert await code_of(http, apq(hash_of(TYPENAME))) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize("text", ["{ nothing }", "{", "{ a: " + "a" * 200_000 + "}"])
async def test_what_is_not_valid_is_not_kept(text: str, opened: Open) -> None:
    """A document that cannot run takes no room."""
    async with opened() as http:
        assert await code_of(http, apq(hash_of(text), query=text)) is not None
        assert await code_of(http, apq(hash_of(text))) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "spelt",
    [
        'login(input: {email: "a@example.com", password: "a secret"}) { __typename }',
        'login(input: {email: "a@example.com", password: """a secret"""}) { __typename }',
        'refreshToken(token: "ey.ey.x") { __typename }',
        'logout(token: "ey.ey.x") { sessionEnded }',
    ],
)
async def test_what_spells_a_secret_out_is_not_kept(spelt: str, opened: Open) -> None:
    """A password or a token that stands in a document does not stay in memory with it. By a hash
    it cannot be guessed past the throttles, and who saw the hash in a log has nothing."""
    text = f"mutation {{ {spelt} }}"
    allowed = (Transport.COOKIE, Transport.BODY)
    async with opened(refresh_transports=allowed) as http:
        await http.post("/graphql", json=apq(hash_of(text), query=text))
        assert await code_of(http, apq(hash_of(text))) == "PERSISTED_QUERY_NOT_FOUND"


async def test_off(opened: Open) -> None:
    """Switched off, the server says so, as clients expect it, and takes texts."""
    async with opened(persisted_queries=False) as http:
        assert await code_of(http, apq(hash_of(ME))) == "PERSISTED_QUERY_NOT_SUPPORTED"
        body = apq(hash_of(TYPENAME), query=TYPENAME)
        assert await code_of(http, body) == "PERSISTED_QUERY_NOT_SUPPORTED"
        assert await code_of(http, {"query": TYPENAME}) is None


# -- Trusted documents -------------------------------------------------------------------------

STRICT = {"trusted_documents": "strict"}


@pytest.mark.parametrize("manifest", [RELAY, APOLLO], ids=["relay", "apollo"])
async def test_strict(manifest: object, opened: Open) -> None:
    """Documents of the manifest run by id and by their very text; nothing else runs, on whatever
    way it comes."""
    async with opened(manifest, **STRICT) as http:
        for good in ({"documentId": "t"}, {"doc_id": "t"}, apq("t"), {"query": TYPENAME},
                     {"documentId": "t", "query": TYPENAME}):  # fmt: skip
            assert await code_of(http, good) is None
        assert (await http.get("/graphql", params={"documentId": "t"})).json() == {
            "data": {"__typename": "Query"}
        }
        for bad, code in (
            ({"query": "{ __typename }"}, "QUERY_NOT_IN_SAFELIST"),
            ({"query": TYPENAME + " "}, "QUERY_NOT_IN_SAFELIST"),
            ({"query": "{ __schema { queryType { name } } }"}, "QUERY_NOT_IN_SAFELIST"),
            ({"query": "{"}, "QUERY_NOT_IN_SAFELIST"),
            ({"documentId": "x"}, "PERSISTED_QUERY_NOT_IN_LIST"),
            (apq(hash_of("{ a }")), "PERSISTED_QUERY_NOT_IN_LIST"),
            (apq(hash_of("{ __typename }"), query="{ __typename }"), "PERSISTED_QUERY_NOT_IN_LIST"),
            ({"documentId": "t", "query": "{ __typename }"}, "BAD_USER_INPUT"),
            ({"documentId": 5}, "BAD_USER_INPUT"),
        ):
            assert await code_of(http, bad) == code, bad
            assert await code_of(http, [bad]) == code, bad
        got = await http.get("/graphql", params={"query": "{ __typename }"})
        assert reason_of(got.json()) == "QUERY_NOT_IN_SAFELIST"


async def test_on(opened: Open) -> None:
    """Without strictness ids are a short name, and everything else goes on."""
    async with opened(RELAY, trusted_documents="on") as http:
        assert await code_of(http, {"documentId": "t"}) is None
        assert await code_of(http, {"query": "{ __typename }"}) is None
        assert await code_of(http, apq(hash_of(TYPENAME), query=TYPENAME)) is None
        assert await code_of(http, {"documentId": "x"}) == "PERSISTED_QUERY_NOT_IN_LIST"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "5", '{"a": 1}', '{"a": ""}', '{"format": "apollo-persisted-query-manifest"}',
     '{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [5]}',
     '{"format": "apollo-persisted-query-manifest", "version": 1, "operations": '
     '[{"id": "a", "body": "{a}"}, {"id": "a", "body": "{b}"}]}', None],
)  # fmt: skip
def test_a_file_that_is_no_manifest(
    content: str | None, sqlite_settings: Settings, tmp_path: Path
) -> None:
    """The start fails, and names the setting and the trouble; it never runs without the list."""
    from gql_auth.building import build_schema

    path = tmp_path / "documents.json"
    if content is not None:
        path.write_text(content)
    wrong = replace(sqlite_settings, trusted_documents_manifest=path, trusted_documents="strict")
    with pytest.raises(SettingsError, match=r"TRUSTED_DOCUMENTS_MANIFEST .*is no manifest"):
        build_schema(settings=wrong)


async def test_a_trusted_document_that_cannot_run_is_warned_of(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """A front end that is newer than the server is found out at the server's start."""
    async with opened({"t": TYPENAME, "new": "{ nothing }"}, **STRICT) as http:
        assert await code_of(http, {"documentId": "t"}) is None
    (warning,) = [each for each in caplog.records if each.name == "gql_auth.documents"]
    assert warning.document == "new"


# -- Caches on the way -------------------------------------------------------------------------


async def test_cache_control(opened: Open) -> None:
    """Only what nobody signed, by GET and by name, is for caches, and only if a setting says so."""
    async with opened(RELAY, trusted_documents="on") as http:
        assert (await http.get("/graphql?documentId=t")).headers["cache-control"] == "no-store"
    maximum = timedelta(minutes=1)
    async with opened(RELAY, trusted_documents="on", document_max_age=maximum) as http:
        private = "private, no-store"
        kept = await http.get("/graphql?documentId=t")
        assert kept.headers["cache-control"] == "public, max-age=60"
        assert "Authorization, Cookie" in kept.headers["vary"]
        given = {"email": "a@b.test", "password": PASSWORD}
        made = await http.post(
            "/graphql", json={"documentId": "signup", "variables": {"input": given}}
        )
        assert made.headers["cache-control"] == private
        bearer = {"Authorization": "Bearer " + made.json()["data"]["signup"]["accessToken"]}
        http.cookies.clear()
        for query, headers, said in (
            ("documentId=t", bearer, private),
            ("documentId=t", {"Cookie": "of-the-host=1"}, private),
            ("documentId=me", bearer, private),
            ("documentId=t", {"Authorization": "Bearer x"}, private),
            ("documentId=me", {}, "no-store"),
            ("documentId=x", {}, "no-store"),
            ("query={__typename}", {}, "no-store"),
        ):
            got = await http.get(f"/graphql?{query}", headers=headers)
            assert got.headers["cache-control"] == said, query
        assert (await http.post("/graphql", json={"documentId": "t"})).headers[
            "cache-control"
        ] == "no-store"


# -- The cache of documents --------------------------------------------------------------------


def known(text: str) -> Known:
    return Known.of(text, parse(text))


def used(cache: DocumentCache, text: str) -> bool:
    """Ask for a document as a request does; whether it was there."""
    if cache.get(text) is not None:
        return True
    cache.put(text, known(text))
    return False


def test_strangers_evict_only_each_other() -> None:
    """However many documents come, once or several times each, those in use stay, and the cache
    within its bounds."""
    cache = DocumentCache(entries=50, size=7_000_000)
    hot = [f"query H{n} {{ a }}" for n in range(20)]
    for _ in range(5):
        for text in hot:
            used(cache, text)
    for n in range(3_000):
        for _ in range(3):
            used(cache, f"query S{n} {{ a }}")
        if n % 20 == 0:
            assert all(used(cache, text) for text in hot)
        assert len(cache) <= 50
        assert cache.size <= 7_000_000


def test_what_is_out_of_use_makes_room() -> None:
    """Documents of a front end that is no longer there go, however often they were used."""
    cache = DocumentCache(entries=50, size=7_000_000)
    for _ in range(100):
        for n in range(40):
            used(cache, f"query Old{n} {{ a }}")
    for _ in range(100):
        for n in range(40):
            used(cache, f"query New{n} {{ a }}")
    assert all(used(cache, f"query New{n} {{ a }}") for n in range(40))


def test_names_of_documents_are_bounded() -> None:
    """A name goes with its document, and names alone fill no memory."""
    cache = DocumentCache(entries=20, size=7_000_000)
    for n in range(500):
        text = f"query N{n} {{ a }}"
        cache.name(f"early{n}", text)
        cache.put(text, known(text))
        cache.name(hash_of(text), text)
    assert cache.named(hash_of("query N499 { a }")) == "query N499 { a }"
    found = [cache.named(hash_of(f"query N{n} {{ a }}")) for n in range(500)]
    assert len([text for text in found if text]) == len(cache) == 20
    assert cache.named("early499") is None
    assert len(cache._names) <= 40


def test_a_flood_of_documents_leaves_nothing() -> None:
    """Three thousand different documents, valid and not, leave the memory as it was and those in
    use where they were; the soak test sends a million."""
    seen = flood(3_000)
    assert seen.after - seen.before < 20_000_000
    assert seen.kept[0] <= 1_000
    assert seen.hot[1] >= seen.hot[0] - 20  # each but the first time


@pytest.mark.parametrize(
    "text", ["{ a @skip(if: $x) }", "{ a @ include(if: $x) }", "{ a @#skip\n#\ninclude(if: $x) }"]
)
def test_conditions_are_counted(text: str) -> None:
    """A document whose plan may come in several variants is counted as that many."""
    plain = known("{ a b(if: $x) }")
    assert known(text).size > 3 * plain.size
    assert known("{ a @client(if: $x) skip: b }").size < 2 * plain.size
