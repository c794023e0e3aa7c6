"""The line of a request, made the quick way: the same line as made the ordinary way, in the same
order and within the same budget."""

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gql_auth.commands import floods, logs
from gql_auth.commands.lines import FastLines
from gql_auth.kernel.lines import REQUESTS, Lines
from gql_auth.kernel.parsing import Rate
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Trace

PLAIN = {"request_id": "0123456789abcdef", "method": "POST", "status": 200, "ms": 1.5}
NOTES: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "caller": PLAIN | {"ip": "192.0.2.1", "user_id": "u1", "session_id": "s1", "operation": "Me"},
    "refused": PLAIN | {"ip": "::1", "codes": ["ACCESS_TOKEN_EXPIRED"]},
    "problem": PLAIN | {"refused": "The body is not valid JSON in UTF-8: x\ny\x1b[2K"},
    "origin": PLAIN | {"codes": ["CROSS_SITE_REQUEST"], "origin": "https://evil.example\n{}"},
    "method": PLAIN | {"method": "PROPFIND"},
    "token as a name": PLAIN | {"operation": "eyJhbGciOiJFUzI1NiJ9"},
    "token in a name": PLAIN | {"operation": "x_eyJhbGciOiJFUzI1NiJ9"},
    "address as a name": PLAIN | {"operation": "ada@example.com"},
    "hash as a name": PLAIN | {"operation": "$2b$12$abcdefghijklmnopqrstuu"},
    "lines as a name": PLAIN | {"operation": 'x\n{"event": "request"}'},
    "letters as a name": PLAIN | {"operation": "été"},
    "surrogate as a name": PLAIN | {"operation": "\ud800"},
    "address as a code": PLAIN | {"codes": ["ada@example.com"]},
    "surrogate as a code": PLAIN | {"codes": ["\ud800"]},
}


class Log:
    """A log of both ways."""

    def __init__(self, folder: Path, rate: Rate | None = None) -> None:
        self.text = StringIO()
        formatter = logs.configure(Settings(data_dir=folder, log_format="json")).formatter
        self.gate = floods.Floodgate(self.text, rate)
        self.gate.setFormatter(formatter)
        logging.getLogger().handlers = [self.gate]
        self.fast = FastLines(self.gate)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.getvalue().splitlines()]


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.parametrize("which", NOTES)
async def test_it_is_the_same_line(which: str, tmp_path: Path) -> None:
    """Whatever is noted of a request, its line tells the same either way, and hides the same."""
    log = Log(tmp_path)
    with Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"):
        Lines().request(NOTES[which])
        log.fast.request(NOTES[which])
    await asyncio.sleep(0)
    slow, fast = log.lines
    times = [datetime.fromisoformat(each.pop("timestamp")) for each in (slow, fast)]
    assert abs(times[1] - times[0]) < timedelta(seconds=5)
    assert fast == slow
    assert fast["trace_id"] == "0af7651916cd43dd8448eb211c80319c"


async def test_one_budget_for_both(tmp_path: Path) -> None:
    """Lines of either way count for the same account, and are left out together."""
    log = Log(tmp_path, Rate(10, timedelta(minutes=1)))
    note = NOTES["caller"]
    for _ in range(8):
        log.fast.request(note)
        Lines().request(note)
    await asyncio.sleep(0)
    assert len(log.lines) == 10
    log.gate.settle()
    assert log.lines[-1]["event"] == "repeated"
    assert log.lines[-1]["times"] == 6
    log.gate.close()


async def test_strangers_share_a_budget(tmp_path: Path) -> None:
    """Refusals and requests of nobody are bounded all together, whatever addresses they name."""
    log = Log(tmp_path, Rate(10, timedelta(minutes=1)))
    for number in range(200):
        log.fast.request(PLAIN | {"ip": f"192.0.2.{number}"})
        log.fast.request(PLAIN | {"ip": f"192.0.2.{number}", "user_id": "u", "codes": ["X"]})
    await asyncio.sleep(0)
    refused = [line for line in log.lines if "codes" in line]
    assert len(refused) == 10, "of one account"
    assert len(log.lines) - len(refused) == 10 * floods.ALL
    log.gate.close()


async def test_lines_stay_in_order(tmp_path: Path) -> None:
    """What is kept for a moment is written before whatever is logged afterwards."""
    log = Log(tmp_path)
    log.fast.request(PLAIN)
    logging.getLogger("gql_auth.features.audit.core").info("audit", extra={"tag": "x"})
    log.fast.request(PLAIN)
    await asyncio.sleep(0)
    assert [line["event"] for line in log.lines] == ["request", "audit", "request"]


async def test_the_last_lines_are_written_at_the_end(tmp_path: Path) -> None:
    """What is kept when the log is closed is written then."""
    log = Log(tmp_path)
    log.fast.request(PLAIN)
    assert log.lines == []
    log.gate.close()
    assert [line["event"] for line in log.lines] == ["request"]


async def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that cannot be written fails no request, and goes on when it can be again."""

    def fail(_text: str) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(logging, "raiseExceptions", False)
    log = Log(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(log.text, "write", fail)
        log.fast.request(PLAIN)
        await asyncio.sleep(0)
    log.fast.request(PLAIN)
    await asyncio.sleep(0)
    assert len(log.lines) == 1


def test_the_logger_of_requests() -> None:
    """A host finds the lines under the name that the documentation tells."""
    assert REQUESTS == "gql_auth.requests"
