"""The `gql-auth serve` process at its socket: what no application ever sees is closed as well."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from gql_auth.serving.headers import SECURITY_HEADERS
from tests.live import free_port
from tests.support import SECRET

ROOT = Path(__file__).parents[2]
OPERATION = b'{"query": "{ __typename }"}'


class Server:
    """A running process: where it listens and what it wrote."""

    def __init__(self, port: int, log: IO[str]) -> None:
        self.port = port
        self.log = log

    def say(self, raw: bytes, *, shut: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of what comes back for these bytes."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=10)) as line:
            line.settimeout(10)
            line.sendall(raw)
            if shut:
                line.shutdown(socket.SHUT_WR)
            answer = b""
            while b"\r\n\r\n" not in answer:
                piece = line.recv(65_536)
                if not piece:
                    break
                answer += piece
            head, _, body = answer.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (each.partition(":") for each in lines)
            }
            while len(body) < int(headers.get("content-length", 0)):
                piece = line.recv(65_536)
                if not piece:  # the answer to HEAD has a length and no body
                    break
                body += piece
        return int(first.split()[1]) if first else 0, headers, body

    @property
    def written(self) -> str:
        """The log so far."""
        self.log.seek(0)
        return self.log.read()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process for this file: the command line, from an empty folder."""
    folder = tmp_path_factory.mktemp("served")
    port = free_port()
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment |= {name: value for name, value in os.environ.items() if "COV" in name}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "GQL_AUTH_DATA_DIR": str(folder / "data"),
        "GQL_AUTH_SECRET": SECRET,
        "GQL_AUTH_BCRYPT_COST": "10",
        "GQL_AUTH_LOG_FORMAT": "json",
    }
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from gql_auth.cli import main; main()", "serve",
             "--port", str(port)],
            env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
        made = Server(port, log)
        try:
            deadline = time.monotonic() + 30
            while True:
                assert process.poll() is None, made.written
                assert time.monotonic() < deadline, made.written
                try:
                    if made.say(_get("/readyz"))[0] == 200:
                        break
                except OSError:
                    time.sleep(0.05)
            yield made
        finally:
            process.terminate()
            process.wait(20)


def _get(path: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _post(body: bytes = OPERATION, *headers: str) -> bytes:
    lines = ["Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return _get("/graphql", *lines, method="POST") + body


def is_closed(headers: dict[str, str], *, page: bool = False) -> None:
    """Every security header, no server's name, no version; only the explorer's page is kept."""
    for name, value in SECURITY_HEADERS.items():
        if name not in {"Content-Security-Policy", "Cache-Control"}:
            assert headers[name.lower()] == value
    kept = {"no-store", "private, no-store"} | ({"no-cache"} if page else set())
    assert headers["cache-control"] in kept
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not {"server", "x-powered-by"} & set(headers)
    assert not re.search(r"uvicorn|httptools|python|\d+\.\d+\.\d+", str(headers).lower())


async def test_ordinary_answers_name_no_server(server: Server) -> None:
    """The process adds nothing of its own to an answer: no name, no version."""
    for raw, status in (
        (_post(), 200),
        (_get("/graphql", "Accept: text/html"), 200),
        (_get("/healthz"), 200),
        (_get("/docs"), 404),
        (_get("/openapi.json"), 404),
        (_get("/graphql/"), 404),
        (_get("/healthz", method="HEAD"), 200),
        (_get("/graphql", method="TRACE"), 405),
        (_get("/graphql", "Accept: text/html", "Host: evil.example"), 200),
    ):
        got, headers, _ = server.say(raw)
        assert got == status
        is_closed(headers, page=status == 200 and b"text/html" in raw)


MALFORMED = {
    "garbage": b"garbage\r\n\r\n",
    "binary": bytes(range(256)) * 4 + b"\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "no-version": b"GET /graphql\r\n\r\n",
    "version-9": b"GET /graphql HTTP/9.9\r\nHost: x\r\n\r\n",
    "bad-header": b"GET /graphql HTTP/1.1\r\nHost x\r\n\r\n",
    "space-in-header": b"GET /graphql HTTP/1.1\r\nHost : x\r\n\r\n",
    "nul-in-header": b"GET /graphql HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "content-length-negative": b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "content-length-letters": b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: \xb2\r\n\r\n",
    "content-length-twice": b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\nxx",
    "length-and-chunks": b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad-chunk": b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_no_http(kind: str, server: Server) -> None:
    """A malformed request is answered 400 with the headers of every answer, or the line closed."""
    status, headers, body = server.say(MALFORMED[kind], shut=kind == "bad-chunk")
    if status:
        assert status == 400
        is_closed(headers)
        assert b"Traceback" not in body
    assert server.say(_post())[0] == 200
    assert "Traceback" not in server.written


def test_bodies_at_the_socket(server: Server) -> None:
    """Too large, cut short, chunked and large: each gets its status, and the server goes on."""
    assert server.say(_post(b" " * 1_000_001))[0] == 413
    huge = _get("/graphql", "Content-Type: application/json", "Content-Length: 99999999999999999",
                method="POST")  # fmt: skip
    assert server.say(huge)[0] == 413
    short = _post().replace(b"Content-Length: 27", b"Content-Length: 1000")
    assert server.say(short, shut=True)[0] in {0, 400}
    chunked = _get("/graphql", "Content-Type: application/json", "Transfer-Encoding: chunked",
                   method="POST")  # fmt: skip
    assert server.say(chunked + b"1b\r\n" + OPERATION + b"\r\n0\r\n\r\n")[0] == 200
    pieces = b"".join(b"10000\r\n" + b" " * 65_536 + b"\r\n" for _ in range(17))
    assert server.say(chunked + pieces + b"0\r\n\r\n")[0] == 413
    assert "Traceback" not in server.written


def test_long_tokens_at_the_socket(server: Server) -> None:
    """A token of 100 kB is refused, as a token or as too large a header."""
    body = json.dumps({"query": "{ me { id } }"}).encode()
    status, headers, answer = server.say(_post(body, "Authorization: Bearer " + "A" * 100_000))
    is_closed(headers)
    assert status in {200, 400, 431}
    if status == 200:
        assert json.loads(answer)["errors"][0]["extensions"]["reason"] == "ACCESS_TOKEN_INVALID"


def test_no_header_changes_the_recorded_address(server: Server) -> None:
    """The process believes no proxy header, also not one that comes from this machine."""
    account = {"email": "forwarded@example.com", "password": "correct horse battery"}
    query = (
        "mutation($i: SignupInput!) { signup(input: $i) { ... on AuthPayload { accessToken } } }"
    )
    forged = ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "Forwarded: for=1.2.3.4")
    body = json.dumps({"query": query, "variables": {"i": account}}).encode()
    _, headers, answer = server.say(_post(body, *forged))
    assert "set-cookie" in headers
    assert "Secure" not in headers["set-cookie"]
    token = json.loads(answer)["data"]["signup"]["accessToken"]
    body = json.dumps({"query": "{ sessions { ipAddress } }"}).encode()
    _, _, answer = server.say(_post(body, f"Authorization: Bearer {token}", *forged))
    assert json.loads(answer)["data"]["sessions"] == [{"ipAddress": "127.0.0.1"}]
    assert token not in server.written
    assert "203.0.113.9" not in server.written


def test_a_socket_of_another_site_is_refused(server: Server) -> None:
    """A WebSocket handshake from a foreign origin is answered 403."""
    handshake = (
        "GET /graphql HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: graphql-transport-ws",
    )  # fmt: skip

    def status(origin: str) -> int:
        lines = [*handshake, f"Origin: {origin}"]
        return server.say(("\r\n".join(lines) + "\r\n\r\n").encode())[0]

    assert status("https://evil.example") == 403
    assert status("null") == 403
    assert status(f"http://localhost:{server.port}") == 101
    assert "Traceback" not in server.written


def test_the_log_is_lines_of_json(server: Server) -> None:
    """Each line of the log is one JSON object with the time, the level and the event."""
    server.say(_post())
    lines = [json.loads(line) for line in server.written.splitlines()]
    assert [each for each in lines if each["event"] == "request"]
    assert all({"timestamp", "level", "event"} <= set(each) for each in lines)
