"""Which way an operation runs, and that nobody can tell from the answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest
import strawberry
from fastapi import FastAPI
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension

from gql_auth import GraphQLAuth, HasRole, IsAuthenticated
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.plans import Plan, Uncovered
from gql_auth.serving.planning import Planner
from tests.support import GraphQLClient, SettableClock

QUERY = "{ words }"


@strawberry.type
class Query:
    """A host's fields."""

    @strawberry.field
    def words(self, count: int = 2) -> list[str]:
        """Some words."""
        return ["word"] * count

    @strawberry.field
    async def slowly(self) -> str:
        """What takes longer than it may."""
        await asyncio.sleep(30)
        return "late"

    @strawberry.field
    def fails(self) -> str | None:
        """A refusal of the host's own."""
        raise GraphQLError("no such thing", extensions={"code": "NOT_THERE"})

    @strawberry.field
    def breaks(self) -> str | None:
        """A defect."""
        raise LookupError("secret")

    @strawberry.field(permission_classes=[IsAuthenticated])
    def mine(self) -> str:
        """For callers."""
        return "mine"

    @strawberry.field(permission_classes=[HasRole("admin")])
    def theirs(self) -> str | None:
        """For admins."""
        return "theirs"

    @strawberry.field
    def told(self, info: strawberry.Info) -> str:
        """What the client sent beside the operation."""
        return str(info.input_extensions)


class Ear(Telemetry):
    """Hears why the executor ran something."""

    def __init__(self) -> None:
        self.why: list[str] = []
        self.seen: list[tuple[str | None, str, str]] = []

    def interpreted(self, why: str) -> None:
        self.why.append(why)

    def requested(
        self,
        *,
        operation: str | None,
        kind: str,
        outcome: str,
        seconds: float,
        proven_by: str | None = None,
    ) -> None:
        self.seen.append((operation, kind, outcome))


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that were executed, in a process as it is when nothing is tested."""
    monkeypatch.setattr(Planner, "at_once", False)
    executed: list[Plan] = []
    execute = Plan.execute

    def count(plan: Plan, *given: Any, **more: Any) -> Any:
        executed.append(plan)
        return execute(plan, *given, **more)

    monkeypatch.setattr(Plan, "execute", count)
    return executed


Hosting = Callable[..., Awaitable[GraphQLClient]]


@pytest.fixture
async def ear() -> Ear:
    return Ear()


@pytest.fixture
async def hosting(
    sqlite_settings: Settings, clock: SettableClock, ear: Ear
) -> AsyncIterator[Hosting]:
    async with AsyncExitStack() as stack:

        async def make(settings: dict[str, Any] | None = None, **options: Any) -> GraphQLClient:
            wanted = replace(sqlite_settings, **({"compiled_plans": True} | (settings or {})))
            auth = GraphQLAuth(wanted, clock=clock, telemetry=ear)
            app = FastAPI()
            app.include_router(auth.router(query=Query, **options))
            await stack.enter_async_context(auth.running())
            transport = httpx.ASGITransport(app)
            http = httpx.AsyncClient(transport=transport, base_url=wanted.public_url)
            await stack.enter_async_context(http)
            return GraphQLClient(http, wanted.public_url)

        yield make


async def test_what_comes_again_is_planned(hosting: Hosting, planned: list[Plan], ear: Ear) -> None:
    """The first time the executor runs an operation, from the second on one and the same plan."""
    client = await hosting()
    for count in range(4):
        assert await client.field(QUERY) == ["word", "word"]
        assert len(planned) == count
    assert len(set(map(id, planned))) == 1
    assert ear.why == []


async def test_plans_are_turned_off(hosting: Hosting, planned: list[Plan], ear: Ear) -> None:
    """With `COMPILED_PLANS=off` none is made, and none is missed."""
    client = await hosting({"compiled_plans": False})
    for _ in range(3):
        assert await client.field(QUERY) == ["word", "word"]
    assert (planned, ear.why) == ([], [])


class Resolving(SchemaExtension):
    """Wants to be there when fields are resolved."""

    async def resolve(self, next_: Any, root: Any, info: Any, *args: Any, **more: Any) -> Any:
        found = next_(root, info, *args, **more)
        return ["resolved"] if info.field_name == "words" else found


class Executing(SchemaExtension):
    """Wants to be there when operations are executed."""

    def on_execute(self) -> Iterator[None]:
        self.execution_context.context.request.state.executed = True
        yield


class Around(SchemaExtension):
    """Is there before and after, and tells so."""

    def on_operation(self) -> Iterator[None]:
        yield

    def get_results(self) -> dict[str, Any]:
        return {"around": True}


@pytest.mark.parametrize(
    ("extension", "answer"), [(Resolving, ["resolved"]), (Executing, ["word", "word"])]
)
async def test_an_extension_that_is_there_when_fields_are_resolved(
    extension: type, answer: list[str], hosting: Hosting, planned: list[Plan], ear: Ear
) -> None:
    """What it would not see by a plan, the executor runs; each time is counted."""
    client = await hosting(extensions=[extension])
    for _ in range(3):
        assert await client.field(QUERY) == answer
    assert (planned, ear.why) == ([], ["extension"] * 2)


async def test_a_factory_of_extensions(hosting: Hosting, planned: list[Plan], ear: Ear) -> None:
    """What a function will make is not known beforehand."""
    client = await hosting(extensions=[partial(Resolving)])
    for _ in range(3):
        assert await client.field(QUERY) == ["resolved"]
    assert (planned, ear.why) == ([], ["extension"] * 2)


async def test_what_plans_do_not_cover(
    hosting: Hosting, planned: list[Plan], ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried once, run by the executor each time, and each time counted once."""
    tried: list[object] = []

    def refuse(*operation: object) -> None:
        tried.append(operation)
        raise Uncovered("defer")

    monkeypatch.setattr("gql_auth.serving.planning.compile_operation", refuse)
    client = await hosting()
    for _ in range(4):
        assert await client.field(QUERY) == ["word", "word"]
    assert (len(tried), planned, ear.why) == (1, [], ["defer"] * 3)


async def test_an_extension_around_it_all(hosting: Hosting, planned: list[Plan], ear: Ear) -> None:
    """What looks at operations from outside sees those that plans run, too."""
    client = await hosting(extensions=[Around])
    for count in range(3):
        assert await client.field(QUERY) == ["word", "word"]
        assert len(planned) == count
    assert ear.why == []


REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {"query": QUERY},
    "variables": {"query": "query($n: Int!) { words(count: $n) }", "variables": {"n": 3}},
    "no variables": {"query": "query($n: Int!) { words(count: $n) }"},
    "wrong variables": {
        "query": "query($n: Int!) { words(count: $n) }", "variables": {"n": "three"},
    },
    "too deep variables": {
        "query": "query($n: Int!) { words(count: $n) }", "variables": {"n": [[[[[[1]]]]]]},
    },
    "too large variables": {
        "query": "query($n: Int!) { words(count: $n) }", "variables": {"n": "x" * 2_000},
    },
    "named": {"query": "query A { words } query B { theirs }", "operationName": "A"},
    "unnamed of two": {"query": "query A { words } query B { words }"},
    "another name": {"query": "query A { words }", "operationName": "C"},
    "another name of one": {"query": QUERY, "operationName": "C"},
    "refusal": {"query": "{ words fails }"},
    "defect": {"query": "{ words breaks }"},
    "no caller": {"query": "{ mine }"},
    "no caller beside data": {"query": "{ words theirs }"},
    "cost": {"query": "query($n: Int!) { words(count: $n) a: sessions { id } b: sessions { id } }",
             "variables": {"n": 1}},
    "extensions": {"query": "{ told }", "extensions": {"x": [1]}},
    "hash": {"query": QUERY, "extensions": {"persistedQuery": {
        "version": 1,
        "sha256Hash": "f14a82a1d69a0f5d0c3e0a3ff9a9bb5f4c0c2c8b6e6ad0c2f7b1c8c2b0f9a8d7"}}},
    "mutation": {"query": "mutation($t: String) { logout(token: $t) { sessionEnded } }"},
    "two credentials": {"query": """mutation($i: LoginInput!) {
        a: login(input: $i) { __typename } b: login(input: $i) { __typename } }""",
        "variables": {"i": {"email": "a@b.test", "password": "x"}}},
    "refused mutation": {"query": """mutation($i: LoginInput!) {
        login(input: $i) { __typename ... on InvalidInput { violations { field code } } } }""",
        "variables": {"i": {"password": "x"}}},
    "introspection": {"query": "{ __schema { queryType { name } } __typename }"},
    "nothing": {"query": "{ nothing }"},
    "subscription": {"query": "subscription { sessionEvents { at } }"},
}  # fmt: skip


@pytest.mark.parametrize("which", REQUESTS)
async def test_the_answer_tells_nothing_of_the_way(
    which: str, hosting: Hosting, planned: list[Plan], ear: Ear
) -> None:
    """First and later, with plans and without: the same status, headers, body and metrics."""
    settings = {"max_variables_size": 1_000, "max_input_depth": 4, "max_complexity": 12}
    hosts = [await hosting(settings), await hosting(settings | {"compiled_plans": False})]
    for method in ("POST", "GET"):
        for accept in ("application/json", "application/graphql-response+json"):
            answers = []
            for client in (hosts[0], hosts[0], hosts[0], hosts[1], hosts[1]):
                ear.seen.clear()
                answers.append((await asked(client, which, method, accept), list(ear.seen)))
            assert all(answer == answers[0] for answer in answers), (method, accept)
    assert len(planned) <= 11


async def asked(client: GraphQLClient, which: str, method: str, accept: str) -> tuple[Any, ...]:
    """What a client is answered, but for what differs each time."""
    accepts = {"accept": accept}
    if method == "POST":
        got = await client.http.post("/graphql", json=REQUESTS[which], headers=accepts)
    else:
        parameters = {
            name: value if isinstance(value, str) else httpx.Response(200, json=value).text
            for name, value in REQUESTS[which].items()
        }
        got = await client.http.get("/graphql", params=parameters, headers=accepts)
    headers = {k: v for k, v in got.headers.items() if k != "x-request-id"}
    body = got.json()
    for error in body.get("errors", ()):
        if "reference" in error.get("extensions", {}):
            error["message"] = error["extensions"]["reference"] = "…"
            headers.pop("content-length", None)
    return got.status_code, headers, str(body)


async def test_a_plan_has_its_time(hosting: Hosting, planned: list[Plan], ear: Ear) -> None:
    """An operation that a plan runs is ended like any other."""
    client = await hosting({"operation_timeout": timedelta(seconds=1)})
    first, second = [await client.post("{ slowly }") for _ in range(2)]
    assert len(planned) == 1
    assert second == first
    assert second["errors"][0]["extensions"]["code"] == "OPERATION_TIMEOUT"
    assert ear.why == []
