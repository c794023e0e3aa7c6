"""The clients that people write front ends with, real ones from npm, each a day's work long."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from gql_auth import GraphQLAuth
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import migrate
from tests import live, node
from tests.serving.conftest import Hosts
from tests.support import SECRET, SettableClock


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A host's application whose clock goes on by an access token's life when it is told to."""
    folder: Path = tmp_path_factory.mktemp("clients")
    settings = Settings(data_dir=folder, secret=SECRET, bcrypt_cost=10)
    migrate(settings)
    clock = SettableClock()
    auth = GraphQLAuth(settings, clock=clock)
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router(query=Hosts))

    @app.post("/forward")
    def forward() -> None:
        clock.forward(seconds=(settings.access_token_ttl + timedelta(minutes=1)).total_seconds())

    with live.serving(app) as url:
        yield url


# Each script, and the ways to ask that it tries.
CLIENTS = {
    "apollo": ("post", "get", "older", "persisted"),
    "urql": ("post", "get"),
    "graphql-request": ("post", "get"),
}
WAYS = [(script, way) for script, ways in CLIENTS.items() for way in ways]


@pytest.fixture(scope="module")
def stories(base: str) -> dict[str, Any]:
    """What each client went through, by script: one process each, against one server."""
    forward = f"{base}/forward"
    return {script: node.run(script, url=f"{base}/graphql", forward=forward) for script in CLIENTS}


@pytest.fixture
def story(request: pytest.FixtureRequest, stories: dict[str, Any]) -> Any:
    """One of them."""
    script, way = request.param
    assert set(stories[script]) == set(CLIENTS[script])
    return stories[script][way]


def told(story: Any, step: str) -> tuple[Any, list[str]]:
    """The data that a step brought the application, and the reasons of the errors."""
    return story[step]["data"], story[step]["errors"]


every_client = pytest.mark.parametrize("story", WAYS, indirect=True, ids="-".join)


@every_client
def test_signing_in(story: Any) -> None:
    """Nobody is told why; after signing up the token opens the protected field."""
    assert told(story, "anonymous") == (None, ["ACCESS_TOKEN_MISSING"])
    assert story["signup"] == "AuthPayload"
    data, errors = told(story, "me")
    assert data["me"]["email"].endswith("@example.com")
    assert not errors


@every_client
def test_partial_data(story: Any) -> None:
    """What was served arrives beside the error of what was not."""
    assert told(story, "partial") == (
        {"hello": "hello world", "hint": None},
        ["ACCESS_TOKEN_MISSING"],
    )


@every_client
def test_variables(story: Any) -> None:
    """Text comes back as it went, null and absent variables are taken."""
    assert told(story, "hello") == ({"hello": "hello Zoë 🏃 & co + 100%"}, [])
    assert told(story, "null") == ({"hello": "hello world"}, [])
    assert told(story, "absent") == ({"hello": "hello world"}, [])


@every_client
def test_mistakes(story: Any) -> None:
    """The application can read the code of what it did wrong, whatever the status."""
    assert told(story, "broken") == (None, ["GRAPHQL_VALIDATION_FAILED"])
    assert told(story, "variables") == (None, ["BAD_USER_INPUT"])


@every_client
def test_an_expired_token(story: Any) -> None:
    """The application sees that the token expired, refreshes once, and gets what it asked for."""
    assert story["expired"]["refused"] == ["ACCESS_TOKEN_EXPIRED"]
    assert story["refreshes"] == 1
    assert told(story, "expired") == told(story, "me")


@every_client
def test_signing_out(story: Any) -> None:
    """After the logout the token it still holds is refused, and no refresh helps."""
    data, errors = told(story, "logout")
    assert data["logout"]["sessionEnded"] is True
    assert not errors
    assert story["over"]["refused"][0] == "SESSION_REVOKED"
    assert story["over"]["data"] is None
    assert story["over"]["errors"]


@pytest.mark.parametrize("story", [each for each in WAYS if each[1] == "get"], indirect=True)
def test_queries_by_get(story: Any) -> None:
    """Queries went by GET and mutations by POST."""
    for seen in story["seen"]:
        document = seen["query"].get("query") or seen["body"]["query"]
        assert seen["method"] == ("POST" if document.startswith("mutation") else "GET")


@pytest.mark.parametrize("story", [each for each in WAYS if each[1] != "older"], indirect=True)
def test_the_newer_type_is_asked_for_and_answers(story: Any) -> None:
    """Today's clients get the newer type and its statuses."""
    assert {seen["type"] for seen in story["seen"]} == {
        "application/graphql-response+json; charset=utf-8"
    }
    assert {200, 294, 400, 401} == {seen["status"] for seen in story["seen"]}


@pytest.mark.parametrize("story", [("apollo", "older")], indirect=True)
def test_older_clients(story: Any) -> None:
    """Clients that accept anything get plain JSON, and 200 for whatever GraphQL has to say."""
    assert {seen["type"] for seen in story["seen"]} == {"application/json; charset=utf-8"}
    assert {seen["status"] for seen in story["seen"]} == {200}


@pytest.mark.parametrize("story", [("apollo", "persisted")], indirect=True)
def test_automatic_persisted_queries(story: Any) -> None:
    """A document is sent once, by POST after the server did not know its hash; from then on the
    hash goes alone, by GET where it is a query."""
    of_me = [
        (seen["method"], "query" in (seen["body"] or {}), seen["status"])
        for seen in story["seen"]
        if "Me" in (seen["query"].get("operationName"), (seen["body"] or {}).get("operationName"))
    ]
    assert of_me == [
        ("GET", False, 400),  # PERSISTED_QUERY_NOT_FOUND
        ("POST", True, 401),
        ("GET", False, 200),
        ("GET", False, 401),  # expired
        ("GET", False, 200),
        ("GET", False, 401),  # signed out
        ("GET", False, 401),
    ]
    assert all(seen["body"] or "query" not in seen["query"] for seen in story["seen"])
