"""gql-auth inside a host's application: its own types, context, claims, listeners and routes."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import strawberry
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from graphql import GraphQLError
from strawberry.permission import BasePermission, PermissionExtension
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gql_auth import (
    AuthContext,
    Caller,
    Event,
    Forbidden,
    GraphQLAuth,
    Guard,
    HasRole,
    IsAuthenticated,
    Settings,
    SettingsError,
    Tag,
    User,
)
from gql_auth.app import create_app
from gql_auth.building import build_schema
from gql_auth.features.users.core import Users
from tests.live import STEP, serving, within
from tests.support import (
    PASSWORD,
    REFRESH,
    SIGNUP,
    GraphQLClient,
    SettableClock,
    reason_of,
)

Info = strawberry.Info[AuthContext]


class IsAda(Guard):
    """A permission of the host's own making."""

    @classmethod
    def check(cls, caller: Caller) -> None:
        if caller.claims["email"] != "ada@example.com":
            raise Forbidden("ADA_REQUIRED", "Only Ada may")


def guarded(*guards: Any, silently: bool = False) -> Any:
    return strawberry.field(
        extensions=[PermissionExtension([guard() for guard in guards], fail_silently=silently)]
    )


class OfficeHours(BasePermission):
    """A permission as Strawberry's own documentation has them."""

    message = "Come back in the morning"

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        return False


@strawberry.type
class Thing:
    """A type of the host's own, with a guarded field below the root."""

    name: str

    @strawberry.field(permission_classes=[HasRole("admin")])
    def price(self) -> int:
        return 7


@strawberry.type
class Query:
    @strawberry.field
    def public(self, info: Info) -> str:
        context = info.context
        return f"{context.user_id} {context.session_id} {context.roles} {sorted(context.claims)}"

    @strawberry.field
    async def whoami(self, info: Info) -> str:
        return (await info.context.user()).email

    @strawberry.field(permission_classes=[IsAuthenticated])
    def mine(self, info: Info) -> str:
        return json.dumps(
            {
                "user_id": str(info.context.user_id),
                "session_id": str(info.context.session_id),
                "roles": info.context.roles,
                "claims": info.context.claims,
            }
        )

    @strawberry.field(permission_classes=[IsAuthenticated])
    async def mine_async(self, info: Info) -> str:
        user = await info.context.user()
        assert isinstance(user, User)
        return user.email

    @strawberry.field(permission_classes=[HasRole("admin")])
    def admin(self) -> str:
        return "admin"

    @strawberry.field(permission_classes=[HasRole("admin", "auditor")])
    async def either(self) -> str:
        return "either"

    @strawberry.field(permission_classes=[IsAuthenticated, IsAda])
    def ada(self) -> str:
        return "ada"

    @guarded(IsAuthenticated)
    def mine_by_extension(self) -> str:
        return "mine"

    @guarded(HasRole("admin"))
    async def admin_by_extension(self) -> str:
        return "admin"

    @guarded(HasRole("admin"), silently=True)
    def admin_or_null(self) -> str | None:
        return "admin"

    @guarded(IsAuthenticated, silently=True)
    async def mine_or_empty(self) -> list[str]:
        return ["mine"]

    @strawberry.field(permission_classes=[OfficeHours])
    def office(self) -> str:
        return "open"

    @strawberry.field
    def things(self) -> list[Thing]:
        return [Thing(name="cup")]

    @strawberry.field
    def clumsy(self) -> str:
        raise RuntimeError("the host's password is swordfish")

    @strawberry.field
    def spoken(self) -> str:
        raise GraphQLError("the host has a word for you", extensions={"code": "HOST_SAYS"})


@strawberry.type
class Mutation:
    @strawberry.mutation(permission_classes=[IsAuthenticated])
    async def rename(self, name: str) -> str:
        return name


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int = 3) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number

    @strawberry.subscription(permission_classes=[IsAuthenticated])
    async def mine(self, info: Info) -> AsyncGenerator[str, None]:
        yield str(info.context.user_id)

    @strawberry.subscription(permission_classes=[IsAuthenticated])
    async def present(self, info: Info) -> AsyncGenerator[bool, None]:
        while info.context.user_id is not None:
            yield True
            await asyncio.sleep(STEP)
        yield False

    @strawberry.subscription(permission_classes=[HasRole("admin")])
    async def admin(self) -> AsyncGenerator[str, None]:
        yield "admin"

    @strawberry.subscription(extensions=[PermissionExtension([HasRole("admin")()])])
    async def admin_by_extension(self) -> AsyncGenerator[str, None]:
        yield "admin"


TYPES: dict[str, Any] = {"query": Query, "mutation": Mutation, "subscription": Subscription}


@pytest.fixture
async def host(
    sqlite_settings: Settings, clock: SettableClock
) -> AsyncIterator[Callable[..., Any]]:
    """Starts a host's application around `GraphQLAuth(…)`; gives a client of it."""
    async with AsyncExitStack() as stack:

        async def start(
            auth: GraphQLAuth | None = None, *, app: FastAPI | None = None, **options: Any
        ) -> GraphQLClient:
            auth = auth or GraphQLAuth(sqlite_settings, clock=clock)
            if app is None:
                app = FastAPI(lifespan=auth.lifespan)
                app.include_router(auth.router(**(TYPES | options)))
            await stack.enter_async_context(auth.running())
            http = httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url=auth.settings.public_url
            )
            return GraphQLClient(await stack.enter_async_context(http))

        yield start


@pytest.fixture
async def client(host: Callable[..., Any]) -> GraphQLClient:
    made: GraphQLClient = await host()
    return made


async def give_role(settings: Settings, *roles: str) -> None:
    """What an operator does in a process of its own."""
    async with GraphQLAuth(settings).running() as system, system.units.write() as unit:
        users = unit.get(Users)
        await users.set_roles((await users.require("ada@example.com")).id, roles)


# --- guarded fields -------------------------------------------------------------------------

ADMINS = ["{ admin }", "{ either }", "{ adminByExtension }"]
SIGNED_IN = ["{ mine }", "{ mineAsync }", "{ mineByExtension }", 'mutation { rename(name: "x") }']


async def test_guards_want_a_token(client: GraphQLClient) -> None:
    """Every form of guard, on sync and async resolvers, refuses a request without a token."""
    for query in (*SIGNED_IN, *ADMINS, "{ ada }", "{ things { price } }"):
        answer = await client.post(query)
        assert reason_of(answer) == "ACCESS_TOKEN_MISSING", query
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert answer["errors"][0]["message"] == "Access token required"


async def test_guards_want_the_role(client: GraphQLClient, sqlite_settings: Settings) -> None:
    """A role is wanted by every form of guard, and enough for each that names it."""
    await client.signup()
    for query in SIGNED_IN:
        await client.field(query)
    for query in ADMINS:
        assert reason_of(await client.post(query)) == "ROLE_REQUIRED", query
    message = (await client.post("{ either }"))["errors"][0]["message"]
    assert message == 'Role "admin" or "auditor" required'

    await give_role(sqlite_settings, "auditor")
    await client.refresh()
    assert await client.field("{ either }") == "either"
    assert reason_of(await client.post("{ admin }")) == "ROLE_REQUIRED"

    await give_role(sqlite_settings, "admin", "auditor")
    await client.refresh()
    for query in ADMINS:
        await client.field(query)
    assert await client.field("{ things { name price } }") == [{"name": "cup", "price": 7}]


async def test_a_guard_of_the_hosts_own(client: GraphQLClient) -> None:
    """A host's permission class decides by the caller, and its refusal has the host's reason."""
    await client.signup()
    assert await client.field("{ ada }") == "ada"
    await client.signup("grace@example.com")
    answer = await client.post("{ ada }")
    assert answer["errors"][0]["message"] == "Only Ada may"
    assert answer["errors"][0]["extensions"] == {"code": "FORBIDDEN", "reason": "ADA_REQUIRED"}


async def test_failing_silently(client: GraphQLClient, sqlite_settings: Settings) -> None:
    """`fail_silently` gives null or an empty list instead of an error, to nobody who may."""
    query = "{ adminOrNull mineOrEmpty }"
    assert await client.post(query) == {"data": {"adminOrNull": None, "mineOrEmpty": []}}
    await client.signup()
    assert await client.post(query) == {"data": {"adminOrNull": None, "mineOrEmpty": ["mine"]}}
    await give_role(sqlite_settings, "admin")
    await client.refresh()
    assert await client.post(query) == {"data": {"adminOrNull": "admin", "mineOrEmpty": ["mine"]}}


async def test_refusals_side_by_side(client: GraphQLClient) -> None:
    """Fields refused in one operation each have their own reason."""
    await client.signup("grace@example.com")
    answer = await client.post("{ a: ada b: either c: admin mineByExtension public }")
    found = {each["path"][0]: each["extensions"]["reason"] for each in answer["errors"]}
    # Non-null fields make the whole answer null, so the first to fail is told for sure.
    assert found
    assert (
        found.items() <= {"a": "ADA_REQUIRED", "b": "ROLE_REQUIRED", "c": "ROLE_REQUIRED"}.items()
    )


def test_guards_are_printed() -> None:
    """What guards a field is a directive on it, once, whichever way it was declared."""
    printed = build_schema(**TYPES).as_str()
    lines = {
        line.split(":")[0].split("(")[0].strip(): line.partition("@")[2]
        for line in printed.splitlines()
        if ":" in line
    }
    either = 'hasRole(anyOf: ["admin", "auditor"])'
    admin = 'hasRole(anyOf: ["admin"])'
    for name, directive in {
        "mineAsync": "authenticated",
        "mineByExtension": "authenticated",
        "mineOrEmpty": "authenticated",
        "rename": "authenticated",
        "either": either,
        "adminByExtension": admin,
        "adminOrNull": admin,
        "price": admin,
        "ada": "authenticated @isAda",
        "public": "",
        "count": "",
        "me": "authenticated",
    }.items():
        assert lines[name] == directive, name
    subscription = printed[printed.index("type Subscription") :]
    assert "mine: String! @authenticated" in subscription
    assert 'admin: String! @hasRole(anyOf: ["admin"])' in subscription
    assert 'adminByExtension: String! @hasRole(anyOf: ["admin"])' in subscription
    assert printed.count("directive @authenticated") == 1
    assert printed.count("directive @hasRole") == 1
    assert build_schema(**TYPES).as_str() == printed, "a second schema prints the same"


@pytest.mark.parametrize("roles", [(), ("",), ("admin", "")])
def test_a_role_must_be_named(roles: tuple[str, ...]) -> None:
    """`HasRole` without a role is a mistake that must not become an open door."""
    with pytest.raises(ValueError, match="at least one role"):
        HasRole(*roles)


# --- the context ----------------------------------------------------------------------------


async def test_the_context_knows_the_caller(client: GraphQLClient) -> None:
    """Resolvers read account, session, roles and claims, and the account on request."""
    user = (await client.signup(username="ada"))["user"]
    mine = json.loads(await client.field("{ mine }"))
    assert mine["user_id"] == user["id"]
    assert mine["claims"]["sub"] == user["id"]
    assert mine["claims"]["sid"] == mine["session_id"]
    assert mine["claims"]["preferred_username"] == "ada"
    assert mine["roles"] == []
    assert await client.field("{ mineAsync }") == "ada@example.com"
    assert await client.field("{ whoami }") == "ada@example.com"


@pytest.mark.parametrize("token", [None, "garbage", "e30.e30.e30"])
async def test_the_context_on_public_fields(client: GraphQLClient, token: str | None) -> None:
    """On a public field, without or with a broken token, the caller is nobody."""
    assert await client.field("{ public }", token=token) == "None None () []"


async def test_the_account_of_nobody(client: GraphQLClient) -> None:
    """Asking for the account on a public field refuses the anonymous with the usual reason."""
    answer = await client.post("{ whoami }")
    assert reason_of(answer) == "ACCESS_TOKEN_MISSING"
    assert reason_of(await client.post("{ whoami }", token="x")) == "ACCESS_TOKEN_INVALID"


async def test_the_context_after_logout_and_expiry(
    client: GraphQLClient, clock: SettableClock
) -> None:
    """A token whose session has ended, or whose time is over, names nobody on a public field."""
    await client.signup()
    assert await client.field("{ public }") != "None None () []"
    await client.field("mutation { logout { sessionEnded } }")
    assert await client.field("{ public }") == "None None () []"
    assert reason_of(await client.post("{ whoami }")) == "SESSION_REVOKED"
    await client.login(PASSWORD, email="ada@example.com")
    clock.forward(minutes=15)
    assert await client.field("{ public }") == "None None () []"
    assert reason_of(await client.post("{ whoami }")) == "ACCESS_TOKEN_EXPIRED"


class Tenant(AuthContext):
    """A context of the host's own."""

    @property
    def tenant(self) -> str:
        return self.request.headers.get("x-tenant", "none")


@strawberry.type
class TenantQuery:
    @strawberry.field
    def tenant(self, info: strawberry.Info[Tenant]) -> str:
        return f"{info.context.tenant} {info.context.user_id is not None}"


async def test_a_context_of_the_hosts_own(host: Callable[..., Any]) -> None:
    """A subclass of the context adds what the host's resolvers need, from the request."""
    client = await host(query=TenantQuery, context_class=Tenant)
    assert await client.field("{ tenant }", x_tenant="acme") == "acme False"
    await client.signup()
    assert await client.field("{ tenant }", x_tenant="acme") == "acme True"


async def test_the_hosts_errors(client: GraphQLClient, caplog: pytest.LogCaptureFixture) -> None:
    """What a host's `GraphQLError` or Strawberry permission says reaches the client as it stands;
    a defect is a reference, and the log has the rest under it."""
    spoken = (await client.post("{ spoken }"))["errors"][0]
    assert spoken["message"] == "the host has a word for you"
    assert spoken["extensions"]["code"] == "HOST_SAYS"
    closed = (await client.post("{ office }"))["errors"][0]
    assert closed["message"] == "Come back in the morning"
    assert closed["extensions"] == {"code": "BAD_USER_INPUT"}, "the host gave it no code"
    answer = await client.post("{ clumsy }")
    assert "swordfish" not in json.dumps(answer)
    extensions = answer["errors"][0]["extensions"]
    assert extensions["code"] == "INTERNAL_SERVER_ERROR"
    (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.reference == extensions["reference"]  # type: ignore[attr-defined]
    assert "swordfish" in str(record.exc_info)


# --- names ----------------------------------------------------------------------------------


@strawberry.type
class SameField:
    @strawberry.field
    def me(self) -> str:
        return "not you"


@strawberry.type
class SameFieldByName:
    @strawberry.field(name="me")
    def somebody(self) -> str:
        return "not you"


@strawberry.type
class SameMethod:
    @strawberry.field(name="own")
    def me(self) -> str:
        return "not you"


@strawberry.type
class SameMutation:
    @strawberry.mutation
    def refresh_token(self) -> str:
        return "none"


class NoType:
    """A class that lacks `@strawberry.type`."""

    @strawberry.field
    def lost(self) -> str:
        return "lost"


@pytest.mark.parametrize(
    ("types", "complaint"),
    [
        ({"query": SameField}, "Query has two fields named me"),
        ({"query": SameFieldByName}, "Query has two fields named me"),
        ({"query": SameMethod}, "Query has two fields named me"),
        ({"mutation": SameMutation}, "Mutation has two fields named refreshToken"),
        ({"query": NoType}, "NoType .*@strawberry.type"),
    ],
)
def test_two_fields_of_one_name(types: dict[str, type], complaint: str) -> None:
    """A host's field with the name of one of ours is an error at start, not a silent winner."""
    with pytest.raises(ValueError, match=complaint):
        build_schema(**types)


def test_two_types_of_one_name() -> None:
    """A host's type with the name of one of ours is an error that names it."""

    @strawberry.type(name="User")
    class HostUser:
        shoe_size: int

    @strawberry.type
    class HostQuery:
        @strawberry.field
        def customer(self) -> HostUser:
            return HostUser(shoe_size=42)

    with pytest.raises(Exception, match="User"):
        build_schema(query=HostQuery).as_str()


# --- claims ---------------------------------------------------------------------------------


async def test_claims_of_the_hosts_own(
    host: Callable[..., Any], sqlite_settings: Settings, clock: SettableClock
) -> None:
    """The claims hook is asked with the account at every sign-in and refresh."""
    asked: list[User] = []

    def claims(user: User) -> dict[str, object]:
        asked.append(user)
        return {"plan": f"plan {len(asked)}", "tags": ["a"]}

    client = await host(GraphQLAuth(sqlite_settings, claims=claims, clock=clock))
    await client.signup()
    assert json.loads(await client.field("{ mine }"))["claims"]["plan"] == "plan 1"
    await client.refresh()
    assert json.loads(await client.field("{ mine }"))["claims"]["plan"] == "plan 2"
    await client.login(PASSWORD, email="ada@example.com")
    mine = json.loads(await client.field("{ mine }"))["claims"]
    assert (mine["plan"], mine["tags"]) == ("plan 3", ["a"])
    assert [user.email for user in asked] == ["ada@example.com"] * 3


async def test_claims_from_an_async_hook_that_reads_the_database(
    host: Callable[..., Any], sqlite_settings: Settings, clock: SettableClock
) -> None:
    """The hook may be a coroutine function and use the database, also while SQLite writes."""

    async def claims(user: User) -> dict[str, object]:
        async with auth.system.units.write() as unit:
            found = await unit.get(Users).get(user.id)
        return {"known": found is not None}

    auth = GraphQLAuth(sqlite_settings, claims=claims, clock=clock)
    client = await host(auth)
    await client.signup()
    assert json.loads(await client.field("{ mine }"))["claims"]["known"] is True


@pytest.mark.parametrize("name", ["sub", "roles", "exp", "sid", "iss", "email", "cnf"])
async def test_reserved_claims(
    host: Callable[..., Any],
    sqlite_settings: Settings,
    clock: SettableClock,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A hook that would overwrite a claim of ours yields no token, and the log says why."""
    auth = GraphQLAuth(sqlite_settings, claims=lambda _user: {name: "mine"}, clock=clock)
    client = await host(auth)
    answer = await client.post(SIGNUP, {"input": {"email": "a@example.com", "password": PASSWORD}})
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert client.cookies == {}
    assert f"reserved claims: ['{name}']" in caplog.text


async def test_a_claims_hook_that_fails_at_a_refresh(
    host: Callable[..., Any], sqlite_settings: Settings, clock: SettableClock
) -> None:
    """A hook that fails costs this refresh and not the session: the next one succeeds."""
    broken = False

    def claims(_user: User) -> dict[str, object]:
        if broken:
            raise RuntimeError("the billing service is down")
        return {"plan": "gold"}

    client = await host(GraphQLAuth(sqlite_settings, claims=claims, clock=clock))
    await client.signup()
    broken = True
    clock.forward(days=1)
    answer = await client.post(REFRESH)
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "billing" not in json.dumps(answer)
    assert client.cookies, "the cookie stays"
    broken = False
    clock.forward(days=1)
    assert (await client.refresh())["__typename"] == "AuthPayload"


# --- listeners ------------------------------------------------------------------------------


async def test_listeners_hear_of_events(
    host: Callable[..., Any], sqlite_settings: Settings, clock: SettableClock
) -> None:
    """Functions, sync and async, are told of the events they asked for, and of no others."""
    auth = GraphQLAuth(sqlite_settings, clock=clock)
    heard: list[Event] = []
    everything: list[Tag] = []

    @auth.on(Tag.SIGNED_UP, Tag.LOGGED_IN)
    async def arrived(event: Event) -> None:
        await asyncio.sleep(0)
        heard.append(event)

    @auth.on()
    def anything(event: Event) -> None:
        everything.append(event.tag)

    client = await host(auth)
    user = (await client.signup())["user"]
    await client.login(PASSWORD, email="ada@example.com")
    await client.field("mutation { logout { sessionEnded } }")
    await within(2, lambda: Tag.SESSION_ENDED in everything and len(heard) == 2)
    assert [event.tag for event in heard] == [Tag.SIGNED_UP, Tag.LOGGED_IN]
    assert {event.user_id for event in heard} == {UUID(user["id"])}
    assert heard[0].at == clock.now()
    assert {Tag.SIGNED_UP, Tag.LOGGED_IN} <= set(everything)


async def test_a_failing_listener_harms_nobody(
    host: Callable[..., Any],
    sqlite_settings: Settings,
    clock: SettableClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A listener that raises spoils neither the answer nor the other listeners."""
    auth = GraphQLAuth(sqlite_settings, clock=clock)
    heard: list[str] = []

    @auth.on(Tag.SIGNED_UP)
    def bad(_event: Event) -> None:
        raise RuntimeError("mail server on fire")

    @auth.on(Tag.SIGNED_UP)
    async def bad_too(_event: Event) -> None:
        raise RuntimeError("mail server on fire")

    @auth.on(Tag.SIGNED_UP)
    def good(_event: Event) -> None:
        heard.append("good")

    client = await host(auth)
    assert (await client.signup())["__typename"] == "AuthPayload"
    await within(2, lambda: heard)
    await within(2, lambda: caplog.text.count("a listener failed") == 2)
    assert (await client.me())["data"]["me"]["email"] == "ada@example.com"


async def test_a_slow_listener_holds_up_nobody(
    host: Callable[..., Any], sqlite_settings: Settings, clock: SettableClock
) -> None:
    """The answer does not wait for a listener."""
    auth = GraphQLAuth(sqlite_settings, clock=clock)
    go_on = asyncio.Event()
    done: list[str] = []

    @auth.on(Tag.SIGNED_UP)
    async def slow(_event: Event) -> None:
        await go_on.wait()
        done.append("slow")

    client = await host(auth)
    await asyncio.wait_for(client.signup(), 5)
    assert done == []
    go_on.set()
    await within(2, lambda: done)


async def test_nobody_is_told_of_what_was_rolled_back(
    host: Callable[..., Any], sqlite_settings: Settings, clock: SettableClock
) -> None:
    """A signup that is refused tells no listener that somebody signed up."""
    auth = GraphQLAuth(sqlite_settings, clock=clock)
    heard: list[Tag] = []

    @auth.on()
    def anything(event: Event) -> None:
        heard.append(event.tag)

    client = await host(auth)
    await client.signup()
    again = await client.field(
        SIGNUP, {"input": {"email": "ADA@example.com", "password": PASSWORD}}
    )
    assert again["__typename"] == "EmailTaken"
    await client.login(PASSWORD, email="ada@example.com")
    await within(2, lambda: Tag.LOGGED_IN in heard)
    assert heard.count(Tag.SIGNED_UP) == 1


# --- routes ---------------------------------------------------------------------------------


async def test_a_prefix(
    host: Callable[..., Any], sqlite_settings: Settings, clock: SettableClock
) -> None:
    """Under a prefix everything of ours is under the prefix, and the cookie still fits."""
    auth = GraphQLAuth(sqlite_settings, clock=clock)
    app = FastAPI()
    app.include_router(auth.router(query=Query), prefix="/api")
    client = await host(auth, app=app)
    assert (await client.http.get("/api/.well-known/jwks.json")).json()["keys"]
    assert (await client.http.post("/graphql", json={})).status_code == 404
    client.http.base_url = httpx.URL(f"{auth.settings.public_url}/api")
    await client.signup()
    await client.refresh()
    assert await client.field("{ mineByExtension }") == "mine"


@pytest.mark.parametrize("where", ["router", "application", "router around it"])
async def test_dependencies_of_the_host(
    where: str, host: Callable[..., Any], sqlite_settings: Settings, clock: SettableClock
) -> None:
    """What a host hangs before the router with `dependencies` is asked before every operation,
    wherever it hangs it."""
    passed: list[str] = []

    async def require_key(
        later: BackgroundTasks, x_key: str = Header("")
    ) -> AsyncGenerator[None, None]:
        if x_key != "open":
            raise HTTPException(403, "no key")
        later.add_task(passed.append, "afterwards")
        yield
        passed.append(x_key)

    auth = GraphQLAuth(sqlite_settings, clock=clock)
    guards = [Depends(require_key)]
    app = FastAPI(dependencies=guards if where == "application" else None)
    if where == "router around it":
        around = APIRouter(dependencies=guards)
        around.include_router(auth.router(**TYPES))
        app.include_router(around)
    else:
        app.include_router(auth.router(**TYPES), dependencies=guards if where == "router" else None)
    client = await host(auth, app=app)
    for method in ("GET", "POST", "OPTIONS", "PUT"):
        assert (await client.http.request(method, "/graphql")).status_code == 403, method
    assert (await client.http.get("/.well-known/jwks.json")).status_code == 403
    assert passed == []
    assert await client.field("{ public }", x_key="open") == "None None () []"
    assert sorted(passed) == ["afterwards", "open"]


async def test_a_hosts_bound_on_bodies(
    host: Callable[..., Any], sqlite_settings: Settings, clock: SettableClock
) -> None:
    """What a host bounds with FastAPI's `max_body_size` is bounded for our routes, too."""
    auth = GraphQLAuth(sqlite_settings, clock=clock)
    app = FastAPI()
    app.include_router(auth.router(**TYPES), max_body_size=200)
    client = await host(auth, app=app)
    assert await client.field("{ public }") == "None None () []"
    large = {"query": "{ public }" + " " * 200}
    assert (await client.http.post("/graphql", json=large)).status_code == 413


async def test_a_hosts_own_pages_stay(client: GraphQLClient) -> None:
    """The host's application keeps its documentation, which does not list our routes."""
    assert (await client.http.get("/docs")).status_code == 200
    openapi = (await client.http.get("/openapi.json")).json()
    assert openapi["paths"] == {}
    assert (await client.http.get("/nothing-here")).json() == {"detail": "Not Found"}


async def test_another_path(host: Callable[..., Any]) -> None:
    """GraphQL is served where the host wants it."""
    client = await host(path="/api/v1")
    answer = await client.http.post("/api/v1", json={"query": "{ public }"})
    assert answer.json() == {"data": {"public": "None None () []"}}
    assert (await client.http.post("/graphql", json={"query": "{ public }"})).status_code == 404


async def test_methods_that_are_none(client: GraphQLClient) -> None:
    """A method we do not serve is told which we do, in our form."""
    answer = await client.http.put("/graphql", json={"query": "{ public }"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_without_the_lifespan(sqlite_settings: Settings) -> None:
    """A host that forgot the lifespan is told so, as an outage and not as a defect."""
    auth = GraphQLAuth(sqlite_settings)
    app = FastAPI()
    app.include_router(auth.router(**TYPES, health=True))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
        for answer in (
            await http.post("/graphql", json={"query": "{ public }"}),
            await http.get("/graphql", params={"query": "{ public }"}),
            await http.get("/.well-known/jwks.json"),
            await http.get("/readyz"),
        ):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            (error,) = answer.json()["errors"]
            assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
            assert "FastAPI(lifespan=auth.lifespan)" in error["message"]
        assert (await http.get("/healthz")).status_code == 200


async def test_a_lifespan_of_the_hosts_own(sqlite_settings: Settings) -> None:
    """`auth.running()` starts and stops the parts within a host's own lifespan."""
    auth = GraphQLAuth(sqlite_settings)
    app = FastAPI()
    app.include_router(auth.router(**TYPES))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
        for _ in range(2):
            async with auth.running():
                answer = await http.post("/graphql", json={"query": "{ public }"})
                assert answer.status_code == 200
            answer = await http.post("/graphql", json={"query": "{ public }"})
            assert answer.status_code == 503


def test_settings_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without settings given, the environment's count; a wrong one stops the start by name."""
    monkeypatch.setenv("GQL_AUTH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GQL_AUTH_ACCESS_TOKEN_TTL", "5m")
    assert GraphQLAuth().settings.access_token_ttl == timedelta(minutes=5)
    assert GraphQLAuth(Settings(data_dir=tmp_path)).settings.access_token_ttl == timedelta(
        minutes=15
    )
    monkeypatch.setenv("GQL_AUTH_ACCESS_TOKEN_TTL", "soon")
    with pytest.raises(SettingsError, match="GQL_AUTH_ACCESS_TOKEN_TTL"):
        GraphQLAuth()


# --- subscriptions --------------------------------------------------------------------------


class Live:
    """A host's application on a real port."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.socket_url = url.replace("http", "ws", 1) + "/graphql"
        self.settings = settings

    async def signed_in(self, client: GraphQLClient) -> GraphQLClient:
        await client.login(PASSWORD, email="ada@example.com")
        return client

    def socket(self, **options: Any) -> Any:
        """The handshake; `async with` gives the connection."""
        return open_socket(
            self.socket_url, subprotocols=["graphql-transport-ws"], proxy=None, **options
        )  # type: ignore[arg-type]


@pytest.fixture
def live(sqlite_settings: Settings) -> Iterator[Live]:
    auth = GraphQLAuth(sqlite_settings)
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router(**TYPES))
    with serving(app) as url:
        yield Live(url, sqlite_settings)


@pytest.fixture
async def browser(live: Live) -> AsyncIterator[GraphQLClient]:
    """One who has signed up at the live application."""
    async with httpx.AsyncClient(base_url=live.url) as http:
        client = GraphQLClient(http)
        await client.signup()
        yield client


async def init(socket: ClientConnection, payload: object = None) -> None:
    await tell(socket, {"type": "connection_init"} | ({"payload": payload} if payload else {}))
    assert (await hear(socket))["type"] == "connection_ack"


async def tell(socket: ClientConnection, message: dict[str, Any]) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 5))
    return message


async def run(socket: ClientConnection, query: str, name: str = "1") -> list[dict[str, Any]]:
    """What an operation gives, to its end."""
    await tell(socket, {"id": name, "type": "subscribe", "payload": {"query": query}})
    heard: list[dict[str, Any]] = []
    while not heard or heard[-1]["type"] not in {"complete", "error"}:
        heard.append(await hear(socket))
        assert heard[-1]["id"] == name
    return heard


def refusal_of(heard: list[dict[str, Any]]) -> dict[str, Any]:
    """The extensions of the one error among what an operation gave, and no data beside it."""
    errors = [
        error
        for message in heard
        if message["type"] != "complete"
        for error in (
            message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        )
    ]
    assert not any(message["payload"].get("data") for message in heard if message["type"] == "next")
    (error,) = errors
    extensions: dict[str, Any] = error["extensions"]
    return extensions


async def test_subscriptions_of_the_host(live: Live, browser: GraphQLClient) -> None:
    """A host's subscription streams over graphql-transport-ws, public ones without a token."""
    async with live.socket() as socket:
        await init(socket)
        heard = await run(socket, "subscription { count }")
    assert [each["payload"]["data"]["count"] for each in heard[:-1]] == [0, 1, 2]


async def test_guards_on_subscriptions(live: Live, browser: GraphQLClient) -> None:
    """Guards refuse a subscription before its first value: no token, a bad one, no role."""
    guarded_ones = ["mine", "admin", "adminByExtension"]
    async with live.socket() as socket:
        await init(socket)
        for field in guarded_ones:
            extensions = refusal_of(await run(socket, f"subscription {{ {field} }}"))
            assert extensions == {"code": "UNAUTHENTICATED", "reason": "ACCESS_TOKEN_MISSING"}
    async with live.socket() as socket:
        await init(socket, {"Authorization": "Bearer x"})
        for field in guarded_ones:
            extensions = refusal_of(await run(socket, f"subscription {{ {field} }}"))
            assert extensions["reason"] == "ACCESS_TOKEN_INVALID"
    async with live.socket() as socket:
        await init(socket, {"Authorization": f"Bearer {browser.access_token}"})
        for field in guarded_ones[1:]:
            extensions = refusal_of(await run(socket, f"subscription {{ {field} }}"))
            assert extensions == {"code": "FORBIDDEN", "reason": "ROLE_REQUIRED"}
        heard = await run(socket, "subscription { mine }")
        me = (await browser.me())["data"]["me"]["id"]
        assert heard[0]["payload"] == {"data": {"mine": me}}

    await give_role(live.settings, "admin")
    await browser.refresh()
    for headers, payload in (
        ({}, {"authorization": f"Bearer {browser.access_token}"}),
        ({"Authorization": f"Bearer {browser.access_token}"}, None),
    ):
        async with live.socket(additional_headers=headers) as socket:
            await init(socket, payload)
            for field in guarded_ones[1:]:
                heard = await run(socket, f"subscription {{ {field} }}")
                assert heard[0]["payload"] == {"data": {field: "admin"}}


async def test_a_socket_does_not_outlive_its_session(live: Live, browser: GraphQLClient) -> None:
    """A socket that spoke for a session is closed when that ends, with a code that says so."""
    async with live.socket() as socket:
        await init(socket, {"Authorization": f"Bearer {browser.access_token}"})
        await run(socket, "subscription { mine }")
        assert await browser.field("mutation { logout { sessionEnded } }") == {"sessionEnded": True}
        with pytest.raises(ConnectionClosed) as caught:
            await hear(socket)
    assert caught.value.rcvd
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4403, "Session revoked")


async def test_a_running_stream_ends_with_its_session(live: Live, browser: GraphQLClient) -> None:
    """A subscription that would go on for ever is cut off by a logout."""
    async with live.socket() as socket:
        await init(socket, {"Authorization": f"Bearer {browser.access_token}"})
        query = {"query": "subscription { present }"}
        await tell(socket, {"id": "1", "type": "subscribe", "payload": query})
        assert (await hear(socket))["payload"] == {"data": {"present": True}}
        await browser.field("mutation { logout { sessionEnded } }")
        with suppress(ConnectionClosed):
            async with asyncio.timeout(5):
                async for heard in socket:
                    assert json.loads(heard)["payload"] == {"data": {"present": True}}
        assert socket.close_code == 4403


async def test_sign_in_over_a_socket(live: Live, browser: GraphQLClient) -> None:
    """A socket can set no cookie, so signing in over one is refused."""
    async with live.socket() as socket:
        await init(socket)
        heard = await run(
            socket,
            'mutation { login(input: {email: "ada@example.com", password: "correct horse battery"'
            "}) { __typename } }",
        )
        assert refusal_of(heard)["reason"] == "POST_REQUIRED"


async def test_a_real_client_subscribes(live: Live, browser: GraphQLClient) -> None:
    """A GraphQL client from a package subscribes with the token in `connection_init`."""
    transport = WebsocketsTransport(
        live.socket_url,
        init_payload={"Authorization": f"Bearer {browser.access_token}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    async with Client(transport=transport) as session:
        found = [each async for each in session.subscribe(gql("subscription { mine }"))]
        assert found == [{"mine": (await browser.me())["data"]["me"]["id"]}]
        with pytest.raises(TransportQueryError, match="ROLE_REQUIRED"):
            await anext(session.subscribe(gql("subscription { admin }")))


async def test_sockets_of_other_sites(live: Live) -> None:
    """A page of another site cannot open a socket: it would ride on the visitor's address."""
    with pytest.raises(InvalidStatus) as caught:
        async with live.socket(origin="https://evil.example"):
            pass
    assert caught.value.response.status_code == 403


async def test_sockets_without_init(live: Live) -> None:
    """Before `connection_init` nothing runs, and the old protocol is not spoken."""
    async with live.socket() as socket:
        await tell(socket, {"id": "1", "type": "subscribe", "payload": {"query": "{ public }"}})
        with pytest.raises(ConnectionClosed) as caught:
            await hear(socket)
    assert caught.value.rcvd
    assert caught.value.rcvd.code == 4401


async def test_dependencies_guard_sockets_too(sqlite_settings: Settings) -> None:
    """A host's dependency is asked before a socket opens."""

    async def require_key(x_key: str = Header("")) -> None:
        if x_key != "open":
            raise HTTPException(403, "no key")

    auth = GraphQLAuth(sqlite_settings)
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router(**TYPES), prefix="/api", dependencies=[Depends(require_key)])
    with serving(app) as url:
        live = Live(url + "/api", sqlite_settings)
        with pytest.raises(InvalidStatus):
            async with live.socket():
                pass
        async with live.socket(additional_headers={"X-Key": "open"}) as socket:
            await init(socket)
            assert len(await run(socket, "subscription { count(to: 1) }")) == 2


async def test_the_standalone_servers_sockets(sqlite_settings: Settings) -> None:
    """Where no host brings subscriptions, a socket serves ours, and queries."""
    with serving(create_app(GraphQLAuth(sqlite_settings))) as url:
        live = Live(url, sqlite_settings)
        async with live.socket() as socket:
            await init(socket)
            heard = await run(socket, "{ __typename }")
            assert heard[0]["payload"]["data"] == {"__typename": "Query"}
            refusal = refusal_of(await run(socket, "subscription { sessionEvents { at } }"))
            assert refusal["reason"] == "ACCESS_TOKEN_MISSING"
