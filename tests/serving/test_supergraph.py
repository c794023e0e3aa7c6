"""gql-auth and a second subgraph as one graph, by Apollo's own composition and query plans."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gql_auth.building import build_schema
from tests import node
from tests.process import Server, run, serving
from tests.serving.test_federation import SUBGRAPH, Query

MINE = "{ me { email reviews { body } badge } }"
THEIRS = "{ reviews { body author { id email roles badge } } }"
STRANGER = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def subgraph(tmp_path: Path) -> Iterator[Server]:
    """A real server that serves as a subgraph."""
    with serving(data_dir=tmp_path, federation="on") as server:
        yield server


async def test_one_graph_of_two(subgraph: Server, tmp_path: Path) -> None:
    """What `gql-auth schema --federation` prints composes with a subgraph that extends `User`;
    through query plans a caller sees his own account whole, an admin all, nobody another's."""
    async with subgraph.client() as ada, subgraph.client() as bob, subgraph.client() as admin:
        her = (await ada.signup())["user"]["id"]
        him = (await bob.signup("bob@example.com"))["user"]["id"]
        assert run("users", "set-roles", her, "admin", data_dir=tmp_path).returncode == 0
        await admin.login()
    login = (
        'mutation { login(input: {email: "bob@example.com", password: "correct horse battery"})'
        " { ... on AuthPayload { tokenType user { email reviews { body } badge } } } }"
    )
    tried = [
        (MINE, ada.access_token), (THEIRS, None), (THEIRS, bob.access_token),
        (THEIRS, admin.access_token), (MINE, None),
        (login, None),
    ]  # fmt: skip
    told = node.run(
        "supergraph",
        url=f"{subgraph.url}/graphql",
        sdl=run("schema", "--federation").stdout,
        authors=[her, him, STRANGER],
        queries=[{"query": query, "token": token} for query, token in tried],
    )
    assert told["hints"] == []
    supergraph = told["supergraph"]
    assert "https://specs.apollo.dev/authenticated/v0.1" in supergraph
    assert "me: User! @join__field(graph: AUTH) @authenticated" in supergraph
    assert 'type User\n  @join__type(graph: AUTH, key: "id")' in supergraph

    mine, nobodys, bobs, all_, anonymous, signed_in = told["answers"]
    assert mine["data"]["me"] == {
        "email": "ada@example.com",
        "reviews": [{"body": f"by {her}"}],
        "badge": "badge of admin",
    }
    fetched = [line.strip() for line in mine["plan"].splitlines() if "Fetch(" in line]
    assert fetched == ['Fetch(service: "auth") {', 'Fetch(service: "reviews") {']
    assert authors(nobodys) == [None] * 3
    assert codes(nobodys) == {"UNAUTHENTICATED"}
    assert authors(bobs) == [None, "bob@example.com", None]
    assert codes(bobs) == {"FORBIDDEN"}
    assert authors(all_) == ["ada@example.com", "bob@example.com", None]
    assert all_["data"]["reviews"][0]["author"]["badge"] == "badge of admin"
    assert anonymous["data"] is None
    assert codes(anonymous) == {"UNAUTHENTICATED"}
    # Whoever signs in sees the account in the answer, with what other subgraphs add to it.
    assert signed_in["data"]["login"]["user"] == {
        "email": "bob@example.com",
        "reviews": [{"body": f"by {him}"}],
        "badge": "badge of nobody",
    }


def authors(answer: dict[str, Any]) -> list[str | None]:
    return [(each["author"] or {}).get("email") for each in answer["data"]["reviews"]]


def codes(answer: dict[str, Any]) -> set[str]:
    return {error["extensions"]["code"] for error in answer["errors"]}


def test_a_hosts_graph_composes() -> None:
    """Roles become scopes of the supergraph; the host's own entities are in it."""
    sdl = build_schema(query=Query, settings=SUBGRAPH).as_str()
    told = node.run("supergraph", url="http://127.0.0.1:9/graphql", sdl=sdl, authors=[], queries=[])
    supergraph = told["supergraph"]
    assert "https://specs.apollo.dev/requiresScopes/v0.1" in supergraph
    either = '@requiresScopes(scopes: [["role:admin"], ["role:auditor"]])'
    assert f"either: String! @join__field(graph: AUTH) {either}" in supergraph
    assert '@join__type(graph: AUTH, key: "upc")' in supergraph
    assert '@join__type(graph: AUTH, key: "id", resolvable: false)' in supergraph
