"""A server that does not let everybody introspect tells nothing of its schema in other ways."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from graphql import get_introspection_query

from gql_auth.building import build_schema
from gql_auth.kernel.settings import Settings
from tests.attacks.browser import ask, serving
from tests.support import LOGIN, SIGNUP, reason_of


@pytest.fixture
async def http(sqlite_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The server's edge, with introspection off."""
    async with serving(replace(sqlite_settings, introspection=False)) as (_, made):
        yield made


def words_of_the_schema() -> set[str]:
    """Every name in the schema that a client could not know by heart."""
    names = set()
    for kind in build_schema()._schema.type_map.values():
        names |= {kind.name, *getattr(kind, "fields", {}), *getattr(kind, "values", {})}
        for field in getattr(kind, "fields", {}).values():
            names |= set(getattr(field, "args", {}))
    common = {"at", "Query", "Mutation", "Subscription", "Int", "Float", "String", "Boolean", "ID",
              "id",
              "field", "name", "code", "message", "reason", "input", "args", "type", "fields",
              "locations", "types"}  # fmt: skip
    return {name for name in names - common if not name.startswith("__")}


PROBES = [
    ("{ m }", None), ("{ mee { id } }", None), ("{ me }", None), ("{ me { emial } }", None),
    ("{ me { id { x } } }", None), ("{ me(x: 1) { id } }", None), ("{ session { id } }", None),
    ("mutation { login }", None), ("mutation { login { x } }", None),
    ("mutation { login(input: 5) { __typename } }", None),
    ("mutation { login(input: {}) { __typename } }", None),
    ("mutation { login(input: {passwort: 1}) { __typename } }", None),
    ("mutation { signup(input: {email: 5}) { __typename } }", None),
    ("mutation { refreshToken { x } }", None),
    ("mutation { refreshToken { ... on User { id } } }", None),
    ("mutation { refreshToken { ... on AuthPayloa { id } } }", None),
    ("mutation { revokeSession { __typename } }", None),
    ("mutation { revokeSession(ID: 1) { __typename } }", None),
    ("query($x: LoginInpu!) { me { id } }", None), ("query($x: Int) { me(id: $x) { id } }", None),
    ("mutation($x: Int) { login(input: $x) { __typename } }", None),
    ("{ ... on Usr { id } }", None), ("fragment F on Sesion { id } { ...F }", None),
    ("{ me @includ(if: true) { id } }", None), ("{ me { id @skip } }", None),
    (LOGIN, {"input": {}}), (LOGIN, {"input": {"emial": 1}}), (LOGIN, {}), (LOGIN, {"input": 5}),
    (SIGNUP, {"input": {"password": 1}}), (SIGNUP, {"input": {"password": "x", "nam": 1}}),
    ("subscription { x }", None),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(PROBES)))
async def test_errors_name_nothing_new(number: int, http: httpx.AsyncClient) -> None:
    """An error names nothing of the schema but what the client wrote, and suggests nothing."""
    query, variables = PROBES[number]
    answer = await ask(http, query, variables)
    assert "errors" in answer.json(), answer.text
    messages = " ".join(error["message"] for error in answer.json()["errors"])
    assert "Did you mean" not in messages
    written = set(re.findall(r"\w+", f"{query} {variables}"))
    assert set(re.findall(r"\w+", messages)) & words_of_the_schema() <= written, messages


async def test_the_probes_would_tell_if_it_were_on(sqlite_settings: Settings) -> None:
    """Most of these errors help the developer of a server that introspects."""
    telling = 0
    async with serving(sqlite_settings) as (_, http):
        for query, variables in PROBES:
            text = (await ask(http, query, variables)).text
            written = set(re.findall(r"\w+", f"{query} {variables}"))
            telling += not set(re.findall(r"\w+", text)) & words_of_the_schema() <= written
    assert telling > len(PROBES) // 2


@pytest.mark.parametrize(
    "query",
    [get_introspection_query(), "{ __schema { queryType { name } } }",
     '{ __type(name: "User") { name } }', '{ x: __type(name: "User") { name } }',
     "{ ...F } fragment F on Query { __schema { queryType { name } } }",
     "{ ... { ... on Query { a: __schema { queryType { name } } } } }",
     "{ __schema @skip(if: true) { queryType { name } } }"],
)  # fmt: skip
async def test_introspection_is_refused(query: str, http: httpx.AsyncClient) -> None:
    """`__schema` and `__type` are refused wherever they stand; `__typename` is not theirs."""
    answer = (await ask(http, query)).json()
    assert "data" not in answer
    assert reason_of(answer) == "INTROSPECTION_DISABLED"
    assert (await ask(http, "{ __typename }")).json() == {"data": {"__typename": "Query"}}


async def test_it_is_on_by_default(sqlite_settings: Settings) -> None:
    """The introspection query of the usual tools stays within the default bounds."""
    async with serving(sqlite_settings) as (_, http):
        query = get_introspection_query(
            specified_by_url=True, directive_is_repeatable=True, schema_description=True,
            input_value_deprecation=True,
        )  # fmt: skip
        assert "errors" not in (await ask(http, query)).json()
