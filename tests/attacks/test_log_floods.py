"""The log as a weapon: whoever can cause a line can cause a million, on somebody else's disk."""

import asyncio
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.process import Server, serving, until
from tests.watching import watched

OTHER = "https://app.example.com"
LONG = "é\x1b" * 3_000  # what grows most by being spelled out


def http(method: str = "POST", body: object = None, **headers: str) -> bytes:
    """A request on a connection that stays open."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
    told = {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "User-Agent": "é" * 2_000,
        "X-Forwarded-For": "203.0.113.7",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} /graphql HTTP/1.1\r\n{head}\r\n".encode() + content


def operation(text: str, **headers: str) -> bytes:
    return http(body={"query": text, "operationName": LONG}, **headers)


GUESS = 'mutation { login(input: {email: "ada@example.com", password: "x"}) { __typename } }'
# What a stranger can send, as many times as it likes.
BAD = {
    "no JSON": http(body=b"{" * 1_000),
    "not parsed": operation("{ " * 500),
    "not valid": operation("{ " + "nothing " * 500 + "}"),
    "no such operation": operation("{ __typename }"),
    "no token": http(body={"query": "query A { me { id } }", "operationName": "A"}),
    "bad token": http(body={"query": "{ me { id } }"}, Authorization=f"Bearer {'x' * 5_000}"),
    "method": http("PUT"),
    "media type": http(body={"query": "{ me }"}, Content_Type="text/" + "x" * 3_000),
    "not acceptable": http(body={"query": "{ me { id } }"}, Accept="text/" + "x" * 3_000),
    "another site": http(body={"query": GUESS}, Origin="https://" + "x" * 5_000),
    "preflight": http(
        "OPTIONS", Origin="https://" + "x" * 5_000, Access_Control_Request_Method="POST"
    ),
    "good": http(body={"query": "{ __typename }"}),
}
TIMES, LINES = 60, 10


async def flood(server: Server, request: bytes, times: int) -> None:
    """Send a request over and over on one connection, and read all the answers."""
    place = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)

    async def send() -> None:
        for _ in range(times):
            writer.write(request)
            await writer.drain()

    sending = asyncio.create_task(send())
    for _ in range(times):
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    await sending
    writer.close()


async def garble(server: Server, times: int) -> None:
    """What is no HTTP, which closes the connection."""
    place = urlsplit(server.url)
    for _ in range(times):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(b"\x16\x03\x01" + b"\x00" * 1_000 + b"\r\n\r\n")
        await reader.read()
        writer.close()


async def test_what_a_request_costs(tmp_path: Path) -> None:
    """Whatever a request consists of, it leaves one line, of some hundred bytes, and no
    traceback."""
    with serving(data_dir=tmp_path, log_lines="off", allowed_origins=OTHER) as server:
        for name, request in BAD.items():
            before = len(server.err)
            await flood(server, request, 2)

            def look(before: int = before) -> list[str]:
                return found if len(found := server.err[before:].splitlines()) > 1 else []

            first, second = until(look, "two lines")
            assert json.loads(first)["event"] in {"request", "preflight refused"}, name
            assert max(len(first), len(second)) < 1_700, name
        assert "Traceback" not in server.err


@pytest.mark.parametrize("workers", [1, 2])
async def test_floods_of_bad_requests(workers: int, tmp_path: Path) -> None:
    """Floods of every kind of bad request write some lines in each process, which hide neither
    others' nor that there was a flood; all that was left out is counted."""
    with watched(
        tmp_path, log_lines=f"{LINES}/1h", allowed_origins=OTHER, workers=workers
    ) as watcher:
        server = watcher.server
        for request in BAD.values():
            await asyncio.gather(*[flood(server, request, TIMES // 2) for _ in range(2)])
        await garble(server, TIMES)
        counted = watcher.figures()['gql_auth_log_lines_left_out_total{level="info"}']
        garbled = watcher.figures()['gql_auth_log_lines_left_out_total{level="warning"}']
        async with server.client(server.url) as ada:
            her = (await ada.signup())["user"]["id"]
            await ada.me()
            assert server.line_of(ada.last)["user_id"] == her
        server.stop()
        lines = server.log

    own = [line for line in lines if line["event"] == "request" and "user_id" not in line]
    refused = [line for line in own if "codes" in line or "refused" in line]
    written = {
        "refused": len(refused),
        "good": len(own) - len(refused),
        "preflight": len([line for line in lines if line["event"] == "preflight refused"]),
        "garbled": len([line for line in lines if "Invalid HTTP" in line["event"]]),
    }
    assert all(LINES <= count <= workers * LINES for count in written.values()), written
    assert written.pop("garbled") + garbled == TIMES
    assert TIMES * len(BAD) - TIMES <= sum(written.values()) + counted <= TIMES * len(BAD) + 2

    repeated = [line for line in lines if line["event"] == "repeated"]
    assert {line["line"] for line in repeated} == {
        "request", "preflight refused", "Invalid HTTP request received.",
    }  # fmt: skip
    assert {line["most_of"] for line in repeated if line["line"] == "request"} == {"127.0.0.1"}
    assert sum(line["times"] for line in repeated) == pytest.approx(counted + garbled, abs=2)
