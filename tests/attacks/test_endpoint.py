"""What a stranger tried against the endpoint as a whole, and got."""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
import strawberry
from fastapi import FastAPI

from gql_auth import GraphQLAuth
from gql_auth.kernel.settings import Settings
from tests.attacks.browser import ask, serving
from tests.support import reason_of


@strawberry.type
class Item:
    """A host's object."""

    id: int


@strawberry.type
class Query:
    """A host's list, cut as hosts cut lists."""

    @strawberry.field
    def items(self, first: int = 10) -> list[Item]:
        return [Item(id=number) for number in range(2_000)][:first]


@pytest.fixture
async def host(sqlite_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A host's application with the default bounds but of complexity."""
    auth = GraphQLAuth(replace(sqlite_settings, max_complexity=20))
    app = FastAPI()
    app.include_router(auth.router(query=Query))
    url = sqlite_settings.public_url
    async with (
        auth.running(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url) as client,
    ):
        yield client


ITEMS = "query($n: Int!) { items(first: $n) { id } }"


@pytest.mark.parametrize("count", [2_000, 2_000.0, 21.0, 1e300])
async def test_a_length_in_another_spelling(count: float, host: httpx.AsyncClient) -> None:
    """GraphQL takes 2000.0 for an Int, so it is as long as 2000."""
    answer = await ask(host, ITEMS, {"n": count})
    assert reason_of(answer.json()) == "TOO_COMPLEX"


async def test_a_length_below_nothing_is_not_free(host: httpx.AsyncClient) -> None:
    """A host that cuts its list by -1 brings nearly all: it costs as if nothing had been said."""
    three = "{ a: items(first: -1) { id } b: items(first: -1) { id } c: items(first: -1) { id } }"
    assert reason_of((await ask(host, three)).json()) == "TOO_COMPLEX"
    query = "query($n: Int!) { a: items(first: $n) { id } b: items(first: $n) { id } items { id } }"
    assert reason_of((await ask(host, query, {"n": -1})).json()) == "TOO_COMPLEX"


async def test_an_empty_list_is_not_free(host: httpx.AsyncClient) -> None:
    """It has to be resolved."""
    empty = " ".join(f"a{number}: items(first: 0) {{ id }}" for number in range(19))
    fits, costs_more = (f"{{ {empty} items(first: {count}) {{ id }} }}" for count in (1, 2))
    assert "errors" not in (await ask(host, fits)).json()
    assert reason_of((await ask(host, costs_more)).json()) == "TOO_COMPLEX"


async def test_the_hash_of_another_document_beside_an_id(
    sqlite_settings: Settings, tmp_path: Path
) -> None:
    """Who names a trusted document by its id cannot put it under the hash of another one: others
    would run it in the other's place."""
    manifest = tmp_path / "documents.json"
    manifest.write_text(json.dumps({"t": "query T { __typename }"}), encoding="utf-8")
    settings = replace(sqlite_settings, trusted_documents="on", trusted_documents_manifest=manifest)
    name = sha256(b"query Victim { me { id } }").hexdigest()
    named = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}}
    async with serving(settings) as (_, http):
        poison = await http.post("/graphql", json={"documentId": "t", **named})
        assert poison.json() == {"data": {"__typename": "Query"}}
        answer = (await http.post("/graphql", json=named)).json()
        assert reason_of(answer) == "PERSISTED_QUERY_NOT_FOUND"


async def test_every_type_may_be_asked_whether_it_is_one_of(
    host: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Lists and non-null types included: no defect, and no traceback for each field."""
    query = "{ __schema { types { fields { type { isOneOf ofType { isOneOf } } } } } }"
    assert "errors" not in (await ask(host, query)).json()
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
