"""How many fields of one operation may check or set a password: one, unless the operator says."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from graphql import get_named_type
from sqlmodel import func, select

from gql_auth.app import GraphQLAuth, build_schema, create_app
from gql_auth.features.audit.tables import EventRow
from gql_auth.features.throttle.tables import ThrottleRow
from gql_auth.kernel.settings import Settings
from gql_auth.serving.credentials import _credential_fields
from tests.attacks.browser import ask, serving
from tests.database import look
from tests.lines import opened
from tests.support import GraphQLClient, SettableClock, reason_of

GRAPHQL_RESPONSE = "application/graphql-response+json"
LOGIN = 'login(input: {email: "ada@example.com", password: "guess"}) { __typename }'
OTHER = 'login(input: {email: "bob@example.com", password: "guess"}) { __typename }'
SIGNUP = (
    'signup(input: {email: "eve@example.com", password: "correct horse battery"}) { __typename }'
)
CHANGE = 'changePassword(input: {currentPassword: "x", newPassword: "y"}) { __typename }'
LOGOUT = "logout { sessionEnded }"
CREDENTIALS = {
    "signup",
    "login",
    "changePassword",
    "resetPassword",
    "requestEmailChange",
    "deleteAccount",
}


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """A document is judged before the database is asked: one kind is enough."""
    return sqlite_settings


@pytest.fixture
async def http(settings: Settings, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    """The server's edge."""
    async with serving(settings, clock) as (_, made):
        yield made


def traces(settings: Settings) -> tuple[Any, ...]:
    """What any attempt would leave."""
    return tuple(
        look(settings, select(func.count()).select_from(table))[0][0]
        for table in (EventRow, ThrottleRow)
    )


ALWAYS = "@include(if: true)"
OFF = "b: " + LOGIN.replace(" { __", " @include(if: false) { __")
TOO_MANY = {
    "two aliases": f"mutation {{ a: {LOGIN} b: {LOGIN} }}",
    "name and alias": f"mutation {{ {LOGIN} b: {LOGIN} }}",
    "of two accounts": f"mutation {{ a: {LOGIN} b: {OTHER} }}",
    "of two kinds": f"mutation {{ {LOGIN} {SIGNUP} }}",
    "of one that wants a token": f"mutation {{ {LOGIN} {CHANGE} }}",
    "others between": f"mutation {{ a: {LOGIN} x: {LOGOUT} b: {LOGIN} y: {LOGOUT} }}",
    "a fragment": f"mutation {{ a: {LOGIN} ...F }} fragment F on Mutation {{ b: {LOGIN} }}",
    "a fragment before": f"fragment F on Mutation {{ b: {LOGIN} }} mutation {{ a: {LOGIN} ...F }}",
    "two fragments": f"mutation {{ ...F ...G }} fragment F on Mutation {{ a: {LOGIN} }} "
    f"fragment G on Mutation {{ b: {LOGIN} }}",
    "one fragment of two": "mutation { ...F } "
    f"fragment F on Mutation {{ a: {LOGIN} b: {LOGIN} }}",
    "nested fragments": f"mutation {{ a: {LOGIN} ...F }} fragment F on Mutation {{ ...G }} "
    f"fragment G on Mutation {{ ...H }} fragment H on Mutation {{ b: {LOGIN} }}",
    "a fragment in two places": f"mutation {{ ...F ...G }} fragment F on Mutation {{ a: {LOGIN} }} "
    f"fragment G on Mutation {{ ...F b: {LOGIN} }}",
    "inline fragments": f"mutation {{ ... on Mutation {{ a: {LOGIN} }} ... {{ b: {LOGIN} }} }}",
    "nested inline fragments": f"mutation {{ a: {LOGIN} "
    f"... {{ ... {{ ... {{ b: {LOGIN} }} }} }} }}",
    "inline in a fragment": f"mutation {{ ...F }} "
    f"fragment F on Mutation {{ a: {LOGIN} ... {{ b: {LOGIN} }} }}",
    "never included": f"mutation {{ a: {LOGIN} {OFF} }}",
    "skipped in a fragment": f"mutation {{ a: {LOGIN} ... @skip(if: true) {{ b: {LOGIN} }} }}",
    "included in a fragment": f"mutation {{ a: {LOGIN} ... {ALWAYS} {{ b: {LOGIN} }} }}",
    "a spread skipped": f"mutation {{ a: {LOGIN} ...F @skip(if: true) }} "
    f"fragment F on Mutation {{ b: {LOGIN} }}",
    "twenty": "mutation { " + " ".join(f"a{n}: {LOGIN}" for n in range(20)) + " }",
}  # fmt: skip


@pytest.mark.parametrize("kind", TOO_MANY)
async def test_more_than_one_is_refused_before_anything_runs(
    kind: str, http: httpx.AsyncClient, settings: Settings
) -> None:
    """However two credential fields are put into one operation, and whatever the directives on
    them say, the operation is refused as invalid: nothing is counted, checked or made."""
    for _ in range(2):  # a document that is known by heart is judged anew
        answer = await ask(http, TOO_MANY[kind], None, {"Accept": GRAPHQL_RESPONSE})
        body = answer.json()
        assert answer.status_code == 400
        assert "data" not in body
        (error,) = body["errors"]
        assert error["extensions"] == {
            "code": "GRAPHQL_VALIDATION_FAILED",
            "reason": "TOO_MANY_CREDENTIAL_FIELDS",
        }
        assert "one field" in error["message"]
        assert "one by one" in error["message"]
    assert (await ask(http, TOO_MANY[kind])).status_code == 200
    assert traces(settings) == (0, 0)


ALLOWED = {
    "one": f"mutation {{ {LOGIN} }}",
    "one among others": f"mutation {{ a: {LOGOUT} {LOGIN} b: {LOGOUT} }}",
    "one in a fragment": f"mutation {{ ...F }} fragment F on Mutation {{ {LOGIN} }}",
    # Two of one response name are one field and run once (GraphQL, section 6.3.2).
    "one name twice": f"mutation {{ {LOGIN} {LOGIN} }}",
    "one alias twice": f"mutation {{ a: {LOGIN} ... {{ a: {LOGIN} }} }}",
    "one fragment twice": f"mutation {{ ...F ...F }} fragment F on Mutation {{ {LOGIN} }}",
    "name and fragment": f"mutation {{ {LOGIN} ...F }} fragment F on Mutation {{ {LOGIN} }}",
}


@pytest.mark.parametrize("kind", ALLOWED)
async def test_one_is_run(kind: str, http: httpx.AsyncClient, settings: Settings) -> None:
    """One credential field runs, in whatever company, and runs once."""
    answer = (await ask(http, ALLOWED[kind])).json()
    assert "errors" not in answer
    assert {"__typename": "InvalidCredentials"} in answer["data"].values()
    assert traces(settings)[0] == 1


async def test_one_name_of_two_accounts_is_no_valid_document(
    http: httpx.AsyncClient, settings: Settings
) -> None:
    """Two guesses cannot hide behind one response name: such fields do not merge."""
    answer = (await ask(http, f"mutation {{ a: {LOGIN} a: {OTHER} }}")).json()
    assert reason_of(answer) == "GRAPHQL_VALIDATION_FAILED"
    assert traces(settings) == (0, 0)


SEVERAL = f"""
    mutation One {{ {LOGIN} }}
    mutation Two {{ a: {LOGIN} b: {LOGIN} }}
    query None {{ __typename }}
"""


async def test_the_operation_that_is_meant_counts(http: httpx.AsyncClient) -> None:
    """Of several operations in a document, the one that runs is counted and no other; also once
    the document is known by heart."""
    for name, reason in (("None", None), ("Two", "TOO_MANY_CREDENTIAL_FIELDS"), ("One", None)) * 2:
        sent = {"query": SEVERAL, "operationName": name}
        answer = (await http.post("/graphql", json=sent)).json()
        assert (reason_of(answer) if "errors" in answer else None) == reason
    answer = (await http.post("/graphql", json={"query": SEVERAL})).json()
    assert "operationName" in answer["errors"][0]["message"]


async def test_a_name_of_nothing_opens_no_way(
    auth: GraphQLAuth, client: GraphQLClient, settings: Settings
) -> None:
    """An empty or wrong operation name runs nothing, over a socket either."""
    await client.signup()
    before = traces(settings)
    two = f"mutation Two {{ a: {CHANGE} b: {CHANGE} }}"
    answer = await client.post(two)
    assert reason_of(answer) == "TOO_MANY_CREDENTIAL_FIELDS"
    for name in ("", "Nothing"):
        async with opened(create_app(auth), client.access_token) as wire:
            payload = {"query": two, "operationName": name}
            await wire.say({"id": "1", "type": "subscribe", "payload": payload})
            assert await wire.hear() == 4400
    assert traces(settings) == before


async def test_a_socket_counts_too(
    auth: GraphQLAuth, client: GraphQLClient, settings: Settings
) -> None:
    """What is refused by POST is refused over a WebSocket."""
    await client.signup()
    before = traces(settings)
    async with opened(create_app(auth), client.access_token) as wire:
        answer = await wire.ask(f"mutation {{ a: {CHANGE} b: {CHANGE} }}")
    assert reason_of(answer) == "TOO_MANY_CREDENTIAL_FIELDS"
    assert traces(settings) == before


NOT_VALID = {
    "a hundred": ("mutation { " + " ".join(f"a{n}: {LOGIN}" for n in range(100)) + " }",
                  "TOO_MANY_ALIASES"),
    "invalid besides": (f"mutation {{ a: {LOGIN} b: {LOGIN} nothing }}",
                        "GRAPHQL_VALIDATION_FAILED"),
    "fragments in a circle": (
        f"mutation {{ a: {LOGIN} ...F }} "
        f"fragment F on Mutation {{ ...G }} fragment G on Mutation {{ ...F b: {LOGIN} }}",
        "GRAPHQL_VALIDATION_FAILED",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOT_VALID)
async def test_what_is_not_valid_is_not_counted_either(
    kind: str, http: httpx.AsyncClient, settings: Settings
) -> None:
    """A document that cannot run for another reason is refused for that one."""
    document, code = NOT_VALID[kind]
    assert reason_of((await ask(http, document)).json()) == code
    assert traces(settings) == (0, 0)


async def test_a_batch_is_no_way_round(http: httpx.AsyncClient, settings: Settings) -> None:
    """Several operations in one request are not taken at all."""
    batch = [{"query": f"mutation {{ {LOGIN} }}"}] * 2
    answer = await http.post("/graphql", json=batch)
    assert answer.status_code == 400
    assert reason_of(answer.json()) == "BATCH_TOO_LARGE"
    assert traces(settings) == (0, 0)


async def test_an_allowed_batch_is_one_request(settings: Settings, clock: SettableClock) -> None:
    """Where batches are allowed, the second credential field of one is refused all the same."""
    async with serving(replace(settings, max_batch=3), clock) as (_, http):
        batch = [{"query": f"mutation {{ {LOGIN} }}"}] * 2 + [{"query": "{ __typename }"}]
        first, second, third = (await http.post("/graphql", json=batch)).json()
    assert first["data"]["login"]["__typename"] == "InvalidCredentials"
    assert reason_of(second) == "TOO_MANY_CREDENTIAL_FIELDS"
    assert third == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("allowed", [2, 100])
async def test_the_operator_may_allow_more(
    allowed: int, settings: Settings, clock: SettableClock
) -> None:
    """With a higher setting that many run, each of them counted, and one more is refused."""
    more = replace(settings, credential_fields=allowed, throttle_login_account_address=None,
                   max_aliases=200, max_root_fields=200, max_complexity=5_000,
                   max_tokens=4_000)  # fmt: skip
    fields = [
        f'a{n}: login(input: {{email: "a{n}@example.com", password: ""}}) {{ __typename }}'
        for n in range(allowed + 1)
    ]
    async with serving(more, clock) as (_, http):
        answer = (await ask(http, "mutation { " + " ".join(fields) + " }")).json()
        assert reason_of(answer) == "TOO_MANY_CREDENTIAL_FIELDS"
        assert f"{allowed} fields" in answer["errors"][0]["message"]
        answer = (await ask(http, "mutation { " + " ".join(fields[1:]) + " }")).json()
        assert len(answer["data"]) == allowed


def test_the_fields_that_take_a_password_are_credential_fields() -> None:
    """Whatever mutation takes a password is marked, so that a new one is not forgotten."""
    schema = build_schema()._schema
    assert schema.mutation_type
    taking = set()
    for name, field in schema.mutation_type.fields.items():
        for given, argument in field.args.items():
            words = [given, *getattr(get_named_type(argument.type), "fields", {})]
            if any("password" in word.lower() for word in words):
                taking.add(name)
    assert taking == _credential_fields(schema) == CREDENTIALS


async def test_a_document_that_nests_too_deeply(
    http: httpx.AsyncClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Fragments nested as deep as the bound of tokens lets them are no defect of the server."""
    inner = 60
    fragments = " ".join(
        f"fragment F{n} on Mutation {{ {'... { ' * inner} ...F{n + 1} {'} ' * inner} }}"
        for n in range(19)
    )
    document = (
        f"mutation {{ a: {LOGIN} ...F0 }} {fragments} fragment F19 on Mutation {{ b: {LOGIN} }}"
    )
    answer = await ask(http, document)
    assert answer.status_code < 500
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] in {"TOO_MANY_TOKENS", "TOO_DEEP"}
    assert "internal error" not in caplog.text
    assert traces(settings) == (0, 0)


async def test_guesses_of_one_operation_are_counted_each(
    settings: Settings, clock: SettableClock
) -> None:
    """Where the operator allows a hundred fields, aliases, fragments and inline fragments are
    an attempt each, and the throttle's limit is the limit."""
    more = replace(settings, credential_fields=100)
    documents = [
        "mutation { " + " ".join(f"a{n}: {LOGIN}" for n in range(6)) + " }",
        "mutation { ...F ... { x: " + LOGIN + " } } fragment F on Mutation { "
        + " ".join(f"a{n}: {LOGIN}" for n in range(6)) + " }",
    ]  # fmt: skip
    async with serving(more, clock) as (_, http):
        kinds = []
        for document in documents:
            answer = (await ask(http, document)).json()
            kinds += [each["__typename"] for each in answer["data"].values()]
    assert kinds == ["InvalidCredentials"] * 10 + ["TooManyAttempts"] * 3
