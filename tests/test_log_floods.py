"""What repeats in the log: how much of it is written, what is counted, and what tells of it."""

import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from gql_auth.commands import floods, logs
from gql_auth.kernel.parsing import Rate
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Trace
from tests.process import until

REQUEST = logging.getLogger("gql_auth.requests")
ERRORS = logging.getLogger("gql_auth.errors")
FLOOD = 20_000
MINUTE = Rate(100, timedelta(minutes=1))
ALL = 100 * floods.ALL


class Log:
    """A log with a budget of a hundred lines a minute, on a clock of the test's own."""

    def __init__(self, folder: Path, rate: Rate | None, log_format: str) -> None:
        self.seconds = 1000.0
        self.text = StringIO()
        self.left_out: Counter[str] = Counter()
        settings = Settings(data_dir=folder, log_format=log_format)  # type: ignore[arg-type]
        formatter = logs.configure(settings).formatter
        self.gate = floods.Floodgate(
            self.text, rate, left_out=self._count, now=lambda: self.seconds
        )
        self.gate.setFormatter(formatter)
        logging.getLogger().handlers = [self.gate]

    def _count(self, level: str) -> None:
        self.left_out[level] += 1

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.getvalue().splitlines()]

    @property
    def summaries(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == "repeated"]


@pytest.fixture
def make_log(tmp_path: Path) -> Iterator[Callable[..., Log]]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    made: list[Log] = []

    def make(rate: Rate | None = MINUTE, log_format: str = "json") -> Log:
        made.append(Log(tmp_path, rate, log_format))
        return made[-1]

    yield make
    root.handlers = handlers
    root.setLevel(level)
    for log in made:
        log.gate.close()


@pytest.fixture
def log(make_log: Callable[..., Log]) -> Log:
    return make_log()


def request(number: int = 0, **more: Any) -> None:
    """A line as the endpoint writes it."""
    note = {"request_id": f"{number:012}", "method": "POST", "ip": "203.0.113.7", "status": 200}
    REQUEST.info("request", extra=note | more)


def refused(number: int = 0, **more: Any) -> None:
    request(number, codes=["GRAPHQL_PARSE_FAILED"], operation="x" * 64, **more)


def audit(number: int = 0, **more: Any) -> None:
    extra = {"tag": "login:failed", "ip": "203.0.113.7", "account": "x" * 64} | more
    logging.getLogger("gql_auth.features.audit.core").info("audit", extra=extra)


def unavailable(_number: int = 0) -> None:
    ERRORS.warning("unavailable", extra={"cause": "OperationalError SQLITE_FULL"})


def foreign(number: int = 0) -> None:
    logging.getLogger("uvicorn.error").warning(f"Invalid HTTP request {number} received.")  # noqa: G004


def defect(number: int = 0, fail: Callable[[int], object] = {}.__getitem__) -> None:
    try:
        fail(number)
    except (KeyError, ZeroDivisionError) as error:
        ERRORS.error("internal error", extra={"reference": f"{number:012}"}, exc_info=error)


@pytest.mark.parametrize("cause", [request, refused, audit, unavailable, foreign, defect])
def test_a_flood_is_bounded(cause: Callable[[int], None], log: Log) -> None:
    """Of twenty thousand lines of a kind a hundred are written, and one with their number."""
    for number in range(FLOOD):
        cause(number)
    assert len(log.lines) == 100
    assert sum(log.left_out.values()) == FLOOD - 100
    log.gate.settle()
    (summary,) = log.summaries
    assert (summary["times"], summary["sources"]) == (FLOOD - 100, 1)
    assert summary["level"] == log.lines[0]["level"]
    assert summary["logger"] == log.lines[0]["logger"]
    size = len(log.text.getvalue())
    assert size < 60_000
    assert size / FLOOD < 3, "bytes for each line that was caused"


def test_a_new_period_has_a_new_budget(log: Log) -> None:
    """The last of one period is left out, the first of the next is written, after the summary."""
    for number in range(101):
        request(number)
    log.seconds += 59.9
    request()
    assert len(log.lines) == 100
    log.seconds += 0.1
    with Trace():
        request(7)
    assert len(log.lines) == 102
    summary, after = log.lines[100:]
    assert (summary["event"], summary["times"], summary["line"]) == ("repeated", 2, "request")
    assert after["request_id"] == "000000000007"
    assert "trace_id" in after
    assert "trace_id" not in summary, "it is about others' requests"
    log.seconds += 60
    request()
    assert log.lines[-1]["event"] == "request", "what was told is not told again"
    assert len(log.lines) == 103


def test_one_flood_hides_no_other_kind(log: Log) -> None:
    """Each kind of line has a budget of its own: refused requests, others, each tag of events,
    each defect."""
    for number in range(200):
        refused(number)
        audit(number)
        defect(number)
    written = len(log.lines)
    request()
    audit(tag="refresh:reused")
    unavailable()
    defect(0, lambda number: 1 // number)
    assert [line["event"] for line in log.lines[written:]] == [
        "request", "audit", "unavailable", "internal error",
    ]  # fmt: skip
    assert "Traceback" in log.lines[-1]["exception"]


def test_one_source_hides_no_other(log: Log) -> None:
    """Each account and address has a budget of its own; of IPv6 the /64."""
    for number in range(200):
        request(number)
        request(number, user_id="ada")
        request(number, ip=f"2001:db8::{number:x}")
    assert len(log.lines) == 300
    request(ip="203.0.113.8")
    request(ip="2001:db8:0:1::1")
    request(user_id="bob")
    assert len(log.lines) == 303
    log.gate.settle()
    (summary,) = log.summaries
    assert (summary["times"], summary["sources"], summary["most_times"]) == (300, 3, 100)
    for number in range(500):
        request(number)
    log.gate.settle()
    assert log.summaries[-1]["most_of"] == "203.0.113.7"


@pytest.mark.parametrize("cause", [request, refused, audit])
def test_many_sources_are_bounded_together(cause: Callable[..., None], log: Log) -> None:
    """However many addresses take part, the log takes ten times what one may cause; memory too
    is bounded."""
    for number in range(FLOOD):
        cause(number, ip=f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}")
    assert len(log.lines) == ALL
    assert len(log.gate._tallies) <= floods.SOURCES + 1
    log.gate.settle()
    (summary,) = log.summaries
    assert summary["times"] == FLOOD - ALL
    assert summary["most_of"] == "others"
    assert log.gate._tallies == {}


def test_people_are_bounded_one_by_one(log: Log) -> None:
    """A busy hour of many signed-in people is written whole; what is refused them is not."""
    for number in range(2 * ALL):
        request(number, user_id=f"user{number % 50}")
    assert len(log.lines) == 2 * ALL
    for number in range(2 * ALL):
        refused(number, user_id=f"user{number % 50}")
    assert len(log.lines) == 3 * ALL


def test_a_defect_keeps_its_references(log: Log) -> None:
    """Tracebacks are a tenth of a defect's lines; the others name the exception and the
    reference that the client got."""
    for number in range(100):
        defect(number)
    texts = [line["exception"] for line in log.lines]
    assert all(text.startswith("Traceback") for text in texts[:10])
    assert set(texts[10:]) == {"KeyError, as before"}
    assert [line["reference"] for line in log.lines] == [f"{n:012}" for n in range(100)]


def test_off_writes_everything(make_log: Callable[..., Log]) -> None:
    """Whoever wants every line has every line."""
    log = make_log(None)
    for number in range(2 * ALL):
        refused(number)
    assert len(log.lines) == 2 * ALL
    assert log.left_out == {}


def test_the_end_tells_what_is_owed(log: Log) -> None:
    """A process that ends writes its summaries first."""
    for number in range(150):
        refused(number)
    log.gate.close()
    assert [line["times"] for line in log.summaries] == [50]


def test_a_summary_comes_though_nothing_else_is_logged(make_log: Callable[..., Log]) -> None:
    """After the flood silence: the summary is written by itself, once, and no thread stays."""
    log = make_log(Rate(1, timedelta(seconds=0.05)))
    request()
    request()
    until(lambda: log.summaries, "a summary", 10)
    assert [line["times"] for line in log.summaries] == [1]
    until(lambda: threading.active_count() == 1 or not timers(), "the end of the timer", 10)


def timers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if isinstance(each, threading.Timer)]


def test_a_summary_is_safe_to_print(log: Log) -> None:
    """What others put into their messages is spelled out and redacted in a summary as well."""
    for _ in range(101):
        logging.getLogger("some.library").warning("from ada@example.com\n\x1b[2K")
    log.gate.settle()
    (summary,) = log.summaries
    assert summary["line"] == "from [e-mail]\\n\\x1b[2K"
    assert not re.search(r"[\x00-\x1f]", log.text.getvalue().replace("\n", ""))
