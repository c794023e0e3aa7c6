"""`scripts/bench` runs through, and a wrong answer cannot hide in its figures."""

import asyncio
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.benching.asking import Asking, WrongAnswer, post, repeat
from scripts.benching.load import Traffic, drive

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"


def test_the_quick_run_measures_every_part_and_finds_every_answer_right() -> None:
    """The smallest run ends well, names a figure of each part and leaves the page alone."""
    before = PAGE.read_bytes() if PAGE.exists() else None
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benching", "--quick"],
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for part in (
        "bare ASGI application",
        "gql-auth in a FastAPI application",
        "protected query to the ASGI limit",
    ):
        assert part in done.stdout
    assert (PAGE.read_bytes() if PAGE.exists() else None) == before


@contextmanager
def answering(body: Callable[[int], bytes]) -> Iterator[int]:
    """An HTTP server that says `body(n)` to the n-th request of a connection; its port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            number = 0
            while head := self._head():
                self.rfile.read(int(head[b"content-length"]))
                said = body(number)
                number += 1
                length = str(len(said)).encode()
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: " + length + b"\r\n\r\n")
                self.wfile.write(said)

        def _head(self) -> dict[bytes, bytes]:
            lines = iter(self.rfile.readline, b"\r\n")
            if not next(lines, b""):
                return {}
            return {k.lower(): v.strip() for k, _, v in (line.partition(b":") for line in lines)}

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_a_right_answer_is_counted_and_timed() -> None:
    """Every answer has its latency, and each connection keeps asking until the time is over."""
    with answering(lambda _: b"right") as port:
        scripts = [repeat([Asking(post("{ a }"), b"right")]) for _ in range(2)]
        (outcome,) = drive(Traffic(port, scripts, seconds=0.1, rate=200))
    assert outcome.answers == len(outcome.latencies) == 20
    assert 0 < outcome.percentile(50) <= outcome.percentile(99)


def test_one_wrong_answer_among_right_ones_ends_the_run() -> None:
    """A body that differs once, late, on one connection is not averaged away."""
    with answering(lambda number: b"wrong" if number == 20 else b"right") as port:
        scripts = [repeat([Asking(post("{ a }"), b"right")])]
        with pytest.raises(WrongAnswer, match="wrong"):
            drive(Traffic(port, scripts, seconds=30))


def test_a_server_that_hangs_up_ends_the_run() -> None:
    """A lost connection is a failure, not a pause."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async def serve() -> None:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            scripts = [repeat([Asking(post("{ a }"), b"right")])]
            with pytest.raises(WrongAnswer, match="hung up"):
                await asyncio.to_thread(drive, Traffic(port, scripts, seconds=30))

    asyncio.run(serve())
