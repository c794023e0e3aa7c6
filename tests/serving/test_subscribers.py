"""What real npm clients make of our sockets and streams, set up as docs/subscriptions.md says."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import migrate
from tests import live, node
from tests.support import SECRET

ROOT = Path(__file__).parents[2]
LIFE = timedelta(seconds=3)  # of an access token
EARLY = 1_500  # milliseconds before its end that clients want the next one
OWN_END = {"kind": "SessionEnded", "current": True, "reason": "REVOKED_BY_OWNER"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each client tells of the same story."""
    folder = tmp_path_factory.mktemp("subscribers")
    settings = Settings(data_dir=folder, secret=SECRET, bcrypt_cost=10, access_token_ttl=LIFE)
    migrate(settings)
    with live.serving(create_app(GraphQLAuth(settings))) as base:
        found: dict[str, Any] = node.run("subscribing", url=f"{base}/graphql", early=EARLY)
    return found


def test_graphql_ws_by_our_recipe(told: dict[str, Any]) -> None:
    """The client comes back before its token ends, listens on, hears of its own end, and does not
    come back after it (4403)."""
    story = told["socketByRecipe"]
    assert story["connects"] >= 2
    assert story["refreshes"] >= 1
    assert "SessionBegan" in story["kinds"]
    assert story["last"] == OWN_END
    assert story["errors"][-1] == {"code": 4403, "reason": "Session revoked"}


def test_graphql_ws_as_it_comes(told: dict[str, Any]) -> None:
    """Without the recipe the end of a token (4401) is final: no retry, the reason told."""
    story = told["socketAsItComes"]
    assert story["errors"] == [{"code": 4401, "reason": "Token expired"}]
    assert story["connects"] == 1


def test_graphql_sse_by_our_recipe(told: dict[str, Any]) -> None:
    """The stream ends with its token and begins again with the next; with its session it is over,
    and completes."""
    story = told["streamByRecipe"]
    assert story["connects"] >= 2
    assert story["refreshes"] >= 1
    assert "SessionBegan" in story["kinds"]
    assert story["last"] == OWN_END
    assert story["errors"][-2:] == [{"reasons": ["SESSION_REVOKED"]}, {"complete": True}]


@pytest.mark.parametrize("client", ["apolloParts", "urqlEvents"])
def test_clients_over_http(client: str, told: dict[str, Any]) -> None:
    """Apollo Client's multipart and urql's server-sent events bring events and the refusal."""
    story = told[client]
    assert story["kinds"][0] == "SessionBegan"
    assert story["last"] == OWN_END
    assert story["errors"][0] == {"reasons": ["SESSION_REVOKED"]}


@pytest.mark.parametrize("client", ["apolloSocket", "urqlSocket"])
def test_clients_over_a_socket(client: str, told: dict[str, Any]) -> None:
    """Apollo Client and urql on graphql-ws bring events, and the code of the close."""
    story = told[client]
    assert story["kinds"][0] == "SessionBegan"
    assert story["last"] == OWN_END
    assert "4403" in str(story["errors"][0])


def test_the_recipes_are_those_that_are_tried() -> None:
    """The documentation's JavaScript is the very code of these tests."""
    page = (ROOT / "docs/subscriptions.md").read_text(encoding="utf-8")
    tried = (ROOT / "tests/node/recipes.mjs").read_text(encoding="utf-8")
    blocks = re.findall(r"^```js recipe\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    for block in blocks:
        assert block in tried
