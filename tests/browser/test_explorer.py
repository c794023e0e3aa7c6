"""The explorer as a person uses it, in Chromium, in a host's application below a prefix."""

import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import strawberry
from fastapi import FastAPI

import gql_auth
from gql_auth import GraphQLAuth, HasRole, IsAuthenticated
from gql_auth.kernel.settings import Settings
from tests import chromium, live, node, process
from tests.support import SECRET

Story = Callable[..., dict[str, Any]]
Recorder = Callable[[str, object], None]


@strawberry.type
class Hosts:
    @strawberry.field(permission_classes=[HasRole("admin", "owner")], description="Who did what.")
    def audit(self) -> str:
        return "nobody did anything"


@strawberry.type
class Counting:
    @strawberry.subscription(permission_classes=[IsAuthenticated])
    async def count(self, to: int) -> AsyncIterator[int]:
        for number in range(1, to + 1):
            yield number


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[str]:
    """A host's application; the address of its API."""
    port = live.free_port()
    origin = f"http://127.0.0.1:{port}"
    auth = GraphQLAuth(
        Settings(data_dir=folder, secret=SECRET, bcrypt_cost=10, public_url=origin, **settings)
    )
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router(query=Hosts, subscription=Counting), prefix="/api")
    with live.serving(app, port=port) as base:
        yield f"{base}/api/graphql"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("explorer")) as address:
        yield address


@pytest.fixture
def tell() -> Story:
    """Has a story of tests/node/explorer.mjs played."""

    def play(story: str, url: str, **given: Any) -> dict[str, Any]:
        # Chromium puts a socket into the folder, and a socket's path has room for 107 bytes.
        with TemporaryDirectory() as folder:
            browser = chromium.given(Path(folder))
            told: dict[str, Any] = node.run(
                "explorer", seconds=300, url=url, story=story, chromium=browser, **given
            )
        return told

    return play


def test_it_loads_from_its_own_server_alone(
    url: str, tell: Story, record_testsuite_property: Recorder
) -> None:
    """Editor, workers and answers come from the one server, and the policy refuses nothing."""
    told = tell("loads", url)
    assert {each.partition("/api/")[0] for each in told["requests"]} == {url.partition("/api/")[0]}
    assert any("graphql.worker" in each for each in told["requests"])
    assert told["violations"] == []
    assert [each for each in told["errors"] if "401" not in each] == []
    record_testsuite_property("explorer_bytes", told["weight"]["bytes"])


def test_the_loop_can_be_seen(url: str, tell: Story) -> None:
    """Refusals are told at their field; a refused token is renewed, and nobody notices but the
    list of requests."""
    told = tell("loop", url)
    assert told["refused"] == "password"
    assert json.loads(told["first"]) == json.loads(told["second"])
    assert json.loads(told["first"])["data"]["me"]["email"] == told["email"]
    assert '"typ": "at+jwt"' in told["token"]
    assert told["email"] in told["token"]
    assert told["countdown"].startswith(("14:", "15:"))
    assert told["requests"] == [
        "Me 401 ACCESS_TOKEN_INVALID",
        "refreshToken 200 AuthPayload",
        "Me 200",
        "refreshToken 200 AuthPayload",
    ]


def test_a_session_is_revoked_from_another_browser(url: str, tell: Story) -> None:
    """The list shows both sessions; the revoked one is signed out at its next operation."""
    told = tell("revoked", url)
    assert (told["sessions"], told["left"]) == (2, 1)
    assert told["here"].startswith("Signed in as")
    assert told["requests"] == [
        "Me 401 SESSION_REVOKED",
        "refreshToken 200 RefreshTokenRejected",
    ]


def test_answers_leave_with_the_user(url: str, tell: Story) -> None:
    """A sign-out in another tab takes the answers out of all tabs of operations; nothing typed
    or answered was ever stored."""
    told = tell("leaves", url)
    assert told["texts"] == ["", ""]
    assert json.loads(told["stored"]) == [{"graphiql:theme": ""}, {}] or json.loads(
        told["stored"]
    ) == [{}, {}]


def test_a_sign_in_by_hand_is_noticed(url: str, tell: Story) -> None:
    """Operations that change the cookie change the account pane."""
    assert tell("byHand", url)["errors"] == []


def test_subscriptions_have_the_token(url: str, tell: Story) -> None:
    """A protected subscription is refused without a user and runs with one."""
    told = tell("subscribes", url)
    assert "ACCESS_TOKEN_MISSING" in told["refused"]
    assert '"count": 3' in told["counted"]


def test_the_documentation_says_what_fields_require(url: str, tell: Story) -> None:
    """The directives are there as words, of the host's fields too."""
    told = tell("documents", url, fields=["me", "audit"])
    assert told["me"].startswith("🔒 Requires that you are signed in.")
    assert told["audit"].startswith("🔒 Requires the role admin or owner.")
    assert "Who did what." in told["audit"]


def test_without_introspection_it_works_without_documentation(tmp_path: Path, tell: Story) -> None:
    """Queries run; the documentation pane tells why it is empty."""
    with serving(tmp_path / "data", introspection=False) as url:
        told = tell("conceals", url)
    assert '"me"' in told["response"]
    assert "Error fetching schema" in told["docs"]


def test_the_keyboard_reaches_and_leaves_everything(url: str, tell: Story) -> None:
    """Sign-up, tabs, editor and response without a mouse; Escape leaves an editor."""
    told = tell("keyboard", url)
    assert told["right"] == "SignUp"
    assert '"email": "keys@example.com"' in told["response"]
    assert told["inside"] == ["Operation. Press Escape to leave."] * 2
    assert told["outside"] == [
        "Operation. Press Enter to go in, Escape to leave.",
        "Execute query (Ctrl-Enter)",
    ]


def test_axe_finds_nothing_serious(url: str, tell: Story) -> None:
    """Signed out, refused, signed in, answered, documentation, settings: light, dark, small."""
    told = tell("axe", url)
    assert told["found"] == []
    assert told["checked"] > 100


def test_the_plain_page_works_where_nothing_was_built(
    tmp_path: Path, tell: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package without the built page serves the plain one: forms, a query, how to get more."""
    shutil.copytree(
        Path(gql_auth.__file__).parent,
        tmp_path / "gql_auth",
        ignore=shutil.ignore_patterns("built*", "__pycache__"),
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with process.serving(data_dir=tmp_path / "data") as server:
        told = tell("plain", f"{server.url}/graphql")
    assert told["violations"] == []
    assert "scripts/web" in told["said"]
    assert len({each.partition("/graphql")[0] for each in told["requests"]}) == 1
