"""The server's log: a line of JSON an event, which holds no secret and which nobody can forge."""

import base64
import json
import logging
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gql_auth.commands import logs
from gql_auth.kernel.errors import Unauthenticated
from gql_auth.kernel.settings import Settings
from tests.process import Server, serving
from tests.support import ME, PASSWORD, GraphQLClient

LOGOUT = "mutation { logout { sessionEnded } }"
CHANGE = """mutation ChangeIt($input: ChangePasswordInput!) {
    changePassword(input: $input) { __typename } }"""
OTHER_PASSWORD = "staple battery horse"
WRONG_PASSWORD = "tr0ub4dor and three"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
HASH = "$2b$12$abcdefghijklmnopqrstuuVwXyZ0123456789ABCDEFGHIJKLMNOP"
FORGED = '2026-01-02T03:04:05Z [info     ] request   user_id=admin\n{"event": "request"}\r\x1b[2K'


# -- a server at work ------------------------------------------------------------------------


class Recorded:
    """Clients of a server, and every secret that went through them."""

    def __init__(self) -> None:
        self.secrets: set[str] = {PASSWORD, OTHER_PASSWORD, WRONG_PASSWORD}

    def take(self, client: GraphQLClient) -> None:
        """Remember what a client holds now."""
        for token in (client.access_token, client.refresh_token):
            if token:
                self.secrets |= {token, *token.split(".")}


async def test_every_request_is_one_line_and_no_line_holds_a_secret(tmp_path: Path) -> None:
    """Whatever happens to it, a request is one line of JSON under the id that its answer bears,
    and passwords, tokens, cookies, hashes and e-mail addresses are in none."""
    held = Recorded()
    with serving(data_dir=tmp_path) as server:
        async with server.client(server.url) as ada, server.client(server.url) as bob:
            await _live(server, held, ada, bob)
            await _meet_a_defect(server, tmp_path, ada)
        hashes = _hashes(tmp_path)
        server.stop()
        said = server.out.split("A first query")[0] + server.err
        lines = server.log

    assert len(hashes) == 2
    assert all(line["timestamp"] and line["level"] and line["logger"] for line in lines)
    secret = (tmp_path / "secret").read_text().strip()
    for hidden in held.secrets | hashes | {secret, "ada@example.com", "bob@example.com"}:
        assert hidden.lower() not in said.lower(), hidden
    assert not re.search(r"eyJ|\$2b\$|\w@\w", said)


async def _live(server: Server, held: Recorded, ada: GraphQLClient, bob: GraphQLClient) -> None:
    """What people do, and what others do to them; each step is followed by a look at its line."""

    def line(client: GraphQLClient, **expected: object) -> None:
        held.take(client)
        found = server.line_of(client.last)
        assert found["event"] == "request"
        assert found["logger"] == "gql_auth.requests"
        assert found["method"] == "POST"
        assert found["ms"] > 0
        assert found["status"] == client.last.status_code
        for name, value in expected.items():
            assert found[name] == value, found

    ada_id = (await ada.signup(name="Ada", username="ada"))["user"]["id"]
    line(ada, status=200)
    await bob.signup("bob@example.com")
    line(bob)
    await bob.signup("ada@example.com", username="ada")
    line(bob)
    await ada.login(WRONG_PASSWORD)
    line(ada)
    await ada.login(WRONG_PASSWORD, username="ada")
    line(ada)
    await ada.login("")
    line(ada)
    await ada.login()
    line(ada)
    await ada.http.post("/graphql", json={"query": ME, "operationName": None})
    await ada.post("query Mine " + ME, operationName="ignored")
    line(ada, user_id=ada_id)
    await ada.refresh()
    line(ada)
    good = ada.access_token or ""
    for bad in (good[:-4] + "AAAA", good + ".x", "Basic " + PASSWORD, held_refresh(ada)):
        await ada.post(ME, token=bad)
        line(ada, codes=["ACCESS_TOKEN_INVALID"])
        assert "user_id" not in server.line_of(ada.last)
    held.secrets.add(base64.b64encode(PASSWORD.encode()).decode())

    kept = dict(ada.cookies)
    ada.cookies = {name: value[:-4] + "AAAA" for name, value in kept.items()}
    await ada.refresh()
    line(ada)
    ada.cookies = kept
    change = {"input": {"currentPassword": PASSWORD, "newPassword": OTHER_PASSWORD}}
    assert await ada.field(CHANGE, change) == {"__typename": "ChangePasswordPayload"}
    line(ada, user_id=ada_id)
    await ada.post(f'mutation {{ login(input: {{password: "{WRONG_PASSWORD}", nobody: 1}}) }}')
    line(ada, codes=["GRAPHQL_VALIDATION_FAILED"])
    await ada.post(f'mutation {{ login(input: {{password: "{WRONG_PASSWORD}"')
    line(ada, codes=["GRAPHQL_PARSE_FAILED"])
    await ada.http.post("/graphql", content=f'{{"query": "{{ me }}", "{WRONG_PASSWORD}')
    await bob.refresh()
    line(bob)
    await bob.field(LOGOUT)
    line(bob)


def held_refresh(client: GraphQLClient) -> str:
    """The refresh token a client holds, to be used where it does not belong."""
    assert client.refresh_token
    return client.refresh_token


async def _meet_a_defect(server: Server, folder: Path, ada: GraphQLClient) -> None:
    """An internal error: the client gets a reference, the log has the rest under it."""
    with closing(sqlite3.connect(folder / "gql_auth.sqlite3", timeout=10)) as connection:
        connection.execute("UPDATE gql_auth_users SET roles = 'no JSON: ada@example.com' || email")
        connection.commit()
    (error,) = (await ada.me())["errors"]
    reference = error["extensions"]["reference"]
    assert error["message"] == f"Internal server error (reference {reference})"
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    (told,) = [line for line in server.log if line.get("reference") == reference]
    assert told["level"] == "error"
    assert "JSONDecodeError" in told["exception"]
    assert server.line_of(ada.last)["codes"] == ["INTERNAL_SERVER_ERROR"]
    with closing(sqlite3.connect(folder / "gql_auth.sqlite3", timeout=10)) as connection:
        connection.execute("UPDATE gql_auth_users SET roles = '[]'")
        connection.commit()


def _hashes(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "gql_auth.sqlite3")) as connection:
        rows = connection.execute("SELECT hash FROM gql_auth_passwords").fetchall()
    return {stored.removeprefix("h1:") for (stored,) in rows}


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_client_forges_no_line(log_format: str, tmp_path: Path) -> None:
    """Line ends and terminal controls in what a client sends begin no line of the log."""
    with serving(data_dir=tmp_path, log_format=log_format) as server:
        async with server.client() as client:
            agent = {"User-Agent": "a\x85b\u2028c\u202ed".encode()}  # others are no HTTP
            for name in (FORGED, "a\x1b[31mb", "a\x85b", "a\u2028b\u202ec", "a\x00b"):
                body = {"query": "{ nothing", "operationName": name}
                answer = await client.http.post("/graphql", json=body, headers=agent)
                assert answer.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
            await client.field(
                "mutation($email: String!) { login(input: {email: $email, password: $email}) "
                "{ __typename } }",
                {"email": FORGED},
            )
        server.stop()
        text = server.err
    assert text.isascii() or log_format == "console"
    assert all(letter.isprintable() for line in text.split("\n") for letter in plain(line))
    lines = text.splitlines()
    if log_format == "json":
        assert all(json.loads(line)["event"] for line in lines)
    operations = [line for line in lines if "operation" in line]
    assert len(operations) == 5
    assert not any(line.startswith(("2026-01-02", '{"event": "request"}')) for line in lines)


def plain(line: str) -> str:
    """A line without the colours that the console format itself puts in."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


# -- the processors by themselves ------------------------------------------------------------


@pytest.fixture
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StringIO]:
    """What a logger writes in the format that the test names, into a string."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    logs.configure(Settings(data_dir=tmp_path, log_format=request.param))
    written = StringIO()
    handler = root.handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    try:
        yield written
    finally:
        root.handlers = handlers
        root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"Bearer {JWT}.", "Bearer [token]."),
        (f"token={JWT}&x", "token=[token]&x"),
        (f"cut off {JWT[:30]}", "cut off [token]"),
        (JWT.split(".", maxsplit=1)[0], "[token]"),
        (f"h1:{HASH} of 7", "h1:[hash] of 7"),
        ("cut off $2b$12$abc", "cut off [hash]"),
        ("to ada.lovelace+x@mail.example.com, twice", "to [e-mail], twice"),
        ("Key (email_key)=(ada@example.com) already", "Key (email_key)=([e-mail]) already"),
        ("jürgen@bücher.example", "[e-mail]"),
        ("<ada@example.com>", "<[e-mail]>"),
        (
            "postgresql+psycopg://ada:p:ss@db.example:5432/x",
            "postgresql+psycopg://[credentials]@db.example:5432/x",
        ),
        ("postgres://ada@db/x", "postgres://[credentials]@db/x"),
        ("nothing to hide @ 12:30, a@b", "nothing to hide @ 12:30, a@b"),
    ],
)
def test_redaction(text: str, redacted: str) -> None:
    """What looks like a token, a hash, an address or a URL's credentials is blanked out."""
    event: dict[str, Any] = {"event": text, "list": [text, 1], "number": 7, "none": None}
    found = logs.redact(None, "", event)
    assert found == {"event": redacted, "list": [redacted, 1], "number": 7, "none": None}


def test_redaction_reaches_whatever_is_logged() -> None:
    """An object is redacted in the text that would be written of it."""
    found = logs.redact(None, "", {"mapping": {"to": "ada@example.com"}, "bytes": JWT.encode()})
    assert found == {"mapping": "{'to': '[e-mail]'}", "bytes": "b'[token]'"}


LONG = {
    "plain": {"a": "x" * 1_000_000},
    "spelled": {"a": "\x00" * 1_000_000},
    "astral": {"a": "\U0010ffff" * 8_000, "b": "😀" * 8_000},
    "many": {f"field{number}": "é" * 1_000 for number in range(2_000)},
    "list": {"a": ["\u2028" * 100] * 100_000},
    "names": {"\x07" * 1_000_000: 1},
    "cause": {"exc_info": (ValueError, ValueError("\n" * 1_000_000), None)},
}


@pytest.mark.parametrize("log", ["json", "console"], indirect=True)
@pytest.mark.parametrize("long", LONG)
def test_a_line_has_a_bounded_length(long: str, log: StringIO) -> None:
    """Whatever is logged makes 16 kB at most, however it grows by being spelled out, and what
    it is about is still there."""
    extra = dict(LONG[long])
    raised: Any = extra.pop("exc_info", None)
    logging.getLogger("gql_auth.errors").error("long", extra=extra, exc_info=raised)
    text = log.getvalue()
    assert len(text.encode()) <= logs.LINE + 1
    assert "long" in text
    assert "error" in text
    if text.startswith("{"):
        assert json.loads(text)["event"] == "long"


@pytest.mark.parametrize("log", ["json", "console"], indirect=True)
def test_no_control_character_is_left(log: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever cannot be printed is spelled out in every part of a line, in what the JSON holds
    too, where somebody's `jq -r` would print it."""
    # pytest keeps what is logged for its report, and fails to write half a character.
    root = logging.getLogger()
    ours = [each for each in root.handlers if "_pytest" not in type(each).__module__]
    monkeypatch.setattr(root, "handlers", ours)
    controls = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F),
                *range(0x2066, 0x206A), 0x200E, 0x200F, 0x61C, 0xFEFF, 0xD800]  # fmt: skip
    every = "".join(map(chr, controls))
    logging.getLogger("gql_auth.x").warning(
        "a%sb", every, extra={"text": every, "list": [every], f"n{every}": 1}
    )
    (line,) = log.getvalue().removesuffix("\n").split("\n")
    assert all(letter.isprintable() for letter in plain(line))
    assert "\\x1b" in line
    if line.startswith("{"):
        told = json.loads(line)
        assert told["event"] == f"a{told['text']}b"
        assert told["list"] == [told["text"]]
        assert told["text"].startswith("\\x00\\x01")
        assert all(part.isprintable() for part in (told["text"], *told))


@pytest.mark.parametrize("log", ["json", "console"], indirect=True)
def test_a_refusal_has_no_traceback(log: StringIO) -> None:
    """Where somebody else's code logs an expected refusal as an error, it is a word."""
    refusal = Unauthenticated(Unauthenticated.Reason.EXPIRED)
    logging.getLogger("asyncio").error("Task exception was never retrieved", exc_info=refusal)
    assert "Traceback" not in log.getvalue()
    assert "UNAUTHENTICATED" in log.getvalue()
    assert log.getvalue().count("\n") == 1


def _fail() -> None:
    raise ValueError(f"{JWT} of ada@example.com\n{FORGED}")


@pytest.mark.parametrize("log", ["json"], indirect=True)
def test_an_exceptions_text_is_redacted(log: StringIO) -> None:
    """The traceback of a defect is one line of JSON without the secrets in its message."""
    try:
        _fail()
    except ValueError:
        logging.getLogger("gql_auth.errors").exception("internal error", extra={"reference": "r"})
    (line,) = log.getvalue().splitlines()
    told = json.loads(line)
    assert told["reference"] == "r"
    assert told["exception"].startswith("Traceback (most recent call last):")
    assert "ValueError: [token] of [e-mail]\n" in told["exception"]
    assert JWT not in line


@pytest.mark.parametrize("log", ["console"], indirect=True)
def test_a_traceback_on_the_console_is_indented(log: StringIO) -> None:
    """On the console a traceback keeps its lines, and none of them looks like one of the log."""
    try:
        _fail()
    except ValueError:
        logging.getLogger("gql_auth.errors").exception("internal\nerror")
    first, *rest = log.getvalue().rstrip("\n").split("\n")
    assert "internal\\nerror" in first
    assert rest[0] == "  | Traceback (most recent call last):"
    assert "  | ValueError: [token] of [e-mail]" in rest
    assert all(line.startswith("  | ") for line in rest)
    assert all(letter.isprintable() for line in rest for letter in line)


@pytest.mark.parametrize("log", ["json"], indirect=True)
def test_what_libraries_log_has_the_same_form(log: StringIO) -> None:
    """Other people's warnings are lines of the same log; their chatter is left out."""
    logging.getLogger("some.library").warning("about %s", "ada@example.com")
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("uvicorn.error").info('"WebSocket /graphql?token=x" [accepted]')
    (line,) = log.getvalue().splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["logger"]) == (
        "about [e-mail]",
        "warning",
        "some.library",
    )
