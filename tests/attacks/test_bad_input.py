"""Bad input: each gets the contract's answer or a precise 4xx, and nothing is stored half."""

import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from gql_auth.kernel.settings import Settings
from gql_auth.serving.http import MAX_BODY
from tests.attacks.browser import ask, cookies_of, counts, serving
from tests.support import LOGIN, PASSWORD, SECRET, SIGNUP, GraphQLClient, reason_of

JSON = {"Content-Type": "application/json"}
LEAKS = (
    "Traceback", 'File "', "sqlalchemy", "sqlite", "psycopg", "postgres", "asyncpg", "SELECT",
    "INSERT", "gql_auth_", "graphql-core", "strawberry", "0x7f",
)  # fmt: skip
CHANGE = (
    "mutation($input: ChangePasswordInput!) { changePassword(input: $input) "
    "{ __typename ... on AuthError { message } "
    "... on InvalidInput { violations { field code message } } } }"
)
REVOKE = (
    "mutation($id: ID!) { revokeSession(id: $id) "
    "{ __typename ... on AuthError { message } ... on RevokeSessionPayload { session { id } } } }"
)


def is_clean(response: httpx.Response, status: int | None = None) -> dict[str, Any]:
    """The answer is no server error, names no part of the machinery, and each error has a code."""
    assert response.status_code < 500, response.text[:300]
    if status is not None:
        assert response.status_code == status, response.text[:300]
    assert not [leak for leak in LEAKS if leak in response.text], response.text[:600]
    body: dict[str, Any] = response.json()
    for error in body.get("errors", []):
        assert error["extensions"]["code"] not in {"INTERNAL_SERVER_ERROR", "", None}
        assert len(error["message"]) <= 500
    return body


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With bounds so wide that the rules themselves see what the bounds would keep away."""
    return replace(settings, max_variables_size=1_000_000, max_document_size=1_000_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wide(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """The same server with those bounds."""
    folder = tmp_path_factory.mktemp("wide")
    settings = Settings(
        data_dir=folder, secret=SECRET, bcrypt_cost=10, max_variables_size=1_000_000
    )
    async with serving(settings) as (_, made):
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """A server on SQLite, for what never reaches SQL; one for all, as nothing changes in it."""
    folder = tmp_path_factory.mktemp("server")
    settings = Settings(data_dir=folder, secret=SECRET, bcrypt_cost=10)
    async with serving(settings) as (_, made):
        yield made


# -- The body --------------------------------------------------------------------------------

OPERATION = b'{"query": "{ __typename }"}'
BODIES: dict[str, tuple[int, bytes]] = {
    "empty": (400, b""),
    "space": (400, b"  "),
    "cut-short": (400, OPERATION[:-1]),
    "trailing": (400, OPERATION + b"x"),
    "two-objects": (400, OPERATION + OPERATION),
    "single-quotes": (400, OPERATION.replace(b'"', b"'")),
    "trailing-comma": (400, b'{"query": "{ __typename }",}'),
    "comment": (400, b"/**/" + OPERATION),
    "null": (400, b"null"),
    "true": (400, b"true"),
    "number": (400, b"1"),
    "string": (400, b'"{ __typename }"'),
    "list": (400, b"[]"),
    "batch-of-no-objects": (400, b"[1]"),
    "empty-object": (400, b"{}"),
    "query-null": (400, b'{"query": null}'),
    "query-empty": (400, b'{"query": ""}'),
    "query-space": (400, b'{"query": " \\n"}'),
    "query-number": (400, b'{"query": 1}'),
    "query-list": (400, b'{"query": ["{ __typename }"]}'),
    "query-object": (400, b'{"query": {}}'),
    "variables-list": (400, b'{"query": "{ __typename }", "variables": []}'),
    "variables-string": (400, b'{"query": "{ __typename }", "variables": "{}"}'),
    "variables-number": (400, b'{"query": "{ __typename }", "variables": 1}'),
    "operation-name-number": (400, b'{"query": "{ __typename }", "operationName": 1}'),
    "operation-name-unknown": (400, b'{"query": "{ __typename }", "operationName": "x\\u0000"}'),
    "extensions-list": (400, b'{"query": "{ __typename }", "extensions": []}'),
    "schema-definition": (400, b'{"query": "type Query { a: Int }"}'),
    "subscription": (400, b'{"query": "subscription { nothing }"}'),
    "fragments-alone": (400, b'{"query": "fragment F on Query { __typename }"}'),
    "deep-lists": (400, b"[" * 100_000),
    "deep-lists-closed": (400, b"[" * 100_000 + b"]" * 100_000),
    "deep-objects": (400, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "deep-variables": (
        400,
        b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 9000 + b"1" + b"}" * 9001,
    ),
    "5000-digits": (400, b'{"query": "{ __typename }", "variables": {"a": ' + b"1" * 5000 + b"}}"),
    "exponent": (400, b'{"query": "{ __typename }", "variables": {"a": 1e999}}'),
    "nan": (400, b'{"query": "{ __typename }", "variables": {"a": NaN}}'),
    "infinity": (400, b'{"query": "{ __typename }", "variables": {"a": -Infinity}}'),
    "hex": (400, b'{"query": "{ __typename }", "variables": {"a": 0x10}}'),
    "bad-utf-8": (400, b'{"query": "{ __typename } #\xff\xfe"}'),
    "overlong-utf-8": (400, b'{"query": "{ __typename } #\xc0\xaf"}'),
    "utf-8-surrogate": (400, b'{"query": "{ __typename } #\xed\xa0\x80"}'),
    "utf-16": (400, OPERATION.decode().encode("utf-16")),
    "utf-32": (400, OPERATION.decode().encode("utf-32-le")),
    "bom": (400, b"\xef\xbb\xbf" + OPERATION),
    "lone-surrogate": (400, b'{"query": "{ __typename } #\\ud800"}'),
    "low-surrogate": (400, b'{"query": "{ __typename } #\\udc00"}'),
    "turned-surrogates": (400, b'{"query": "{ __typename } #\\udc00\\ud800"}'),
    "surrogate-in-name": (400, b'{"query": "{ __typename }", "operationName": "\\ud800"}'),
    "raw-newline": (400, b'{"query": "{ \n __typename }"}'),
    "raw-nul": (400, b'{"query": "{ __typename }\x00"}'),
    "zeros": (400, bytes(1000)),
    "gzip": (400, gzip.compress(OPERATION)),
    "form": (400, b"query=%7B__typename%7D"),
    "multipart": (400, b'--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{}'),
    "spaces": (400, b" " * MAX_BODY),
    "too-large-by-one": (413, b" " * (MAX_BODY + 1)),
    "ten-megabytes": (413, b'{"query": "' + b"a" * 10_000_000 + b'"}'),
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_that_is_no_request(kind: str, http: httpx.AsyncClient) -> None:
    """Whatever is no GraphQL request in JSON is answered 4xx, with a code, in the same form."""
    status, body = BODIES[kind]
    answer = await http.post("/graphql", content=body, headers=JSON)
    found = is_clean(answer, status)
    assert found["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "data" not in found


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_of_the_greatest_size_is_read(http: httpx.AsyncClient) -> None:
    """One megabyte is read, one byte more is not."""
    body = OPERATION.ljust(MAX_BODY)
    assert is_clean(await http.post("/graphql", content=body, headers=JSON), 200)["data"]
    is_clean(await http.post("/graphql", content=body + b" ", headers=JSON), 413)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_without_length_is_cut_off(http: httpx.AsyncClient) -> None:
    """A stream that says no length is read up to the bound and no further."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 100_000
            yield b" " * 100_000

    is_clean(await http.post("/graphql", content=endless(), headers=JSON), 413)
    assert sent <= MAX_BODY + 200_000


@pytest.mark.parametrize(
    ("announced", "status"),
    [
        (b"0", 200), (b"1", 200), (b"-1", 200), (b"1e3", 200), (b"\xb2", 200), (b"0x10", 200),
        (b"", 200), (b"1000001", 413), (b"9" * 5000, 413), (b"0000001000001", 413),
    ],
)  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_a_lying_content_length(
    announced: bytes, status: int, http: httpx.AsyncClient
) -> None:
    """What arrives counts; what is announced is believed only where it announces too much."""
    headers: Any = [(b"content-type", b"application/json"), (b"content-length", announced)]
    is_clean(await http.post("/graphql", content=OPERATION, headers=headers), status)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x"])
@pytest.mark.asyncio(loop_scope="module")
async def test_compressed_bodies_are_not_unpacked(encoding: str, http: httpx.AsyncClient) -> None:
    """A small body cannot become a large one: content encodings are refused."""
    headers = JSON | {"Content-Encoding": encoding}
    body = gzip.compress(OPERATION + b" " * 900_000)
    is_clean(await http.post("/graphql", content=body, headers=headers), 415)


@pytest.mark.parametrize(
    "query",
    [
        "", "query=", "query=%20", "query=%00", "query=%FF%FE", "query=%ED%A0%80", "query=%7B",
        "query=%7B__typename%7D&query=%7B__typename%7D", "query=%7B__typename%7D&variables=%5B",
        "query=%7B__typename%7D&variables=%5B%5D", "query=%7B__typename%7D&variables=NaN",
        "query=%7B__typename%7D&operationName=x", "extensions=1&query=%7B__typename%7D",
        "variables=" + "%5B" * 20_000, "query=" + "%7B" * 20_000, "&" * 20_000, "=", "%",
    ],
)  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_a_query_string_that_is_no_request(query: str, http: httpx.AsyncClient) -> None:
    """GET is read as strictly as POST."""
    answer = await http.get(f"/graphql?{query}", headers={"Accept": "application/json"})
    found = is_clean(answer)
    assert answer.status_code in {200, 400}
    assert found["errors"]


# -- The document ----------------------------------------------------------------------------

PARSE, VALIDATION = "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"
TOKENS, SIZE = "TOO_MANY_TOKENS", "DOCUMENT_TOO_LARGE"
DOCUMENTS: dict[str, tuple[str, str]] = {
    "brace": ("{", PARSE),
    "100k-braces": ("{" * 100_000, PARSE),
    "90k-lists": ("{ a(b: " + "[" * 90_000, PARSE),
    "30k-objects": ("{ a(b: " + "{c:" * 30_000, PARSE),
    "90k-types": ("query($a: " + "[" * 90_000, PARSE),
    "100k-lists": ("{ a(b: " + "[" * 100_000, SIZE),
    "deep-selections": ("{ me " * 1_900 + "{ id }" + "}" * 1_900, PARSE),
    "deep-values": (f"{{ a(b: {'[' * 1_900}{']' * 1_900}) }}", PARSE),
    "3000-deep": ("{ me " * 1_300, PARSE),
    "2001-tokens": ("{" + " __typename" * 1_999 + "}", TOKENS),
    "8k-tokens": ("{" + " __typename" * 8_000 + "}", TOKENS),
    "80k-tokens": ("{" + " __typename" * 80_000 + "}", SIZE),
    "90k-commas": ("{ __typename " + "," * 90_000 + " x(}", PARSE),
    "open-string": ('{ a(b: "', PARSE),
    "open-block": ('{ a(b: """', PARSE),
    "bad-escape": ('{ a(b: "\\x") }', PARSE),
    "lone-surrogate": ('{ a(b: "\\ud800") }', PARSE),
    "low-surrogate": ('{ a(b: "\\udc00") }', PARSE),
    "braced-surrogate": ('{ a(b: "\\u{d800}") }', PARSE),
    "past-unicode": ('{ a(b: "\\u{110000}") }', PARSE),
    "nul": ("{ __typename \0 }", PARSE),
    "nul-in-string": ('{ a(b: "\0") }', VALIDATION),
    "bidi": ("{ \u202e__typename }", PARSE),
    "zero-width": ("{ __type\u200bname }", PARSE),
    "no-break-space": ("{\u00a0__typename }", PARSE),
    "emoji": ("{ \U0001f600 }", PARSE),
    "long-name": ("{ " + "a" * 90_000 + " }", VALIDATION),
    "longer-name": ("{ " + "a" * 900_000 + " }", SIZE),
    "long-unexpected-name": ("{ __typename } " + "a" * 90_000, PARSE),
    "unknown-field": ("{ nothing }", VALIDATION),
    "unknown-argument": ("{ me(id: 1) { id } }", VALIDATION),
    "unknown-type": ("{ ... on Nothing { id } }", VALIDATION),
    "unknown-fragment": ("{ ...F }", VALIDATION),
    "unknown-directive": ("{ me @nothing { id } }", VALIDATION),
    "unknown-variable": ("{ me @skip(if: $x) { id } }", VALIDATION),
    "no-selection": ("{ me }", VALIDATION),
    "selection-of-a-leaf": ("{ me { id { x } } }", VALIDATION),
    "circular": ("{ ...F } fragment F on Query { ...F }", VALIDATION),
    "circular-in-two": ("{...F} fragment F on Query{...G} fragment G on Query{...F}", VALIDATION),
    "400-fragments": (
        "{...F0} " + "".join(f"fragment F{i} on Query{{...F{i + 1}}}" for i in range(200)),
        "TOO_DEEP",
    ),
    "999-errors": ("{ me { " + " ".join(f"x{i}" for i in range(999)) + " } }", VALIDATION),
    "999-fields": ("{ " + " ".join(f"x{i}" for i in range(999)) + " }", "TOO_MANY_ROOT_FIELDS"),
    "numbers": ("mutation { login(input: {email: 1, password: 2}) { __typename } }", VALIDATION),
    "5000-digits": (
        "mutation { login(input: {email: " + "1" * 5000 + ', password: ""}) { __typename } }',
        VALIDATION,
    ),
    "unknown-input-field": (
        'mutation { login(input: {password: "", role: "admin"}) { __typename } }', VALIDATION,
    ),
    "missing-input-field": ('mutation { login(input: {email: "a"}) { __typename } }', VALIDATION),
    "input-field-twice": (
        'mutation { login(input: {password: "a", password: "b"}) { __typename } }', VALIDATION,
    ),
    "null-for-a-string": ("mutation { login(input: {password: null}) { __typename } }", VALIDATION),
    "list-for-an-input": (
        'mutation { login(input: [[{password: ""}]]) { __typename } }', VALIDATION,
    ),
    "boolean-for-an-id": ("mutation { revokeSession(id: true) { __typename } }", VALIDATION),
    "float-for-an-id": ("mutation { revokeSession(id: 1.5) { __typename } }", VALIDATION),
}  # fmt: skip


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_document_that_cannot_run(kind: str, http: httpx.AsyncClient) -> None:
    """A document that cannot run is told as what it is, and never reaches a resolver."""
    document, code = DOCUMENTS[kind]
    body = json.dumps({"query": document}).encode()
    for accept, status in (("application/json", 200), ("application/graphql-response+json", 400)):
        answer = await http.post("/graphql", content=body, headers=JSON | {"Accept": accept})
        found = is_clean(answer, status)
        assert {error["extensions"]["code"] for error in found["errors"]} == {code}
        assert "data" not in found
        assert len(answer.content) < 100_000


@pytest.mark.asyncio(loop_scope="module")
async def test_the_most_tokens_that_are_read(http: httpx.AsyncClient) -> None:
    """2000 tokens are read; with one more the document is refused before it is validated."""
    most = "{" + " ".join(f"a{i}" for i in range(1_996)) + "}"
    for more, code in (("", "TOO_MANY_ROOT_FIELDS"), (" b c d", "TOO_MANY_TOKENS")):
        found = is_clean(await ask(http, most[:-1] + more + "}"))
        assert reason_of(found) == code


VARIABLES: dict[str, Any] = {
    "null": None,
    "absent": ...,
    "string": "x",
    "number": 1,
    "boolean": True,
    "list": [],
    "huge-list": [0] * 200_000,
    "list-of-inputs": [{"email": "a@b.example", "password": PASSWORD}],
    "empty": {},
    "unknown-field": {"email": "a@b.example", "password": PASSWORD, "roles": ["admin"]},
    "dunder": {"__proto__": {}, "__class__": {}, "password": PASSWORD, "email": "a@b.example"},
    "number-for-string": {"email": 1, "password": PASSWORD},
    "list-for-string": {"email": ["a@b.example"], "password": PASSWORD},
    "object-for-string": {"email": {"$ne": None}, "password": PASSWORD},
    "boolean-for-string": {"email": "a@b.example", "password": True},
    "null-for-required": {"email": "a@b.example", "password": None},
    "huge-list-for-string": {"email": "a@b.example", "password": ["x"] * 100_000},
    "many-fields": {f"f{i}": i for i in range(20_000)},
    "big-number": {"email": 10**18, "password": PASSWORD},
}


@pytest.mark.parametrize("kind", VARIABLES)
@pytest.mark.parametrize("operation", [SIGNUP, LOGIN], ids=["signup", "login"])
@pytest.mark.asyncio(loop_scope="module")
async def test_variables_of_the_wrong_type(
    kind: str, operation: str, http: httpx.AsyncClient
) -> None:
    """Variables that do not fit their types are bad user input."""
    value = VARIABLES[kind]
    answer = await ask(http, operation, {} if value is ... else {"input": value})
    found = is_clean(answer)
    code = "VARIABLES_TOO_LARGE" if len(json.dumps(value, default=str)) > 100_000 else None
    assert {error["extensions"]["code"] for error in found["errors"]} == {code or "BAD_USER_INPUT"}
    assert "data" not in found
    assert len(answer.content) < 200_000


# -- Strings that reach the rules, and could reach SQL: on both databases ----------------------

ODD: dict[str, str] = {
    "empty": "",
    "space": "   ",
    "nul": "a\0b",
    "nul-alone": "\0",
    "controls": "a\x01\x1b[31mb",
    "newline": "a\r\nSet-Cookie: x=y",
    "bidi-override": "a\u202eb",
    "bidi-isolate": "a\u2066b\u2069",
    "zero-width-space": "a\u200bb",
    "zero-width-joiner": "a\u200db",
    "bom": "\ufeffab",
    "soft-hyphen": "a\u00adb",
    "line-separator": "a\u2028b",
    "tag-letter": "a\U000e0041b",
    "private-use": "a\ue000b",
    "unassigned": "a\u0378b",
    "noncharacter": "a\uffffb",
    "sql": "x'; DROP TABLE users; --",
    "like": "%_%",
    "backslash": "\\x00",
    "html": "<script>alert(1)</script>",
    "template": "{{7*7}} ${7*7} %s %(x)s :x",
    "long": "x" * 100_000,
    "long-astral": "\U0001f600" * 50_000,
    "marks": "a" + "\u0315\u0300" * 100_000,
}
# A name may be of any script and hold any visible character; so may part of a password.
NAMES_KEPT = {"empty", "space", "sql", "like", "backslash", "html", "template"}


def _account(**more: str) -> dict[str, str]:
    return {"email": f"{uuid4()}@example.com", "password": PASSWORD} | more


@pytest.mark.parametrize("kind", ODD)
async def test_odd_strings_in_signup(kind: str, client: GraphQLClient, settings: Settings) -> None:
    """E-mail, username and name refuse what is invisible, too long or no address; nothing is
    stored then, and what is stored comes back as it was given."""
    odd = ODD[kind]
    addresses = [odd, f"{odd}@example.com", f"a@{odd}.com", f"a@example.{odd}"]
    for more in [{"email": each} for each in addresses] + [{"username": odd}]:
        if more == {"email": "%_%@example.com"}:
            continue  # odd, and an address
        field = next(iter(more))
        result = await client.field(SIGNUP, {"input": _account(**more)})
        is_clean(client.last, 200)
        assert result["__typename"] == "InvalidInput", more
        assert {each["field"] for each in result["violations"]} == {field}
        assert cookies_of(client.last) == []
    assert await counts(settings) == dict.fromkeys(("users", "passwords", "sessions", "events"), 0)

    result = await client.field(SIGNUP, {"input": _account(name=odd)})
    is_clean(client.last, 200)
    if kind in NAMES_KEPT:
        assert result["user"]["name"] == (odd.strip() or None)
        assert (await counts(settings))["users"] == 1
    else:
        assert [each["field"] for each in result["violations"]] == ["name"]
        assert (await counts(settings))["users"] == 0


@pytest.mark.parametrize("kind", ODD)
async def test_odd_strings_in_passwords_and_login(
    kind: str, client: GraphQLClient, settings: Settings
) -> None:
    """Any string is a password or too short or long for one; as a name to log in with it is
    nobody's; a password change takes all of it or nothing."""
    odd = ODD[kind]
    await client.signup(username="ada")
    before = await counts(settings, leave_out=("events",))
    for who in ({"email": odd}, {"username": odd}, {"email": f"{odd}@example.com"}):
        result = await client.field(LOGIN, {"input": {"password": PASSWORD} | who})
        is_clean(client.last, 200)
        expected = "InvalidInput" if "" in who.values() else "InvalidCredentials"
        assert result["__typename"] == expected
    result = await client.field(LOGIN, {"input": {"email": "ada@example.com", "password": odd}})
    is_clean(client.last, 200)
    assert result["__typename"] in {"InvalidInput", "InvalidCredentials"}

    result = await client.field(CHANGE, {"input": {"currentPassword": odd, "newPassword": "x" * 9}})
    is_clean(client.last, 200)
    assert result["__typename"] in {"InvalidInput", "InvalidCredentials"}
    assert await counts(settings, leave_out=("events",)) == before

    new = f"{odd}-and some more" if len(odd) < 1000 else odd
    change = {"input": {"currentPassword": PASSWORD, "newPassword": new}}
    result = await client.field(CHANGE, change)
    is_clean(client.last, 200)
    changed = result["__typename"] == "ChangePasswordPayload"
    assert changed == (len(odd) < 1000)
    password, other = (new, PASSWORD) if changed else (PASSWORD, new)
    assert (await client.login(password))["__typename"] == "AuthPayload"
    assert (await client.login(other))["__typename"] in {"InvalidCredentials", "InvalidInput"}


@pytest.mark.parametrize("field", ["email", "password", "username", "name"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_long_run_of_combining_marks_is_refused_at_once(
    field: str, wide: httpx.AsyncClient
) -> None:
    """Normalization takes time in the square of a run of marks: it is never begun on a long one.

    Normalizing these would take about 8 s of this thread's own time, and a megabyte minutes, in
    which no other request is answered; refusing them takes milliseconds.
    """
    marks = "a" + "\u0315\u0300" * 50_000
    began = time.thread_time()
    for operation in (SIGNUP, LOGIN):
        given = _account(**{field: f"{marks}@example.com" if field == "email" else marks})
        if operation is LOGIN:
            if field == "name":
                continue
            if field == "username":
                given.pop("email")
        body = json.dumps({"query": operation, "variables": {"input": given}}, ensure_ascii=False)
        found = is_clean(await wide.post("/graphql", content=body.encode(), headers=JSON), 200)
        (result,) = found["data"].values()
        assert result["__typename"] in {"InvalidInput", "InvalidCredentials"}
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "session_id",
    [
        "", " ", "x", "1", "0" * 32, "-", "null", "00000000-0000-0000-0000-000000000000",
        "00000000-0000-0000-0000-00000000000g", "\0", "a\0" * 18, "\u202e", "x" * 100_000,
        "' OR '1'='1", "\uff10" * 32, 0, 10**18, "..",
        "urn:uuid:00000000-0000-0000-0000-000000000000",
    ],
)  # fmt: skip
async def test_an_id_that_is_no_session(session_id: str | int, client: GraphQLClient) -> None:
    """An id of nothing, and what is no id at all, is a session that was not found."""
    await client.signup()
    result = await client.field(REVOKE, {"id": session_id})
    is_clean(client.last, 200)
    assert result == {"__typename": "SessionNotFound", "message": "Session not found"}
    assert "errors" not in await client.me()


async def test_another_users_session_is_not_found(
    connect: Callable[..., GraphQLClient], settings: Settings
) -> None:
    """Another account's session gets the very answer of one that does not exist, and lives on."""
    ada, mallory = connect(), connect()
    await ada.signup()
    await mallory.signup("mallory@example.com")
    (session,) = (await ada.post("{ sessions { id } }"))["data"]["sessions"]
    before = await counts(settings)
    theirs = await mallory.field(REVOKE, {"id": session["id"]})
    assert theirs == await mallory.field(REVOKE, {"id": str(uuid4())})
    assert theirs["__typename"] == "SessionNotFound"
    assert await counts(settings) == before
    assert "errors" not in await ada.me()
    assert (await ada.refresh())["__typename"] == "AuthPayload"
    mine = await ada.field(REVOKE, {"id": session["id"]})
    assert mine == {"__typename": "RevokeSessionPayload", "session": {"id": session["id"]}}


async def test_sessions_are_the_callers_own(connect: Callable[..., GraphQLClient]) -> None:
    """Nobody sees or ends another account's sessions, whatever comes beside the token."""
    ada, mallory = connect(), connect()
    await ada.signup()
    await mallory.signup("mallory@example.com")
    mallory.cookies = dict(ada.cookies)
    (seen,) = (await mallory.post("{ sessions { id } }"))["data"]["sessions"]
    (own,) = (await ada.post("{ sessions { id } }"))["data"]["sessions"]
    assert seen != own
    ended = await mallory.field("mutation { revokeOtherSessions { endedSessions } }")
    assert ended == {"endedSessions": 0}
    assert "errors" not in await ada.me()


@pytest.mark.parametrize(
    "header", ["user-agent", "authorization", "cookie", "accept", "origin", "x-forwarded-for",
               "sec-fetch-site", "accept-language", "x-request-id"],
)  # fmt: skip
@pytest.mark.parametrize(
    "value", [b"\x01\x1f\x7f", b"\xff\xfe\x80", b"\xed\xa0\x80", b"x" * 60_000]
)
async def test_odd_headers(
    header: str, value: bytes, client: GraphQLClient, settings: Settings
) -> None:
    """No byte in a header breaks a sign-in or reaches a row as something that cannot be shown."""
    headers: Any = [(b"content-type", b"application/json"), (header.encode(), value)]
    body = {"query": SIGNUP, "variables": {"input": _account()}}
    answer = await client.http.post("/graphql", content=json.dumps(body), headers=headers)
    found = is_clean(answer)
    if header in {"origin", "sec-fetch-site"}:
        assert answer.status_code == 403
        assert (await counts(settings))["users"] == 0
        return
    assert answer.status_code == (406 if header == "accept" else 200)
    if header == "accept":
        return
    token = found["data"]["signup"]["accessToken"]
    (session,) = (await client.post("{ sessions { userAgent ipAddress } }", token=token))["data"][
        "sessions"
    ]
    assert session["ipAddress"] == "127.0.0.1"
    agent = session["userAgent"]
    assert agent is None or (agent.isprintable() and len(agent) <= 512)


async def test_a_refused_signup_stores_nothing(client: GraphQLClient, settings: Settings) -> None:
    """A taken address or username leaves neither an account, a password nor a session behind."""
    await client.signup(username="ada")
    before = await counts(settings)
    for more, refusal in (
        ({"email": "ADA@example.com"}, "EmailTaken"),
        ({"username": "ADA"}, "UsernameTaken"),
        ({"username": "ada", "email": "ada@example.com"}, "EmailTaken"),
        ({"password": "short"}, "InvalidInput"),
    ):
        result = await client.field(SIGNUP, {"input": _account(**more)})
        assert result["__typename"] == refusal
        assert cookies_of(client.last) == []
    assert await counts(settings) == before


async def test_every_broken_rule_is_told_at_once(client: GraphQLClient) -> None:
    """A form with four mistakes gets four answers, each by its field."""
    bad = {"email": "x", "password": "", "username": "-", "name": "\u202e"}
    result = await client.field(SIGNUP, {"input": bad})
    assert {each["field"] for each in result["violations"]} == set(bad)
