"""The bounds of operations, at their edges: the last that is accepted, the first that is not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Self

import httpx
import pytest
import strawberry
from fastapi import FastAPI

from gql_auth import Cost, GraphQLAuth, ListSize
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.serving.costs.exceeding import BOUNDS
from tests.support import SECRET, reason_of

GRAPHQL_RESPONSE = "application/graphql-response+json"


@strawberry.input
class Filter:
    """An input that nests."""

    inner: Self | None = None
    tags: list[list[int]] | None = None


@strawberry.type
class Node:
    """A type that nests."""

    id: int = 1

    @strawberry.field
    def node(self) -> "Node":
        return Node()

    @strawberry.field
    def nodes(self, first: int = 5) -> list["Node"]:
        return [Node()]

    @strawberry.field(directives=[ListSize(assumed_size=50)])
    def fifty(self) -> list["Node"]:
        return [Node()]

    @strawberry.field(directives=[Cost(weight=30)])
    def dear(self) -> "Node":
        return Node()

    @strawberry.field
    def unknown(self) -> list["Node"]:
        return [Node()]

    @strawberry.field
    def names(self) -> list[str]:
        return ["a"]

    @strawberry.field
    def page(self, first: int | None = None) -> "Page":
        return Page(edges=[Node()])


@strawberry.interface
class Named:
    """An interface whose fields may be dearer than they look."""

    @strawberry.field
    def friends(self) -> list["Node"]:
        return [Node()]

    @strawberry.field
    def posts(self, limit: int = 1) -> list["Node"]:
        return [Node()]

    @strawberry.field
    def best(self) -> "Node":
        return Node()


@strawberry.type
class Person(Named):
    """One that costs more than the interface says."""

    @strawberry.field(directives=[ListSize(assumed_size=200)])
    def friends(self) -> list["Node"]:
        return [Node()]

    @strawberry.field(directives=[ListSize(slicing_arguments=["limit", "own"])])
    def posts(self, limit: int = 1, own: int = 200) -> list["Node"]:
        return [Node()]

    @strawberry.field(directives=[Cost(weight=200)])
    def best(self) -> "Node":
        return Node()


@strawberry.type
class Page:
    """A connection."""

    edges: list[Node]


@strawberry.type
class Query:
    """A host's own fields."""

    @strawberry.field
    def node(self, where: Filter | None = None) -> Node:
        return Node()

    @strawberry.field
    def nodes(self, first: int = 5) -> list[Node]:
        return [Node()]

    @strawberry.field
    def named(self) -> Named:
        return Person()

    @strawberry.field
    async def slow(self) -> int:
        await asyncio.sleep(3600)
        return 1


@strawberry.type
class Mutation:
    """A host's own mutation."""

    @strawberry.mutation
    def touch(self) -> Node:
        return Node()


class Ear(Telemetry):
    """Hears which bounds were exceeded."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def exceeded(self, bound: str) -> None:
        self.heard.append(bound)


LIMITS = {
    "max_document_size": 6_000,
    "max_tokens": 600,
    "max_depth": 5,
    "max_aliases": 4,
    "max_root_fields": 3,
    "max_repeats": 3,
    "max_directives": 2,
    "max_complexity": 100,
    "max_introspection_depth": 4,
    "max_variables_size": 200,
    "max_input_depth": 3,
    "max_batch": 2,
    "operation_timeout": timedelta(seconds=1),
}


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def http(sqlite_settings: Settings, ear: Ear) -> AsyncIterator[httpx.AsyncClient]:
    """A host's application with narrow bounds."""
    settings = Settings(data_dir=sqlite_settings.data_dir, secret=SECRET, bcrypt_cost=10, **LIMITS)
    auth = GraphQLAuth(settings, telemetry=ear)
    app = FastAPI()
    app.include_router(auth.router(query=Query, mutation=Mutation, types=[Person]))
    async with (
        auth.running(),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=settings.public_url
        ) as client,
    ):
        yield client


def nested(field: str, depth: int) -> str:
    return "{ node { " + f"{field} {{ " * (depth - 2) + "id" + " }" * depth


IF = "@include(if: true)"
SPREADS = "fragment F on Query { a: node { id } b: node { id } }"
# bound -> operations that stay within it, operations that go beyond, variables of both
EDGES: dict[str, tuple[list[str], list[str]]] = {
    "document_size": (["{ node { id } }".ljust(6_000)], ["{ node { id } }".ljust(6_001)]),
    "tokens": (["{ node {" + " id" * 3 + "} }"], ["{ node {" + " id" * 600 + "} }"]),
    "lines": (["\n" * 3_999 + "{ node { id } }"], ["\n" * 4_000 + "{ node { id } }"]),
    "depth": (
        [nested("node", 5), "{ ...F } fragment F on Query "
         "{ node { node { node { node { id } } } } }",
         "{ node { node { node { ... { ... on Node { node { id } } } } } } }"],
        [nested("node", 6), "{ ...F } fragment F on Query { node { ...G } } "
         "fragment G on Node { node { node { node { node { id } } } } }"],
    ),
    "aliases": (
        ["{ node { a: id b: id c: id d: id } }", "{ ...F ...F } " + SPREADS],
        ["{ node { a: id b: id c: id d: id e: id } }", "{ x: node { id } ...F ...F } " + SPREADS,
         "{ node { ...F node { ...F node { ...F } } } } fragment F on Node { a: id b: id }"],
    ),
    "root_fields": (
        ["{ a: node { id } b: node { id } node { id } }", "{ __typename ...F } " + SPREADS],
        ["{ __typename a: node { id } b: node { id } c: node { id } }",
         "{ __typename x: __typename ...F } " + SPREADS],
    ),
    "repeats": (
        ["{ node { id id id } }", "{ node { id } node { id } node { id } }"],
        ["{ node { id id id id } }", "{ node { id } node { id } node { id } node { id } }",
         "{ node { ...F id ... { id } } } fragment F on Node { id id }"],
    ),
    "directives": (
        [f"{{ node {IF} @skip(if: false) {{ id }} }}"],
        [f"{{ node {IF} {IF} {IF} {{ id }} }}", f"query {IF} {IF} {IF} {{ node {{ id }} }}",
         f"{{ ...F {IF} {IF} {IF} }} fragment F on Query {{ node {{ id }} }}",
         f"{{ ... {IF} {IF} {IF} {{ node {{ id }} }} }}",
         f"query($a: Int {IF} {IF} {IF}) {{ nodes(first: $a) {{ id }} }}"],
    ),
    "complexity": (
        ["{ nodes(first: 100) { id names } }", "{ nodes(first: 50) { node { id } } }",
         "{ named { posts(limit: 99) { id } } }",
         "{ node { fifty { id } dear { id } } }", "{ node { unknown { unknown { id } } } }".replace(
             "{ unknown { id } }", "{ id }"), "{ node { page(first: 90) { edges { id } } } }",
         "mutation { a: touch { id } b: touch { dear { id } } }"],
        ["{ nodes(first: 101) { id } }", "{ nodes(first: 51) { node { id } } }",
         "{ nodes(first: 2147483647) { nodes(first: 2147483647) { id } } }",
         "{ node { fifty { node { id } } } }", "{ node { unknown { unknown { id } } } }",
         "{ node { page(first: 99) { edges { id } } } }",
         "{ ...F } fragment F on Query { nodes(first: 101) { id } }",
         "query($n: Int = 101) { nodes(first: $n) { id } }",
         "mutation { a: touch { dear { id } } b: touch { dear { id } } c: touch { dear { id } } }",
         "{ named { best { id } } }", "{ named { friends { id } } }",
         "{ named { posts(limit: 101) { id } } }"],
    ),
    "introspection": (
        ["{ __schema { queryType { kind } } }",
         '{ __type(name: "Node") { fields { type { kind } } } }'],
        ['{ __type(name: "Node") { fields { type { ofType { kind } } } } }'],
    ),
    "introspections": (
        ["{ a: __schema { queryType { kind } } b: __schema { queryType { kind } } }",
         '{ __type(name: "Node") { a: name b: name kind: fields { name } } }'],
        ["{ a: __schema { queryType { kind } } b: __schema { queryType { kind } } "
         '__type(name: "Node") { kind } }',
         '{ __type(name: "Node") { a: fields { name } b: fields { name } } }',
         '{ __type(name: "Node") { ...F } } '
         'fragment F on __Type { a: fields { name } b: fields { name } }'],
    ),
    "input_depth": (
        ["{ node(where: {inner: {inner: {}}}) { id } }", "{ node(where: {tags: [[1]]}) { id } }"],
        ["{ node(where: {inner: {inner: {inner: {}}}}) { id } }",
         "query($f: Filter = {inner: {inner: {inner: {}}}}) { node(where: $f) { id } }",
         "{ node { id @include(if: [[[[1]]]]) } }"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("bound", EDGES)
async def test_the_edges_of_a_bound(bound: str, http: httpx.AsyncClient, ear: Ear) -> None:
    """What is as much as allowed runs; what is more is refused, told by its code and counted."""
    within, beyond = EDGES[bound]
    for query in within:
        answer = (await http.post("/graphql", json={"query": query})).json()
        assert "errors" not in answer, (query, answer)
    assert ear.heard == []
    for query in beyond:
        sent = await http.post(
            "/graphql", json={"query": query}, headers={"Accept": GRAPHQL_RESPONSE}
        )
        answer = sent.json()
        assert sent.status_code == 400
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == BOUNDS[bound][0], (query, error)
        assert str(error["extensions"]["limit"]) in error["message"]
        assert "data" not in answer
    assert ear.heard == [bound] * len(beyond)


async def test_variables(http: httpx.AsyncClient, ear: Ear) -> None:
    """Variables are bounded in bytes and in depth, and their numbers count as lengths."""
    query = "query($n: Int, $f: Filter) { nodes(first: $n) { id } node(where: $f) { id } }"

    async def code_of(**variables: Any) -> str | None:
        sent = await http.post("/graphql", json={"query": query, "variables": variables})
        return reason_of(sent.json()) if "errors" in sent.json() else None

    assert await code_of(n=99) is None
    assert await code_of(n=100) == "TOO_COMPLEX"
    assert await code_of(n=-5) is None
    assert await code_of(n=2**31 - 1) == "TOO_COMPLEX"
    assert await code_of(n=10**300) == "TOO_COMPLEX"  # read as a float, it counts all the same
    assert await code_of(n="100") == "BAD_USER_INPUT"
    assert await code_of(f={"inner": {"inner": {}}}) is None
    assert await code_of(f={"inner": {"inner": {"inner": {}}}}) == "INPUT_TOO_DEEP"
    assert await code_of(x="x" * 192) is None
    assert await code_of(x="x" * 193) == "VARIABLES_TOO_LARGE"
    assert ear.heard == ["complexity", "complexity", "complexity", "input_depth", "variables_size"]


async def test_a_known_document_is_costed_anew(http: httpx.AsyncClient) -> None:
    """What a document costs is remembered only where no variable decides it."""
    query = "query($n: Int!) { nodes(first: $n) { id } }"
    for number, fits in ((1, True), (101, False), (100, True), (101, False)):
        sent = await http.post("/graphql", json={"query": query, "variables": {"n": number}})
        assert ("errors" not in sent.json()) is fits


async def test_time(http: httpx.AsyncClient, ear: Ear) -> None:
    """An operation that takes too long is ended and told so; the server goes on."""
    sent = await http.post(
        "/graphql", json={"query": "{ slow }"}, headers={"Accept": GRAPHQL_RESPONSE}
    )
    assert reason_of(sent.json()) == "OPERATION_TIMEOUT"
    assert "data" not in sent.json()
    assert ear.heard == ["time"]
    assert (await http.post("/graphql", json={"query": "{ node { id } }"})).json() == {
        "data": {"node": {"id": 1}}
    }


async def test_batches(http: httpx.AsyncClient, ear: Ear) -> None:
    """Two operations are answered by two answers in their order, three by a refusal; each is
    bounded by itself."""
    one, bad = {"query": "{ node { id } }"}, {"query": nested("node", 6)}
    sent = await http.post("/graphql", json=[one, bad])
    first, second = sent.json()
    assert (sent.status_code, first) == (200, {"data": {"node": {"id": 1}}})
    assert reason_of(second) == "TOO_DEEP"
    sent = await http.post(
        "/graphql", json=[one, {"query": "{ __typename }", "operationName": "x"}]
    )
    assert sent.json()[0] == first
    assert reason_of(sent.json()[1]) == "BAD_USER_INPUT"
    sent = await http.post("/graphql", json=[one, one, one])
    assert (sent.status_code, reason_of(sent.json())) == (400, "BATCH_TOO_LARGE")
    assert ear.heard == ["depth", "batch"]


def test_every_bound_has_a_test() -> None:
    """A bound that no test here goes beyond would be one that nobody misses."""
    assert set(BOUNDS) == {*EDGES, "variables_size", "time", "batch"}
    assert len({code for code, _ in BOUNDS.values()}) == len(BOUNDS)
