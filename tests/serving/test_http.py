"""GraphQL over HTTP: which media type answers, with which status, and with what beside it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from gql_auth.kernel.settings import Settings
from tests.attacks.browser import ask, serving
from tests.support import LOGIN, ME, PASSWORD, SIGNUP, SettableClock

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
ADA = {"input": {"email": "ada@example.com", "password": PASSWORD}}


@pytest.fixture
async def http(sqlite_settings: Settings, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    """The server's edge."""
    async with serving(sqlite_settings, clock) as (_, made):
        del made.headers["accept"]
        yield made


ACCEPTED = {
    None: JSON,
    "": JSON,
    "*/*": JSON,
    "application/*": JSON,
    JSON: JSON,
    GRAPHQL_RESPONSE: GRAPHQL_RESPONSE,
    # What Apollo Client 4, urql and the specification's own examples send.
    f"{GRAPHQL_RESPONSE},{JSON};q=0.9": GRAPHQL_RESPONSE,
    f"{GRAPHQL_RESPONSE}, {GRAPHQL_RESPONSE}, {JSON}, text/event-stream, multipart/mixed":
        GRAPHQL_RESPONSE,
    f"{JSON}, {GRAPHQL_RESPONSE}": GRAPHQL_RESPONSE,
    f"{GRAPHQL_RESPONSE};charset=utf-8, {JSON};charset=utf-8": GRAPHQL_RESPONSE,
    f"{JSON}, {GRAPHQL_RESPONSE};q=0.5": JSON,
    f"{JSON};q=0.1": JSON,
    f"{GRAPHQL_RESPONSE};q=0, */*": JSON,
    f"{JSON};q=0, */*": GRAPHQL_RESPONSE,
    "APPLICATION/JSON": JSON,
    f"{JSON};q=x, {GRAPHQL_RESPONSE}": GRAPHQL_RESPONSE,
    "text/html, */*": JSON,
}  # fmt: skip


@pytest.mark.parametrize("accept", ACCEPTED)
async def test_the_answers_media_type(accept: str | None, http: httpx.AsyncClient) -> None:
    """The client's preference decides; without any, the type that every client reads."""
    answer = await ask(http, "{ __typename }", None, {"Accept": accept} if accept else None)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{ACCEPTED[accept]}; charset=utf-8"
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert "Accept" in answer.headers["vary"]


@pytest.mark.parametrize("accept", ["image/png", "text/plain", f"{JSON};q=0", "application/xml"])
async def test_what_cannot_be_answered(accept: str, http: httpx.AsyncClient) -> None:
    """A client that reads neither type is told which there are, and nothing is run."""
    answer = await ask(http, SIGNUP, ADA, {"Accept": accept})
    assert answer.status_code == 406
    assert GRAPHQL_RESPONSE in answer.json()["errors"][0]["message"]
    assert (await ask(http, LOGIN, ADA)).json()["data"]["login"]["__typename"] == (
        "InvalidCredentials"
    )


STATUSES = {
    "data": ("{ __typename }", 200),
    "parse": ("{", 400),
    "validation": ("{ nothing }", 400),
    "no-token": (ME, 401),
    "no-token-and-data": ("{ __typename me { id } }", 401),
    "a-refusal-of-a-union": (
        'mutation { login(input: {email: "a@b.example", password: "x"}) { __typename } }',
        200,
    ),
}


@pytest.mark.parametrize("kind", STATUSES)
async def test_statuses(kind: str, http: httpx.AsyncClient) -> None:
    """With the new media type the status says what happened; with the old one it is 200."""
    query, status = STATUSES[kind]
    answer = await ask(http, query, None, {"Accept": GRAPHQL_RESPONSE})
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
    assert ("data" in answer.json()) == (status == 200)
    answer = await ask(http, query, None, {"Accept": JSON})
    assert answer.status_code == 200
    assert "www-authenticate" not in answer.headers


async def test_variables_that_do_not_fit(http: httpx.AsyncClient) -> None:
    """A request that could not be run has no data entry, and is 400 with the new media type."""
    answer = await ask(http, LOGIN, {"input": 1}, {"Accept": GRAPHQL_RESPONSE})
    assert answer.status_code == 400
    assert "data" not in answer.json()


async def test_the_challenge_of_a_401(http: httpx.AsyncClient) -> None:
    """RFC 6750: no error where there was no token, `invalid_token` where there was a bad one."""
    sent = {"Accept": GRAPHQL_RESPONSE}
    answer = await ask(http, ME, None, sent)
    assert answer.headers["www-authenticate"] == 'Bearer realm="gql-auth"'
    answer = await ask(http, ME, None, sent | {"Authorization": "Bearer x.y.z"})
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="gql-auth", error="invalid_token", '
        'error_description="Invalid or tampered token"'
    )


async def test_a_cross_site_refusal_is_no_question_of_scope(http: httpx.AsyncClient) -> None:
    """A page of another site gets 403, and no challenge: no other token would help it."""
    answer = await ask(http, SIGNUP, ADA, {"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "www-authenticate" not in answer.headers


async def test_get_runs_queries(http: httpx.AsyncClient) -> None:
    """Queries run by GET, with variables and a name."""
    named = "query A { a: __typename }"
    varying = "query B($x: Boolean!) { b: __typename @skip(if: $x) }"
    sent = {"query": f"{named} {varying}", "operationName": "B", "extensions": "{}"}
    answer = await http.get("/graphql", params=sent | {"variables": '{"x": false}'})
    assert answer.json() == {"data": {"b": "Query"}}


async def test_a_document_of_several_operations_wants_a_name(http: httpx.AsyncClient) -> None:
    """Which of several operations is meant is never guessed (GraphQL, section 6.1)."""
    several = "query A { a: __typename } mutation B { logout { sessionEnded } }"
    for _ in range(2):
        answer = await ask(http, several, None, {"Accept": GRAPHQL_RESPONSE})
        assert answer.status_code == 400
        assert "operationName" in answer.json()["errors"][0]["message"]
        named = {"query": several, "operationName": "A"}
        assert (await http.post("/graphql", json=named)).json() == {"data": {"a": "Query"}}


async def test_a_cached_document_is_judged_anew(http: httpx.AsyncClient) -> None:
    """A document that is known by heart still wants fitting variables and a token."""
    for _ in range(3):
        answer = await ask(http, ME, None, {"Accept": GRAPHQL_RESPONSE})
        assert answer.status_code == 401
        answer = await ask(http, LOGIN, {"input": 1}, {"Accept": GRAPHQL_RESPONSE})
        assert answer.status_code == 400
        answer = await ask(http, LOGIN, ADA)
        assert answer.json()["data"]["login"]["__typename"] == "InvalidCredentials"
