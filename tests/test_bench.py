"""`scripts/bench` runs through, and a wrong answer cannot hide in its figures."""

import asyncio
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest

from gql_auth.kernel.settings import Settings
from scripts.benching import page, profile, record
from scripts.benching.asking import Asking, WrongAnswer, post, repeat
from scripts.benching.contenders import Contender
from scripts.benching.documents import DOCUMENTS
from scripts.benching.figures import Ratio, Section
from scripts.benching.load import Traffic, drive
from scripts.benching.machine import Running
from scripts.benching.servers import Site

ROOT = Path(__file__).parents[1]


def test_the_quick_run_measures_every_part_and_finds_every_answer_right() -> None:
    """The smallest run ends well, names a figure of each part and leaves what is published
    alone."""
    published = [page.PAGE, page.PICTURE, record.RECORD]
    before = [each.read_bytes() if each.exists() else None for each in published]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benching", "--quick"],
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for part in (
        "bare ASGI application",
        "mounted in FastAPI, to the ASGI limit",
        "plan to executor: sync protected field",
        "refreshes, SQLite, to bare UPDATEs by sqlite3",
        "refreshes, PostgreSQL, to bare UPDATEs by asyncpg",
        "refreshes, PostgreSQL, 2,000 sessions to 1,000",
        "20 racing refreshes of one token",
        "logins to bcrypt's limit, one core",
        "start to first answer, to 0.5 s",
        "ended sessions in memory, bytes each",
        "two workers to one, without the load's share",
        "99th percentile at 90 % of saturation, to bare ASGI application",
        "no token cached, to no cache",
        "Where the time goes: protected query",
        "Where the time goes: refresh, SQLite",
    ):
        assert part in done.stdout
    assert [each.read_bytes() if each.exists() else None for each in published] == before


def test_a_ratio_that_became_a_fifth_worse_is_told(tmp_path: Path) -> None:
    """Just within a fifth is none; beyond it is one, downwards and upwards as each is meant."""
    file = tmp_path / "record.json"
    record.write(
        [
            Ratio("speed", "to the limit", [0.9, 1.0, 5.0], target=0.7),
            Ratio("tail", "beside logins to idle", [1.0], target=2.0, at_most=True),
        ],
        file,
    )
    before = record.recorded(file)
    assert before["speed"]["median"] == 1.0
    within = [Ratio("speed", "", [0.81]), Ratio("tail", "", [1.19], at_most=True)]
    better = [Ratio("speed", "", [9.0]), Ratio("tail", "", [0.1], at_most=True)]
    new = [Ratio("other", "", [0.0])]
    assert record.regressions([*within, *better, *new], before) == []
    slower = Ratio("speed", "to the limit", [2.0, 0.79, 0.1])
    later = Ratio("tail", "beside logins to idle", [1.21], at_most=True)
    told = record.regressions([slower, later], before)
    assert told == [
        "speed: to the limit: was 1.000, is 0.790, -21 %",
        "tail: beside logins to idle: was 1.000, is 1.210, +21 %",
    ]


def test_a_ratio_says_whether_it_meets_its_target() -> None:
    """The median decides, not the best round; an upper bound is met from below."""
    assert Ratio("", "", [0.6, 0.7, 0.8], target=0.7).row()[2:] == ("≥ 0.7", "yes")
    assert Ratio("", "", [0.6, 0.69, 9.0], target=0.7).row()[2:] == ("≥ 0.7", "**no**")
    assert Ratio("", "", [2.0], target=2.0, at_most=True).row()[2:] == ("≤ 2", "yes")
    assert Ratio("", "", [2.1], target=2.0, at_most=True).row()[2:] == ("≤ 2", "**no**")
    assert Ratio("", "", [2.1]).row()[2:] == ("", "")


def test_the_page_and_its_picture_show_what_was_measured(tmp_path: Path) -> None:
    """Every figure and ratio of a section is in the page; the picture has a bar for each server
    and is well-formed."""
    section = Section("Protected query", ("server", "requests/s"), [("gql-auth", "1,234")])
    section.ratios.append(Ratio("a.limit", "to the limit", [0.5], target=0.7))
    section.bars.update({"bare ASGI application": 2468.0, "gql-auth": 1234.0, "a <peer> & co": 1.0})
    text, picture = tmp_path / "page.md", tmp_path / "pictures" / "picture.svg"
    page.write("Measured here.", [section], page=text, picture=picture)
    assert "| gql-auth | 1,234 |" in text.read_text()
    assert "| to the limit | 0.500 | ≥ 0.7 | **no** |" in text.read_text()
    drawing = ET.parse(picture)
    bars = drawing.findall("{http://www.w3.org/2000/svg}rect")
    assert [round(float(bar.get("width")), 1) for bar in bars] == [350.0, 175.0, 1.0]
    texts = [each.text for each in drawing.findall("{http://www.w3.org/2000/svg}text")]
    assert "1,234 · 0.50" in texts
    assert "a <peer> & co" in texts


def test_samples_count_to_the_module_that_was_at_work() -> None:
    """The innermost frame decides; what has no name of its own is told as such."""
    found = profile.shares(
        "run (asyncio/runners.py);main (/x/gql_auth/serving/http.py) 3\n"
        "main (/x/gql_auth/serving/http.py);on (/y/site-packages/uvicorn/protocols/http/a.py) 1\n"
        "main (/x/gql_auth/serving/http.py);run (/z/lib/python3.11/asyncio/runners.py) 4\n"
    )
    assert found == {
        "uvloop: sockets, the system": 50.0,
        "gql_auth.serving.http": 37.5,
        "uvicorn.protocols": 12.5,
    }


def test_every_document_of_the_protected_query_is_another() -> None:
    """Twenty texts, and their answers have the keys that they ask for."""
    assert len({each.text for each in DOCUMENTS}) == len(DOCUMENTS) == 20
    aliased = next(each for each in DOCUMENTS if "viewer:" in each.text)
    assert (
        aliased.data("1", "a@example.com")
        == b'{"data":{"viewer":{"id":"1","email":"a@example.com"}}}'
    )


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
    for wrong in (b"wrong", b"not right", b"righ", b"right\r\n\r\nright"):
        with answering(lambda number, said=wrong: said if number == 20 else b"right") as port:
            scripts = [repeat([Asking(post("{ a }"), b"right")])]
            with pytest.raises(WrongAnswer, match="instead of b'right'"):
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


def test_a_server_that_takes_a_forged_token_ends_the_run() -> None:
    """It answered every query right, and answers a token with another's signature as well."""
    body = b'{"data":{"me":{"id":"1","email":"a@example.com"}}}'
    with answering(lambda _: body) as port:
        server = Running(cast("Any", None), port, 0.0)
        asked = Contender("lenient", server, Site(Settings()), [])
        asked.tokens = ["a.b.c", "d.e.f"]
        with pytest.raises(WrongAnswer, match="lenient took a forged token"):
            asked.require_refusal()


def test_requests_at_a_rate_wait_for_nobody() -> None:
    """A stall is charged to all that were due meanwhile, not only to the one that met it."""

    def stall(number: int) -> bytes:
        if number == 0:
            time.sleep(0.2)
        return b"right"

    with answering(stall) as port:
        scripts = [repeat([Asking(post("{ a }"), b"right")])]
        (outcome,) = drive(Traffic(port, scripts, seconds=0.2, rate=100))
    assert outcome.answers == 20
    assert sum(outcome.latencies) > 20 * 0.2 / 2
