"""The schema as a subgraph: what it prints, and whom it finds for which caller of a router."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import strawberry
from fastapi import FastAPI
from graphql import ObjectTypeDefinitionNode, parse, print_ast
from sqlalchemy import event, text, update
from strawberry import federation

from gql_auth import AuthContext, Caller, Forbidden, GraphQLAuth, Guard, HasRole, IsAuthenticated
from gql_auth.building import build_schema
from gql_auth.features.users.core import Users
from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.settings import Settings
from tests.database import tamper
from tests.process import invoke
from tests.support import GraphQLClient, SettableClock, reason_of

ENTITIES = """query($of: [_Any!]!) { _entities(representations: $of) {
    __typename ... on User { id email emailVerified username name roles createdAt } } }"""
SUBGRAPH = Settings(federation=True)
SDL = "{ _service { sdl } }"
STRANGER = "01900000-0000-7000-8000-000000000000"


class Vip(Guard):
    """A guard of the host's own."""

    @classmethod
    def check(cls, caller: Caller) -> None:
        raise Forbidden("VIP_REQUIRED", "Only for few")


@strawberry.interface
class Priced:
    @strawberry.field(permission_classes=[IsAuthenticated])
    def price(self) -> int:
        return 7


@federation.type(keys=["upc"])
class Product(Priced):
    upc: strawberry.ID
    weight: int | None = None

    @classmethod
    def resolve_reference(cls, upc: strawberry.ID, weight: int | None = None) -> "Product":
        if upc == "broken":
            raise TypeError("the host's password is swordfish")
        return cls(upc=upc, weight=weight)


@federation.type(keys=["name"])
class Shelf:
    name: str
    seen_by: str

    @classmethod
    async def resolve_reference(cls, info: strawberry.Info[AuthContext], name: str) -> "Shelf":
        return cls(name=name, seen_by=str(info.context.user_id))


@federation.type(keys=[federation.schema_directives.Key(fields="id", resolvable=False)])
class Stub:
    id: strawberry.ID


@strawberry.type
class Query:
    @strawberry.field
    def product(self) -> Product:
        return Product(upc=strawberry.ID("1"))

    @strawberry.field
    def shelf(self) -> Shelf | None:
        return None

    @strawberry.field
    def stub(self) -> Stub:
        return Stub(id=strawberry.ID("1"))

    @strawberry.field(permission_classes=[HasRole("admin", "auditor")])
    def either(self) -> str:
        return "either"

    @strawberry.field(permission_classes=[HasRole("a", "b"), HasRole("c")])
    def both(self) -> str:
        return "both"

    @strawberry.field(permission_classes=[Vip])
    def vip(self) -> str:
        return "vip"

    @strawberry.field(permission_classes=[IsAuthenticated, HasRole("x y")])
    def nobody(self) -> str:
        return "nobody"

    @federation.field(shareable=True)
    def shared(self) -> int:
        return 1


class Subgraph:
    """A running subgraph; called, it gives another client of it."""

    def __init__(self, auth: GraphQLAuth, http: httpx.AsyncClient) -> None:
        self.auth = auth
        self._http = http

    def __call__(self) -> GraphQLClient:
        return GraphQLClient(self._http)


@asynccontextmanager
async def subgraph(auth: GraphQLAuth) -> AsyncIterator[Subgraph]:
    """A subgraph with the host's types."""
    app = FastAPI()
    app.include_router(auth.router(query=Query))
    transport, url = httpx.ASGITransport(app), auth.settings.public_url
    async with auth.running(), httpx.AsyncClient(transport=transport, base_url=url) as http:
        yield Subgraph(auth, http)


@pytest.fixture
async def host(settings: Settings, clock: SettableClock) -> AsyncIterator[Subgraph]:
    """A subgraph on either database, which takes 50 representations."""
    chosen = replace(settings, federation=True, max_representations=50)
    async with subgraph(GraphQLAuth(chosen, clock=clock)) as made:
        yield made


@pytest.fixture
def ada(host: Subgraph) -> GraphQLClient:
    return host()


@pytest.fixture
def bob(host: Subgraph) -> GraphQLClient:
    return host()


async def give_roles(auth: GraphQLAuth, client: GraphQLClient, *roles: str) -> None:
    """Give Bob roles, and sign in anew with them."""
    async with auth.system.units.write() as unit:
        users = unit.get(Users)
        await users.set_roles((await users.require("bob@example.com")).id, roles)
    await client.login(email="bob@example.com")


def users_read(auth: GraphQLAuth) -> list[str]:
    """Every statement from now on that reads accounts."""
    said: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM gql_auth_users" in statement:
            said.append(statement)

    event.listen(auth.system.database._engine.sync_engine, "before_cursor_execute", hear)
    return said


async def ask(client: GraphQLClient, *representations: Any, **more: Any) -> dict[str, Any]:
    return await client.post(ENTITIES, {"of": list(representations)}, **more)


def user(user_id: str) -> dict[str, str]:
    return {"__typename": "User", "id": user_id}


def reasons(answer: dict[str, Any]) -> list[str | None]:
    """Of each entity the reason why it was not told."""
    told: list[str | None] = [None] * len(answer["data"]["_entities"])
    for error in answer.get("errors", ()):
        name, place = error["path"]
        assert name == "_entities"
        assert answer["data"]["_entities"][place] is None
        told[place] = error["extensions"].get("reason", error["extensions"]["code"])
    return told


# -- whose account a router finds ------------------------------------------------------------


async def test_the_caller_sees_himself_whole(ada: GraphQLClient) -> None:
    """A reference to one's own account gives what `me` gives."""
    me = (await ada.signup(name="Ada", username="ada"))["user"]
    answer = await ask(ada, user(me["id"]), user(me["id"]))
    assert "errors" not in answer
    assert answer["data"]["_entities"] == [{"__typename": "User"} | me] * 2


async def test_nobody_sees_another_account(ada: GraphQLClient, bob: GraphQLClient) -> None:
    """Of others nothing is told, not even whether there is such an account; roles but `admin`
    change nothing."""
    me = (await ada.signup())["user"]
    other = (await bob.signup("bob@example.com"))["user"]
    for asked in (other["id"], STRANGER, "x", ""):
        answer = await ask(ada, user(asked), user(me["id"]))
        assert reasons(answer) == ["ROLE_REQUIRED", None]
        (error,) = answer["errors"]
        assert error["message"] == 'Role "admin" required for accounts of others'
        assert error["extensions"] == {"code": "FORBIDDEN", "reason": "ROLE_REQUIRED"}
        assert answer["data"]["_entities"][1]["email"] == "ada@example.com"


async def test_without_a_token_nobody_is_found(ada: GraphQLClient, bob: GraphQLClient) -> None:
    """Each reference to an account is refused like a protected field, with the reason."""
    me = (await ada.signup())["user"]
    assert reasons(await ask(bob, user(me["id"]), user(STRANGER))) == ["ACCESS_TOKEN_MISSING"] * 2
    assert reasons(await ask(bob, user(me["id"]), token="x")) == ["ACCESS_TOKEN_INVALID"]
    await ada.field("mutation { logout { sessionEnded } }")
    assert reasons(await ask(ada, user(me["id"]))) == ["SESSION_REVOKED"]


async def test_admins_see_every_account(
    host: Subgraph, ada: GraphQLClient, bob: GraphQLClient
) -> None:
    """Whoever bears the role `admin` sees all, and null where there is no such account."""
    her = (await ada.signup())["user"]
    await bob.signup("bob@example.com")
    await give_roles(host.auth, bob, "auditor", "administrator")
    assert reasons(await ask(bob, user(her["id"]))) == ["ROLE_REQUIRED"]
    await give_roles(host.auth, bob, "admin")
    answer = await ask(bob, user(her["id"]), user(STRANGER), user("x"), user(her["id"].upper()))
    assert "errors" not in answer
    first, *others = answer["data"]["_entities"]
    assert first["email"] == "ada@example.com"
    assert others[:2] == [None, None]
    assert others[2]["id"] == her["id"]


async def test_many_accounts_are_one_read(host: Subgraph, bob: GraphQLClient) -> None:
    """As many accounts as are referred to cost one statement."""
    await bob.signup("bob@example.com")
    await give_roles(host.auth, bob, "admin")
    read = users_read(host.auth)
    answer = await ask(bob, *[user(STRANGER[:-2] + f"{n:02}") for n in range(50)])
    assert answer["data"]["_entities"] == [None] * 50
    assert len(read) == 1


async def test_strangers_are_not_looked_for(host: Subgraph, ada: GraphQLClient) -> None:
    """The refusal takes no longer where there is such an account: nothing is read for it."""
    await ada.signup()
    read = users_read(host.auth)
    assert reasons(await ask(ada, user(STRANGER), user("x"))) == ["ROLE_REQUIRED"] * 2
    assert reasons(await ask(host(), user(STRANGER))) == ["ACCESS_TOKEN_MISSING"]
    assert read == []


async def test_a_deleted_account_is_signed_out(host: Subgraph, ada: GraphQLClient) -> None:
    """Where the caller's own account is gone, the reference says what `me` says."""
    me = (await ada.signup())["user"]
    for table in ("passwords", "sessions", "users"):
        tamper(host.auth.settings, text(f"DELETE FROM gql_auth_{table}"))
    assert reason_of(await ada.me()) == "SESSION_REVOKED"
    assert reasons(await ask(ada, user(me["id"]))) == ["SESSION_REVOKED"]


# -- whatever is sent as a representation ----------------------------------------------------

GARBAGE: list[Any] = [
    1, "x", True, [], [[]], {}, {"id": "x"}, {"__typename": None}, {"__typename": 1},
    {"__typename": ["User"]}, {"__typename": {}}, {"__typename": "user", "id": "x"},
    {"__typename": "Nothing", "id": "x"}, {"__typename": "Query"}, {"__typename": "AuthPayload"},
    {"__typename": "String"}, {"__typename": "__Schema"}, {"__typename": "Stub", "id": "1"},
    {"__typename": "Session", "id": "x"}, {"__typename": "User"},
    {"__typename": "User", "id": None}, {"__typename": "User", "id": {}},
    {"__typename": "User", "id": ["x"]}, {"__typename": "User", "id": True},
    {"__typename": "User", "id": "x", "email": "root@example.com"},
    {"__typename": "User", "id": "x", "roles": ["admin"]},
    {"__typename": "User", "id": "x", "info": {}}, {"__typename": "User", "ID": "x"},
    {"__typename": "User", "email": "ada@example.com"},
    {"__typename": "Product"}, {"__typename": "Product", "upc": None},
    {"__typename": "Product", "upc": {"a": 1}}, {"__typename": "Product", "upc": "1", "cls": 1},
    {"__typename": "Product", "upc": "1", "price": 1},
    {"__typename": "Product", "upc": "1", "weight": "heavy"},
    {"__typename": "Product", "upc": "1", "weight": 1e300},
    {"__typename": "Shelf", "name": "x", "info": None}, {"__typename": "Shelf", "name": 1},
    {"__typename": "Shelf", "name": "x", "seenBy": "me"},
]  # fmt: skip


async def test_garbage_is_refused_one_by_one(ada: GraphQLClient) -> None:
    """Whatever is no reference is null with a code, tells nothing of the schema, and spoils
    nothing beside it."""
    me = (await ada.signup())["user"]
    answer = await ask(ada, *GARBAGE, user(me["id"]))
    assert ada.last.status_code == 200
    assert reasons(answer) == ["REPRESENTATION_INVALID"] * len(GARBAGE) + [None]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}
    for word in ("Product", "Shelf", "Stub", "upc", "seenBy", "Session", "TypeError"):
        assert word not in str(answer), word


async def test_garbage_written_into_the_document(ada: GraphQLClient) -> None:
    """Literals are no other thing than variables."""
    await ada.signup()
    for written in ("1", '"x"', "{}", "X", '{__typename: "User", id: {}}', "[[]]"):
        answer = await ada.post(f"{{ _entities(representations: [{written}]) {{ __typename }} }}")
        assert reason_of(answer) == "REPRESENTATION_INVALID", written
    for written in ("null", "[null]"):
        answer = await ada.post(f"{{ _entities(representations: {written}) {{ __typename }} }}")
        assert reason_of(answer) == "GRAPHQL_VALIDATION_FAILED"


async def test_the_number_of_representations_is_bounded(ada: GraphQLClient) -> None:
    """One too many refuses the field, before anything is looked at."""
    await ada.signup()
    assert len((await ask(ada, *[1] * 50))["data"]["_entities"]) == 50
    answer = await ask(ada, *[1] * 51)
    assert reason_of(answer) == "TOO_MANY_REPRESENTATIONS"
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert answer["data"] is None


# -- the host's own types --------------------------------------------------------------------


async def test_a_hosts_types_are_entities(ada: GraphQLClient) -> None:
    """They are found by `resolve_reference`, sync or async, with the context; a defect in it is
    masked, and of that entity alone."""
    me = (await ada.signup())["user"]
    answer = await ada.post(
        """query($of: [_Any!]!) { _entities(representations: $of) {
            ... on Product { upc weight price } ... on Shelf { name seenBy } } }""",
        {
            "of": [
                {"__typename": "Product", "upc": 7},
                {"__typename": "Shelf", "name": "top"},
                {"__typename": "Product", "upc": "broken"},
                {"__typename": "Product", "upc": "8", "weight": 3},
            ]
        },
    )
    assert answer["data"]["_entities"] == [
        {"upc": "7", "weight": None, "price": 7},
        {"name": "top", "seenBy": me["id"]},
        None,
        {"upc": "8", "weight": 3, "price": 7},
    ]
    (error,) = answer["errors"]
    assert error["path"] == ["_entities", 2]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "swordfish" not in str(answer)


async def test_guards_hold_behind_a_router(host: Subgraph) -> None:
    """What a router should have kept away is refused here all the same."""
    client = host()
    answer = await client.post(
        'query { _entities(representations: [{__typename: "Product", upc: "1"}]) '
        "{ ... on Product { price } } }"
    )
    assert reason_of(answer) == "ACCESS_TOKEN_MISSING"
    for query in ("{ either }", "{ both }", "{ vip }", "{ me { id } }"):
        assert reason_of(await client.post(query)) == "ACCESS_TOKEN_MISSING"
    await client.signup()
    assert reason_of(await client.post("{ either }")) == "ROLE_REQUIRED"
    assert reason_of(await client.post("{ vip }")) == "VIP_REQUIRED"


def test_an_entity_needs_resolve_reference() -> None:
    """Strawberry would make an object of whatever was sent: the start refuses that."""

    @federation.type(keys=["id"])
    class Loose:
        id: strawberry.ID

    @strawberry.type
    class Loosely:
        loose: Loose

    with pytest.raises(ValueError, match="Loose has a key and no resolve_reference"):
        build_schema(query=Loosely, settings=SUBGRAPH)


@pytest.mark.parametrize("options", [{"authenticated": True}, {"requires_scopes": [["x"]]}])
def test_a_routers_directive_by_itself_is_refused(options: dict[str, Any]) -> None:
    """A directive that only a router would enforce is an error at start."""

    @strawberry.type
    class Trusting:
        @federation.field(**options)
        def secret(self) -> str:
            return "swordfish"

    with pytest.raises(ValueError, match="by itself enforces nothing"):
        build_schema(query=Trusting, settings=SUBGRAPH)


def test_the_machinery_cannot_be_taken_over() -> None:
    """A host's own `_entities` is a clash of names, as any other."""

    @strawberry.type
    class Cuckoo:
        @strawberry.field(name="_entities")
        def mine(self) -> str:
            return "mine"

    with pytest.raises(ValueError, match="Query has two fields named _entities"):
        build_schema(query=Cuckoo, settings=SUBGRAPH)


# -- what is printed -------------------------------------------------------------------------


def directives_of(sdl: str) -> dict[str, str]:
    """The directives of types and fields, as they are printed."""
    found = {}
    for node in parse(sdl).definitions:
        if not isinstance(node, ObjectTypeDefinitionNode):
            continue
        for name, each in [
            (node.name.value, node),
            *((f"{node.name.value}.{field.name.value}", field) for field in node.fields or ()),
        ]:
            found[name] = " ".join(print_ast(one) for one in each.directives or ())
    return found


def test_the_sdl_is_apollos() -> None:
    """Guards are printed as what a router reads: `@authenticated`, imported from Apollo, and
    roles as scopes, in each combination that would do."""
    sdl = build_schema(query=Query, settings=SUBGRAPH).as_str()
    told = directives_of(sdl)
    assert told["User"] == '@key(fields: "id")'
    assert told["Product"] == '@key(fields: "upc")'
    assert told["Stub"] == '@key(fields: "id", resolvable: false)'
    assert told["Query.me"] == told["Query.vip"].replace("@vip ", "") == "@authenticated"
    assert told["Product.price"] == "@authenticated"
    assert told["Query.either"] == (
        '@hasRole(anyOf: ["admin", "auditor"]) '
        '@requiresScopes(scopes: [["role:admin"], ["role:auditor"]])'
    )
    assert told["Query.both"].endswith(
        '@requiresScopes(scopes: [["role:a", "role:c"], ["role:b", "role:c"]])'
    )
    assert told["Query.shared"] == "@shareable"
    assert told["AuthPayload"] == told["AuthPayload.user"] == told["Query.product"] == ""
    first = sdl.split("{")[0]
    assert "https://specs.apollo.dev/federation/v2.9" in first
    for name in ("authenticated", "key", "requiresScopes", "shareable"):
        assert f'"@{name}"' in first
        assert f"directive @{name}" not in sdl
    assert "interface Priced {\n  price: Int!\n}" in sdl
    assert not {"_Any", "_Entity", "_Service", "Query._entities"} & told.keys()


def test_the_command_prints_it() -> None:
    """`gql-auth schema --federation` prints what composition wants; without the option nothing of
    it is there."""
    printed = invoke("schema", "--federation")
    assert printed.stdout.strip() == build_schema(settings=SUBGRAPH).as_str()
    plain = invoke("schema").stdout
    assert plain == Path("schema.graphql").read_text()
    assert "_entities" not in plain
    assert "specs.apollo.dev" not in plain


async def test_service_shows_the_same(host: Subgraph) -> None:
    """`_service` answers with the SDL of what is served."""
    answer = await host().field(SDL)
    assert answer == {"sdl": build_schema(query=Query, settings=SUBGRAPH).as_str()}


async def test_without_introspection_the_sdl_is_not_shown(sqlite_settings: Settings) -> None:
    """`_service` would give away what introspection does not, to admins as to anybody."""
    auth = GraphQLAuth(replace(sqlite_settings, federation=True, introspection=False))
    async with subgraph(auth) as host:
        for query in (SDL, "{ _service { __typename } }", f"query A {SDL}"):
            answer = await host().post(query)
            assert reason_of(answer) == "INTROSPECTION_DISABLED"
            assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
            assert answer["data"] is None


async def test_off_there_is_nothing_of_it(auth: GraphQLAuth, client: GraphQLClient) -> None:
    """Unless it is switched on, the fields of routers do not exist, and tokens name no scope."""
    for query in (SDL, "{ _entities(representations: []) { __typename } }"):
        answer = await client.post(query)
        assert reason_of(answer) == "GRAPHQL_VALIDATION_FAILED"
    await client.signup("bob@example.com")
    await give_roles(auth, client, "admin")
    assert claims_of(client)["roles"] == ["admin"]
    assert "scope" not in claims_of(client)


# -- scopes ----------------------------------------------------------------------------------


def claims_of(client: GraphQLClient) -> dict[str, Any]:
    assert client.access_token
    claims: dict[str, Any] = jwt.decode(client.access_token, options={"verify_signature": False})
    return claims


async def test_roles_are_scopes_in_the_token(host: Subgraph, bob: GraphQLClient) -> None:
    """What `@requiresScopes` asks for is in the claim `scope`; without a role there is none."""
    await bob.signup("bob@example.com")
    assert "scope" not in claims_of(bob)
    await give_roles(host.auth, bob, "admin", "team:red")
    assert claims_of(bob)["scope"] == "role:admin role:team:red"
    assert await bob.field("{ either }") == "either"


async def test_a_role_is_one_scope(host: Subgraph, bob: GraphQLClient) -> None:
    """What is no role name, though somebody wrote it into the database, makes no second scope."""
    await bob.signup("bob@example.com")
    roles = ["editor", "x role:admin", ""]
    assert tamper(host.auth.settings, update(UserRow).values(roles=roles)) == 1
    await bob.login(email="bob@example.com")
    assert claims_of(bob)["scope"] == "role:editor"
