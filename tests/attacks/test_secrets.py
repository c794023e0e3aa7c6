"""Nothing secret is logged, answered or kept: not on success, on refusal, nor on a defect."""

import io
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import strawberry
from fastapi import FastAPI
from sqlalchemy import text

from gql_auth.app import GraphQLAuth
from gql_auth.commands import logs
from gql_auth.features.keys.core import KeyRings, MasterSecret
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Transport
from gql_auth.serving.permissions import IsAuthenticated
from tests.attacks.browser import ask, rows
from tests.attacks.forge import Forge
from tests.support import (
    LOGIN,
    ME,
    PASSWORD,
    REFRESH,
    SECRET,
    SIGNUP,
    BodyClient,
    GraphQLClient,
    SettableClock,
    reason_of,
)  # fmt: skip

WRONG, NEW = "a wrong password 123", "a new password 456"
ADA, PHONE = "ada.lovelace@example.com", "phone.lovelace@example.com"


@strawberry.type
class Query:
    """A host's fields, which fail in the ways that hosts fail."""

    @strawberry.field
    def breaks(self, text: str) -> str:
        """A defect whose message holds what the client sent."""
        raise RuntimeError(f"cannot connect to postgresql://app:hunter2@db/app for {text}")

    @strawberry.field(permission_classes=[IsAuthenticated])
    def breaks_for_callers(self) -> int:
        """A defect behind a guard."""
        return 1 // 0

    @strawberry.field
    def returns_nothing(self) -> int:
        """No value where its type wants one."""
        return None  # type: ignore[return-value]


@dataclass
class Everything:
    """All that was logged, as text, and all that must not be in it."""

    caplog: pytest.LogCaptureFixture

    @property
    def text(self) -> str:
        """Messages, values beside them and tracebacks."""
        formatter = logging.Formatter()
        pieces = []
        for record in self.caplog.records:
            pieces += [formatter.format(record), repr(record.args), repr(record.__dict__)]
        return "\n".join(pieces)


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Everything:
    """What is logged from now on, at DEBUG, by anybody."""
    caplog.set_level(logging.DEBUG)
    return Everything(caplog)


@pytest.fixture
async def http(settings: Settings, clock: SettableClock) -> AsyncIterator[httpx.AsyncClient]:
    """A host application that mounts our router beside fields of its own."""
    settings = replace(settings, refresh_transports=tuple(Transport))
    auth = GraphQLAuth(settings, clock=clock)
    app = FastAPI()
    app.include_router(auth.router(query=Query))
    app.state.auth = auth
    async with auth.running():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=settings.public_url) as made:
            made.auth_of_test = auth  # type: ignore[attr-defined]
            yield made


CHANGE = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }"


async def _live(http: httpx.AsyncClient) -> list[str]:
    """A life in which all that can happen happens; the secrets that were part of it."""
    client = GraphQLClient(http, "http://localhost:8000")
    secrets: list[str] = [PASSWORD, WRONG, NEW, SECRET, ADA, "hunter2"]

    def remember() -> None:
        for token in (client.access_token, client.refresh_token):
            secrets.extend(token.split(".")[1:] if token else ())

    await client.signup(ADA, username="countess", name="Ada King")
    remember()
    first = dict(client.cookies)
    await client.signup(ADA)
    await client.signup("not-an-address." + ADA.replace("@", " "), password="x")
    await client.login(WRONG, email=ADA)
    await client.login(email=ADA)
    remember()
    await client.refresh()
    remember()
    await client.refresh()
    client.cookies = first
    await client.refresh()
    await client.login(email=ADA)
    remember()
    change = {"currentPassword": WRONG, "newPassword": NEW}
    await client.post(CHANGE, {"input": change})
    await client.post(CHANGE, {"input": change | {"currentPassword": PASSWORD}})
    await client.me()
    await client.me(token=f"{client.access_token}x")
    # Documents and variables that fail at every stage, with secrets inline.
    inline = f'login(input: {{email: "{ADA}", password: "{PASSWORD}"'
    for document in (
        f"mutation {{ {inline}}}) {{ nothing }} }}",
        f"mutation {{ {inline}",
        f'mutation {{ {inline}, role: "x"}}) {{ __typename }} }}',
        f'query {PASSWORD.replace(" ", "_")} {{ breaks(text: "{PASSWORD}") }}',
    ):
        await client.post(document)
    await client.post(LOGIN, {"input": {"email": ADA, "password": [PASSWORD]}})
    await http.post("/graphql", content=f'{{"query": "{PASSWORD}"'.encode(),
                    headers={"Content-Type": "application/json"})  # fmt: skip
    await http.get("/graphql", params={"query": "{x}", "variables": PASSWORD},
                   headers={"Accept": "application/json"})  # fmt: skip
    await client.post(SIGNUP, {"input": {"email": ADA, "password": PASSWORD}},
                      Origin="https://evil.example")  # fmt: skip
    await client.field("mutation { logout { sessionEnded } }")
    return secrets + await _live_without_cookies(http)


async def _live_without_cookies(http: httpx.AsyncClient) -> list[str]:
    """The same for a client that gets its refresh token in the body; its secrets."""
    phone = BodyClient(http)
    await phone.signup(PHONE)
    first = str(phone.refresh_token)
    await phone.refresh()
    secrets = [part for token in (first, str(phone.refresh_token)) for part in token.split(".")[1:]]
    await phone.post(REFRESH, Origin="https://evil.example")
    await ask(http, f'mutation {{ logout(token: "{first}") {{ sessionEnded }} }}')
    asks = {"X-Refresh-Transport": "body"}
    for document in (
        f'mutation {{ refreshToken(token: "{first}") {{ nothing }} }}',
        f'mutation {{ refreshToken(token: "{first}',
        f'mutation {{ refreshToken(token: "{first}") {{ __typename }} }}',
        f'mutation {{ refreshToken(tokens: "{first}") {{ __typename }} }}',
        f'mutation {{ logout(token: ["{first}"]) {{ sessionEnded }} }}',
    ):
        await ask(http, document, headers=asks)
    document = "mutation($token: String) { refreshToken(token: $token) { __typename } }"
    await ask(http, document, {"token": [first]}, asks)
    await phone.refresh()
    await phone.field("mutation { logout { sessionEnded } }")
    return [*secrets, PHONE]


async def test_no_log_record_holds_a_secret(
    http: httpx.AsyncClient, everything: Everything, settings: Settings
) -> None:
    """Neither a password, a token, a hash, a key nor an address is logged, at any level."""
    secrets = await _live(http)
    auth: GraphQLAuth = http.auth_of_test  # type: ignore[attr-defined]
    secrets += [stored for (stored,) in await rows(settings, "SELECT hash FROM gql_auth_passwords")]
    secrets.append(repr(auth.system.part(MasterSecret).derive("refresh-tokens")))
    text = everything.text
    assert "request" in text
    # What a host's own exception says is the host's; the operator's log may hold it.
    ours = "\n".join(line for line in text.splitlines() if "cannot connect to" not in line)
    found = [secret for secret in secrets if secret in ours]
    assert found == []
    assert "$2b$" not in ours
    assert "BEGIN PRIVATE KEY" not in ours


async def test_what_the_server_writes_is_redacted(
    http: httpx.AsyncClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The served log has one JSON line an event; what slips into an exception's text is blanked."""
    written = io.StringIO()
    root, ours = logging.getLogger(), logging.getLogger("gql_auth")
    before = root.handlers, root.level, ours.level, logging.getLogger("uvicorn.error").level
    monkeypatch.setattr("sys.stderr", written)
    try:
        logs.configure(settings)
        secrets = await _live(http)
        token = (await ask(http, LOGIN, {"input": {"email": ADA, "password": NEW}})).json()
        token = token["data"]["login"]["accessToken"]
        for told in (token, ADA, "$2b$10$abcdefghijklmnopqrstuv", "postgresql://a:hunter2@db/x"):
            await ask(http, "query($text: String!) { breaks(text: $text) }", {"text": told})
    finally:
        root.handlers, level, own_level, uvicorn_level = before
        root.setLevel(level)
        ours.setLevel(own_level)
        logging.getLogger("uvicorn.error").setLevel(uvicorn_level)
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert {"request", "internal error"} <= {line["event"] for line in lines}
    assert all(line["request_id"] for line in lines if line["event"] == "request")
    # The client's own words in a host's exception cannot be known to be a password.
    text = "\n".join(json.dumps(line) for line in lines if "cannot connect to" not in str(line))
    assert not [secret for secret in secrets if secret in text]
    everything = written.getvalue()
    for told in (token, ADA, "$2b$10$abcdefghijklmnopqrstuv", "hunter2"):
        assert told not in everything


async def test_no_answer_holds_a_secret(http: httpx.AsyncClient, settings: Settings) -> None:
    """No answer tells the password it was given, a hash, a key or the refresh token."""
    answers: list[httpx.Response] = []
    http.event_hooks["response"].append(_keeping(answers))
    await _live(http)
    hashes = [found for (found,) in await rows(settings, "SELECT hash FROM gql_auth_passwords")]
    refresh_tokens = [
        cookie.split(";")[0].partition("=")[2]
        for answer in answers
        for cookie in answer.headers.get_list("set-cookie")
        if "Max-Age=0" not in cookie
    ]
    assert refresh_tokens
    for answer in answers:
        for secret in (NEW, SECRET, *hashes, "$2b$", *refresh_tokens):
            assert secret not in answer.text
        assert "hunter2" not in answer.text


def _keeping(answers: list[httpx.Response]) -> Any:
    async def keep(answer: httpx.Response) -> None:
        await answer.aread()
        answers.append(answer)

    return keep


async def test_no_row_holds_a_token_or_a_password(
    http: httpx.AsyncClient, settings: Settings
) -> None:
    """A copy of the database opens no session: no token, no password, no private key is in it."""
    secrets = [each for each in await _live(http) if each not in {ADA, PHONE, "hunter2"}]
    auth: GraphQLAuth = http.auth_of_test  # type: ignore[attr-defined]
    private = auth.system.part(KeyRings).ring.private.private_numbers().private_value
    raw = private.to_bytes(32, "big")
    for table in ("users", "passwords", "sessions", "events", "keys"):
        for row in await rows(settings, f"SELECT * FROM gql_auth_{table}"):
            assert not [each for each in secrets if each in repr(row)]
            assert not [value for value in row if isinstance(value, bytes) and raw in value]
            assert table == "users" or ADA not in repr(row)


async def test_a_defect_is_masked_and_explained_in_the_log(
    http: httpx.AsyncClient, everything: Everything
) -> None:
    """The client gets a reference and nothing else; the log has the rest under it, once."""
    for accept in ("application/json", "application/graphql-response+json"):
        everything.caplog.clear()
        answer = await ask(http, '{ breaks(text: "x") }', None, {"Accept": accept})
        (error,) = answer.json()["errors"]
        reference = error["extensions"]["reference"]
        assert error["extensions"] == {"code": "INTERNAL_SERVER_ERROR", "reference": reference}
        assert error["message"] == f"Internal server error (reference {reference})"
        assert not [word for word in ("RuntimeError", "postgres", "File") if word in answer.text]
        (record,) = [each for each in everything.caplog.records if each.levelno >= logging.WARNING]
        assert record.__dict__["reference"] == reference
        assert record.exc_info is not None
        assert record.exc_info[0] is RuntimeError


async def test_every_kind_of_defect_is_masked(
    http: httpx.AsyncClient, everything: Everything
) -> None:
    """A missing value, a defect behind a guard and one among good fields: all are masked."""
    token = (await ask(http, SIGNUP, {"input": {"email": ADA, "password": PASSWORD}})).json()[
        "data"
    ]["signup"]["accessToken"]
    for query, count in (
        ("{ returnsNothing }", 1),
        ("{ breaksForCallers }", 1),
        ('{ a: breaks(text: "x") __typename }', 1),
    ):
        everything.caplog.clear()
        answer = await ask(http, query, None, {"Authorization": f"Bearer {token}"})
        errors = answer.json()["errors"]
        assert len(errors) == count
        for error in errors:
            assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
            assert error["message"].startswith("Internal server error (reference ")
        logged = {
            each.__dict__["reference"]
            for each in everything.caplog.records
            if each.levelno >= logging.ERROR
        }
        assert logged == {error["extensions"]["reference"] for error in errors}


async def test_an_expected_refusal_is_no_traceback(
    client: GraphQLClient, everything: Everything, auth: GraphQLAuth, clock: SettableClock
) -> None:
    """Wrong passwords, stale tokens and bad documents are daily business: a line each, no more."""
    await client.signup()
    forge = Forge(auth, client.access_token or "")
    old = dict(client.cookies)
    everything.caplog.clear()
    await client.login(WRONG)
    await client.post(SIGNUP, {"input": {"email": "ada@example.com", "password": PASSWORD}})
    await client.me(token=forge.token({"typ": "JWT"}))
    await client.me(token="garbage")
    await client.post("{ nothing }")
    await client.post("{")
    await client.post(LOGIN, {"input": 1})
    await client.post(REFRESH, Origin="https://evil.example")
    await client.http.post("/graphql", content=b"{")
    await client.refresh()
    await client.refresh()
    client.cookies = old
    clock.forward(minutes=1)
    assert (await client.refresh())["reason"] == "REUSED"
    client.cookies = {}
    await client.refresh()
    clock.forward(days=30)
    assert reason_of(await client.me()) in {"ACCESS_TOKEN_EXPIRED", "SESSION_REVOKED"}
    records = everything.caplog.records
    assert not [each for each in records if each.exc_info or each.levelno >= logging.WARNING]
    lines = [each for each in records if each.getMessage() == "request"]
    assert len(lines) == 14
    assert len({each.__dict__["request_id"] for each in lines}) == 14


async def test_the_request_id_is_in_answer_and_log(
    client: GraphQLClient, everything: Everything
) -> None:
    """A client's report finds its log line by the id; a client cannot choose it."""
    await client.post("{ __typename }", **{"X-Request-Id": "chosen\tby-client"})
    (line,) = [each for each in everything.caplog.records if each.getMessage() == "request"]
    assert line.__dict__["request_id"] == client.last.headers["x-request-id"]
    assert "chosen" not in everything.text


async def test_a_database_error_tells_nothing_of_its_values(
    auth: GraphQLAuth, client: GraphQLClient, everything: Everything
) -> None:
    """A statement that fails is logged without the values it was to store."""
    async with auth.system.database.writing() as connection:
        await connection.execute(text("DROP TABLE gql_auth_events"))
        await connection.commit()
    answer = await client.post(SIGNUP, {"input": {"email": ADA, "password": PASSWORD}})
    assert answer["errors"][0]["extensions"]["code"] in {
        "INTERNAL_SERVER_ERROR",
        "SERVICE_UNAVAILABLE",
    }
    assert "gql_auth_" not in client.last.text
    assert "set-cookie" not in client.last.headers
    await client.post(LOGIN, {"input": {"email": ADA, "password": WRONG}})
    found = [
        each for each in (PASSWORD, ADA, "127.0.0.1', '", "$2b$") if each in _tracebacks(everything)
    ]
    assert found == []


def _tracebacks(everything: Everything) -> str:
    formatter = logging.Formatter()
    return "\n".join(
        formatter.format(each)
        for each in everything.caplog.records
        if each.levelno >= logging.WARNING
    )


async def test_settings_name_no_secret(settings: Settings, auth: GraphQLAuth) -> None:
    """Printing settings, secrets or a traceback's values shows neither the secret nor a URL."""
    printed = f"{settings} {settings!r} {auth.system.part(MasterSecret)!r}"
    assert SECRET not in printed
    assert "postgresql" not in printed


async def test_the_cookie_and_token_are_bound_to_this_secret(client: GraphQLClient) -> None:
    """The same account on another day has other tokens: nothing is predictable."""
    await client.signup()
    one = (client.access_token, client.refresh_token)
    await client.login()
    assert client.access_token != one[0]
    assert client.refresh_token != one[1]
    assert (await client.post(ME))["data"]
