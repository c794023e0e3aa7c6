"""`gql-auth serve` as a process: what it makes, finds again, refuses, and how it ends."""

import asyncio
import os
import signal
import socket
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select
from starlette.types import ASGIApp

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.commands.protocols import HEAD_BYTES
from gql_auth.features.mail.tables import MailRow
from gql_auth.kernel.settings import Settings
from gql_auth.serving.headers import HSTS, SECURITY_HEADERS
from tests.database import look
from tests.live import free_port, within
from tests.process import Server, invoke, read_all, run, serving, until
from tests.support import SECRET, GraphQLClient

LOGOUT = "mutation { logout { sessionEnded } }"
HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
)
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def kids(server: Server) -> list[str]:
    """The keys that a server publishes."""
    return [key["kid"] for key in httpx.get(f"{server.url}/.well-known/jwks.json").json()["keys"]]


def modes(folder: Path) -> dict[str, int]:
    """The mode of each file below a folder."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def assert_secured(answer: bytes, *, https: bool = False) -> None:
    """The head of a raw answer has every security header and does not name the server."""
    lines = answer.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    for name, value in SECURITY_HEADERS.items():
        assert headers[name.lower()] == value
    assert headers.get("strict-transport-security") == (HSTS if https else None)
    assert "server" not in headers
    assert "date" in headers


# -- starting --------------------------------------------------------------------------------


async def test_the_first_start_and_the_second(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """The first start makes all that is needed and says how to go on; the second finds it."""
    data = tmp_path / "deep" / "data"
    with serving(data_dir=data) as server:
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        made = modes(data)
        assert set(made) >= {"secret", "gql_auth.sqlite3"}
        assert set(made.values()) == {0o600}, made
        secret = (data / "secret").read_text()
        assert len(secret.strip()) >= 43, "256 bits"

        port = server.url.rpartition(":")[2]
        assert server.url == f"http://localhost:{port}"
        for said in (
            f"{server.url}/graphql",
            f"{server.url}/.well-known/jwks.json",
            f"{server.url}/readyz",
            str(data / "gql_auth.sqlite3"),
            str(data / "secret"),
        ):
            assert said in server.out
        assert secret.strip() not in server.out + server.err
        assert server.err == "", "nothing to warn of"

        pasted = await asyncio.create_subprocess_shell(
            server.first_query, stdout=asyncio.subprocess.PIPE
        )
        answer, _ = await pasted.communicate()
        assert b'"__typename":"AuthPayload"' in answer

        published = kids(server)
        assert len(published) == 2, "the current key and the next"
        async with server.client() as client:
            user = await client.login("correct horse battery", email="me@example.com")
            held = dict(client.cookies)
        server.stop()

    (data / "secret").chmod(0o644)
    began = time.monotonic()
    with serving(data_dir=data, port=port, acces_token_ttl="1h") as server:
        seconds = time.monotonic() - began
        record_testsuite_property("second start, seconds", round(seconds, 2))
        assert server.url == f"http://localhost:{port}"
        assert kids(server) == published
        async with server.client() as client:
            client.cookies = held
            assert (await client.refresh())["user"] == user["user"], "the same session goes on"
            again = await client.login("correct horse battery", email="me@example.com")
            assert again["user"] == user["user"]

        assert modes(data)["secret"] == 0o600
        warned = server.err.splitlines()
        assert "GQL_AUTH_ACCES_TOKEN_TTL" in warned[0]
        assert "did you mean GQL_AUTH_ACCESS_TOKEN_TTL?" in warned[0]
        assert any("the secret could be read by others" in line for line in warned)


async def test_two_that_start_together_on_nothing(tmp_path: Path) -> None:
    """Replicas that find an empty folder at the same time make one secret and one set of keys."""
    data = tmp_path / "data"
    with serving(data_dir=data, wait=False) as one, serving(data_dir=data) as other:
        one.await_ready()
        assert kids(one) == kids(other)
        assert len(kids(one)) == 2
        async with one.client() as client, other.client() as elsewhere:
            await client.signup()
            elsewhere.cookies = client.cookies
            assert (await elsewhere.refresh())["__typename"] == "AuthPayload"


async def test_several_workers_are_one_server(settings: Settings) -> None:
    """Whichever worker answers: sessions go on, what is revoked is refused within the poll, and
    no worker outlives the process that was killed."""
    place: dict[str, object] = {
        "data_dir": settings.data_dir,
        "database_url": settings.database_url,
        "secret": SECRET,
    }
    arguments: tuple[str, ...] = ("--host", "127.0.0.1", "--port", "0", "--workers", "2")
    if not settings.embedded:  # one or the other way to say it
        arguments = ()
        place |= {"host": "127.0.0.1", "port": free_port(), "workers": 2}
    with serving(*arguments, **place) as server:
        async with server.client() as client, server.client() as elsewhere:
            await client.signup()
            one = server.line_of(client.last)["pid"]
            assert one != server.process.pid
            # Stopped while it notes that the mail was sent, it would hold the lock of SQLite.
            await within(20, lambda: not look(settings, select(MailRow.id)))
            await _answered_by_another(one, server, elsewhere, client)

            assert (await client.me())["data"]["me"]["email"] == "ada@example.com"
            assert await elsewhere.field(LOGOUT) == {"sessionEnded": True}

            async def refused_by_the_first() -> bool:
                refused = "SESSION_REVOKED" in str(await client.me())
                return refused and server.line_of(client.last)["pid"] == one

            await within(20, refused_by_the_first)

        server.kill()
        until(lambda: not _listens(server), "its workers end")


async def _answered_by_another(
    one: int, server: Server, elsewhere: GraphQLClient, client: GraphQLClient
) -> None:
    """A refresh of the same session by the worker that did not open it: the first stands still
    as long as the connection is made."""
    elsewhere.cookies = dict(client.cookies)
    os.kill(one, signal.SIGSTOP)
    try:
        assert (await elsewhere.refresh())["__typename"] == "AuthPayload"
    finally:
        os.kill(one, signal.SIGCONT)
    assert server.line_of(elsewhere.last)["pid"] not in {one, server.process.pid}


def _listens(server: Server) -> bool:
    try:
        server.connection().close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        return True
    return True


async def test_the_public_url_decides_what_browsers_are_told(tmp_path: Path) -> None:
    """Behind https the cookie is Secure and prefixed, and browsers are told to stay with it,
    also by the answers that no application gives."""
    port = free_port()
    local = f"http://127.0.0.1:{port}"
    public = "https://auth.example.com"
    with serving(
        "--host", "0.0.0.0", port=port, public_url=public, data_dir=tmp_path, url=local
    ) as server:
        assert server.printed_url() == public
        async with server.client(public) as client:
            await client.signup()
            (cookie,) = client.last.headers.get_list("set-cookie")
            assert cookie.startswith("__Host-refresh_token=")
            assert "; Secure" in cookie
            assert client.last.headers["strict-transport-security"] == HSTS
            assert client.last.headers["x-request-id"]
            assert "server" not in client.last.headers
        answer = server.talk(b"NOT HTTP\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.endswith(b'"extensions":{"code":"BAD_USER_INPUT"}}]}')
        assert_secured(answer, https=True)
        answer = server.talk(HANDSHAKE + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert_secured(answer, https=True)


# -- the raw wire, and the end ---------------------------------------------------------------


async def test_a_power_cut_a_restart_and_an_end(tmp_path: Path) -> None:
    """After kill -9 all that was answered is there; malformed requests are answered as safely as
    good ones; SIGTERM lets the request in flight finish, and then the server is gone."""
    with serving(data_dir=tmp_path) as server:
        async with server.client() as client:
            await client.signup()
            held = dict(client.cookies)
        server.kill()

    with serving(data_dir=tmp_path) as server:
        async with server.client() as client:
            client.cookies = held
            assert (await client.refresh())["__typename"] == "AuthPayload"
        await _malformed_requests(server)
        await _end_with_a_request_in_flight(server)


async def _malformed_requests(server: Server) -> None:
    for sent in (
        b"NOT HTTP\r\n\r\n",
        b"GET /graphql HTTP/9.9\r\nHost: x\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /graphql HTTP/1.1\r\nHost : x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a port that speaks none
        HANDSHAKE + b"Sec-WebSocket-Key: short\r\n\r\n",
        HANDSHAKE.replace(b"13", b"7") + KEY + b"\r\n",
    ):
        answer = server.talk(sent)
        assert answer.startswith(b"HTTP/1.1 400 "), (sent, answer)
        assert_secured(answer)

    for refused in (
        HANDSHAKE + KEY + b"Origin: https://evil.example\r\n\r\n",
        HANDSHAKE.replace(b"/graphql", b"/nothing") + KEY + b"\r\n",
    ):
        answer = server.talk(refused)
        assert answer.startswith(b"HTTP/1.1 403 "), (refused, answer)
        assert_secured(answer)

    for begun, status in ((b" HTTP/1.1\r\nHost: x\r\nX-Long: ", b"431 "), (b"?query=", b"414 ")):
        with server.connection() as line:
            line.sendall(b"GET /graphql" + begun)
            await _all_is_read(server)
            line.sendall(b"x" * (HEAD_BYTES + 1))
            answer = read_all(line)
        assert answer.startswith(b"HTTP/1.1 " + status), answer
        assert_secured(answer)
    answer = server.talk(b"GET /graphql?" + b"x" * HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 414 "), answer
    assert_secured(answer)
    assert "head is too large" in server.err
    assert "Traceback" not in server.err
    assert {line["level"] for line in server.log} == {"info", "warning"}


async def _all_is_read(server: Server) -> None:
    """Come back when what was sent before has been read: what is sent now is read after it."""
    async with server.client() as client:
        await client.field("{ __typename }")


async def _end_with_a_request_in_flight(server: Server) -> None:
    body = b'{"query": "{ __typename }"}'
    head = (
        b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    with server.connection() as line:
        line.sendall(head + body[:5])
        await _all_is_read(server)
        server.process.terminate()
        until(lambda: not _listens(server), "it takes no more")
        assert server.process.poll() is None, "it waits"
        line.sendall(body[5:])
        answer = read_all(line)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'{"data":{"__typename":"Query"}}' in answer
    assert server.process.wait(20) == 0
    assert "Traceback" not in server.err


async def test_a_refused_handshake_in_any_server(sqlite_settings: Settings) -> None:
    """The application itself answers a handshake that it refuses, so that the headers are there
    in a host's server too: 403 for another site's page, 503 before it has started."""
    auth = GraphQLAuth(sqlite_settings)
    app = create_app(auth)
    foreign = await _refused_handshake(app, b"https://evil.example")
    assert foreign["status"] == 503
    async with auth.running():
        foreign = await _refused_handshake(app, b"https://evil.example")
        assert foreign["status"] == 403
    headers = {name.decode(): value.decode() for name, value in foreign["headers"]}
    assert headers.items() >= {(name.lower(), value) for name, value in SECURITY_HEADERS.items()}


async def _refused_handshake(app: ASGIApp, origin: bytes) -> Any:
    """How the answer to a handshake begins, from a server that can pass on such an answer."""
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "websocket",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"origin", origin)],
        "subprotocols": ["graphql-transport-ws"],
        "extensions": {"websocket.http.response": {}},
    }
    await app(scope, receive, send)
    start, body = said
    assert start["type"] == "websocket.http.response.start"
    assert body == {"type": "websocket.http.response.body", "body": b""}
    return start


# -- what it refuses -------------------------------------------------------------------------

NOBODY_THERE = "postgresql://ada:hunter2-pass@127.0.0.1:{port}/accounts"


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (
            {"host": "0.0.0.0"},
            "GQL_AUTH_HOST '0.0.0.0' is not loopback, and over plain http the server serves "
            "loopback only: set GQL_AUTH_PUBLIC_URL to the https address",
        ),
        ({"public_url": "http://auth.example.com"}, "passwords and cookies would travel in"),
        ({"secret": "Zx3vQ9_kLw7TbN2mRc8YpHs5Ju1Fg6D"}, "GQL_AUTH_SECRET is shorter than 32"),
        ({"secret": "please-change-me-please-change-me-1"}, "looks like an example"),
        ({"secret": "x" * 64}, "looks like an example or a pattern"),
        (
            {"database_url": "postgresql://localhost/accounts"},
            "GQL_AUTH_SECRET is required with PostgreSQL",
        ),
        ({"database_url": "mysql://localhost/accounts"}, "is neither postgresql:// nor sqlite"),
        ({"access_token_ttl": "soon"}, "GQL_AUTH_ACCESS_TOKEN_TTL 'soon' is not a duration"),
        ({"port": "70000"}, "GQL_AUTH_PORT '70000' is not between 0 and 65535"),
        ({"workers": "0"}, "GQL_AUTH_WORKERS '0' is not between 1 and 64"),
    ],
)
def test_wrong_settings(chosen: dict[str, str], said: str, tmp_path: Path) -> None:
    """A wrong setting is named with why and an example, and nothing is made."""
    ended = invoke("serve", data_dir=tmp_path / "data", **chosen)
    assert ended.exit_code == 3
    assert said in ended.stderr
    assert "Example: GQL_AUTH_" in ended.stderr
    assert not (tmp_path / "data").exists()
    assert chosen.get("secret", "unlikely") not in ended.output


def test_a_taken_port(tmp_path: Path) -> None:
    """Where another server listens, nothing is made, and the message says what to choose."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = run("serve", "--port", port, data_dir=tmp_path / "data")
    assert ended.returncode == 3
    assert f"Cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "Choose another --port" in ended.stderr
    assert ended.stdout == ""
    assert not (tmp_path / "data").exists()


def test_an_unmigrated_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """A server that shall not migrate PostgreSQL by itself names the command that does."""
    ended = invoke(
        "serve", port=0, database_url=postgres_url, secret=SECRET, migrate_on_start="off"
    )
    assert ended.exit_code == 3
    assert "The database schema is at nothing" in ended.stderr
    assert "Run: gql-auth migrate" in ended.stderr


def test_an_unreachable_postgresql(tmp_path: Path) -> None:
    """Where no database answers, the message helps and repeats neither driver nor password."""
    url = NOBODY_THERE.format(port=free_port())
    ended = invoke("serve", port=0, database_url=url, secret=SECRET)
    assert ended.exit_code == 4
    assert "The database cannot be reached" in ended.stderr
    assert "Is GQL_AUTH_DATABASE_URL right and the server up?" in ended.stderr
    for hidden in ("hunter2", "ada", "accounts", "psycopg", "connection to server", "Traceback"):
        assert hidden not in ended.output


def test_a_url_that_the_driver_refuses(tmp_path: Path) -> None:
    """An option that the driver does not know ends in a message, not in a traceback."""
    url = NOBODY_THERE.format(port=free_port()) + "?bogus=1"
    ended = invoke("serve", port=0, database_url=url, secret=SECRET)
    assert ended.exit_code == 3
    assert "GQL_AUTH_DATABASE_URL is not a PostgreSQL URL" in ended.stderr
    assert "hunter2" not in ended.output


def test_another_secret(sqlite_settings: Settings) -> None:
    """A database made with another secret is left alone, also where a key would be added."""
    place = {"data_dir": sqlite_settings.data_dir, "port": 0}
    assert invoke("keys", "list", secret=SECRET, **place).exit_code == 0
    before = _dump(sqlite_settings.data_dir)
    ended = invoke("serve", secret=SECRET[::-1], signing_algorithm="EdDSA", **place)
    assert ended.exit_code == 3
    assert "does not open the signing keys" in ended.stderr
    assert "Put the old secret back" in ended.stderr
    assert _dump(sqlite_settings.data_dir) == before


def _dump(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "gql_auth.sqlite3")) as connection:
        return list(connection.iterdump())


def test_a_newer_database(sqlite_settings: Settings) -> None:
    """A database that a newer release made is refused with a mend, and not touched."""
    with closing(sqlite3.connect(sqlite_settings.data_dir / "gql_auth.sqlite3")) as connection:
        connection.execute("UPDATE gql_auth_migrations SET version_num = '9999'")
        connection.commit()
    before = _dump(sqlite_settings.data_dir)
    for command in ("serve", "migrate"):
        ended = invoke(command, port=0, secret=SECRET, data_dir=sqlite_settings.data_dir)
        assert ended.exit_code == 3
        assert "is at 9999" in ended.stderr
        assert "A newer release made it" in ended.stderr
    assert _dump(sqlite_settings.data_dir) == before


@pytest.mark.parametrize("content", ["", "short", "\n" * 50])
def test_a_damaged_secret(content: str, tmp_path: Path) -> None:
    """A secret file that lost its content is not a secret: everybody could forge by it."""
    (tmp_path / "secret").write_text(content)
    (tmp_path / "secret").chmod(0o600)
    ended = invoke("serve", port=0, data_dir=tmp_path)
    assert ended.exit_code == 3
    assert f"{tmp_path / 'secret'} holds less than 32 characters" in ended.stderr
    assert (tmp_path / "secret").read_text() == content


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A damaged database file is named as such."""
    (tmp_path / "gql_auth.sqlite3").write_text("no database at all, and long enough to be read")
    ended = invoke("serve", port=0, data_dir=tmp_path)
    assert ended.exit_code == 3
    assert "The database refuses: file is not a database" in ended.stderr


def test_an_unreadable_secret(tmp_path: Path) -> None:
    """A secret that the server's user may not read is named, and not replaced."""
    assert run("keys", "list", data_dir=tmp_path).returncode == 0
    secret = tmp_path / "secret"
    before = secret.read_text()
    secret.chmod(0)
    ended = run("serve", "--port", "0", data_dir=tmp_path, as_anybody=True)
    assert ended.returncode == 3
    assert f"Permission denied: {secret}" in ended.stderr
    assert "Traceback" not in ended.stderr
    secret.chmod(0o600)
    assert secret.read_text() == before


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A data directory in which nothing can be made is named."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    for folder in (closed, closed / "data"):
        ended = run("serve", "--port", "0", data_dir=folder, as_anybody=True)
        assert ended.returncode == 3
        assert f"Permission denied: {closed}" in ended.stderr
        assert "Traceback" not in ended.stderr
    assert list(closed.iterdir()) == []
