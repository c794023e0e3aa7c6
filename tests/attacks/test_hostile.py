"""The corpus of hostile documents and requests: the exact answer to each, and nothing besides."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gql_auth.kernel.settings import Settings
from tests.attacks.browser import counts, serving
from tests.attacks.hostile.answers import DOCUMENT_ANSWERS, REQUEST_ANSWERS, VARIABLE_ANSWERS
from tests.attacks.hostile.documents import DOCUMENTS, VARIABLES
from tests.attacks.hostile.requests import JSON, REQUESTS, Sent
from tests.support import SECRET

GRAPHQL_RESPONSE = "application/graphql-response+json"
Told = tuple[int, str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[httpx.AsyncClient, Settings]]:
    """The standalone server with its default bounds; one for the whole corpus."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("server"), secret=SECRET, bcrypt_cost=10)
    async with serving(settings) as (_, http):
        yield http, settings


def told(answer: httpx.Response) -> Told:
    """What an answer says: its status, the code of its first error or "", the message."""
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "no-store" in answer.headers["cache-control"]
    if not answer.content:
        return answer.status_code, "", ""
    body: Any = answer.json()
    errors = body.get("errors", []) if isinstance(body, dict) else []
    assert all(error["extensions"]["code"] for error in errors)
    assert len(answer.content) < 200_000
    if not errors:
        return answer.status_code, "", answer.text[:200]
    said = errors[0]["extensions"]
    return answer.status_code, said.get("reason", said["code"]), errors[0]["message"][:200]


async def send_document(
    http: httpx.AsyncClient, query: str, variables: Any = None
) -> httpx.Response:
    """A document by POST, from a client that reads status codes."""
    return await http.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={"Accept": GRAPHQL_RESPONSE},
    )


async def send_request(http: httpx.AsyncClient, sent: Sent) -> httpx.Response:
    """A request as it stands; JSON where it does not say what it is."""
    headers = list(sent.headers)
    names = {name.lower() for name, _ in headers}
    if sent.body and "content-type" not in names:
        headers.append(("Content-Type", JSON))
    if "accept" not in names:
        headers.append(("Accept", GRAPHQL_RESPONSE))
    return await http.request(sent.method, sent.path, content=sent.body, headers=headers)


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.asyncio(loop_scope="module")
async def test_document(
    kind: str, server: tuple[httpx.AsyncClient, Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """A hostile document gets the very answer that the corpus says, twice, and is no defect."""
    for _ in range(2):
        answer = await send_document(server[0], DOCUMENTS[kind])
        assert told(answer) == DOCUMENT_ANSWERS[kind]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("kind", VARIABLES)
@pytest.mark.asyncio(loop_scope="module")
async def test_variables(
    kind: str, server: tuple[httpx.AsyncClient, Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """So do hostile variables."""
    answer = await send_document(server[0], *VARIABLES[kind])
    assert told(answer) == VARIABLE_ANSWERS[kind]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.asyncio(loop_scope="module")
async def test_request(
    kind: str, server: tuple[httpx.AsyncClient, Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """So do hostile requests."""
    answer = await send_request(server[0], REQUESTS[kind])
    assert told(answer) == REQUEST_ANSWERS[kind]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.asyncio(loop_scope="module")
async def test_nothing_was_left(server: tuple[httpx.AsyncClient, Settings]) -> None:
    """After all of it the server answers as before, and the database has no account more."""
    http, settings = server
    answer = await http.post("/graphql", json={"query": "{ __typename }"})
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert (await counts(settings))["users"] == 0
    assert (await counts(settings))["sessions"] == 0


def test_the_corpus_is_whole() -> None:
    """Every case has its answer, no answer lacks its case, and there are enough of them."""
    assert set(DOCUMENTS) == set(DOCUMENT_ANSWERS)
    assert set(VARIABLES) == set(VARIABLE_ANSWERS)
    assert set(REQUESTS) == set(REQUEST_ANSWERS)
    assert len(DOCUMENTS) + len(VARIABLES) + len(REQUESTS) >= 150
