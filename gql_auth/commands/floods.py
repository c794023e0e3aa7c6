"""The log's handler: of lines that repeat, the first are written and the rest are counted.

A line costs disk, and whoever can cause one can cause a million. So each kind of line has a
budget for each account or address, and a larger one for all together. What goes beyond leaves
one line at the end of the period, with how many there were, and a count in the metrics.
"""

import copy
import logging
from collections.abc import Callable
from contextvars import Context
from threading import Timer
from typing import Final, NamedTuple, TextIO

from gql_auth.kernel.addresses import client_of
from gql_auth.kernel.clock import monotonic
from gql_auth.kernel.parsing import Rate

ALL: Final = 10  # times as many lines for all accounts and addresses together
TRACEBACK: Final = 10  # lines that one with a traceback is worth
SOURCES: Final = 10_000  # told apart in one period; further ones are one together
_OTHERS: Final = "others"


class _Kind(NamedTuple):
    """Lines that tell the same but for their details. There are as many as the code has places
    that log; nothing in it is a client's choice."""

    logger: str
    level: int
    line: int
    outcome: str  # the event's tag, or whether the request was refused
    defect: str  # the exception's class, and where it was raised


class _Tally:
    """Lines of one kind from one source."""

    __slots__ = ("left_out", "written")

    def __init__(self) -> None:
        self.written = 0
        self.left_out = 0


class Floodgate(logging.StreamHandler[TextIO]):
    """Writes lines to a stream, within the budget.

    Args:
        rate: lines of one kind from one source; None writes all.
        left_out: told the level of each line that is not written.
        now: seconds that never step.
    """

    def __init__(
        self,
        stream: TextIO,
        rate: Rate | None,
        *,
        left_out: Callable[[str], None] = lambda _level: None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(stream)
        self.left_out = left_out
        self._rate = rate
        self._now = now
        self._ends = now()
        self._tallies: dict[tuple[_Kind, str], _Tally] = {}
        self._totals: dict[_Kind, int] = {}
        self._messages: dict[_Kind, str] = {}
        self._timer: Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or count it."""
        if self._rate is None:
            super().emit(record)
            return
        now = self._now()
        if now >= self._ends:
            self._settle()
            self._ends = now + self._rate.period.total_seconds()
        kind, source = _kind_of(record), _source_of(record)
        tally = self._tally(kind, source)
        if self._is_spent(kind, tally, record):
            tally.left_out += 1
            self._messages.setdefault(kind, str(record.msg))
            self._remember(self._ends - now)
            self.left_out(record.levelname.lower())
            return
        tally.written += 1
        self._totals[kind] = self._totals.get(kind, 0) + 1
        if record.exc_info and tally.written > max(self._rate.limit // TRACEBACK, 1):
            record = _without_traceback(record)
        super().emit(record)

    def settle(self) -> None:
        """End the period: write how many lines were left out in it."""
        self.acquire()
        try:
            self._settle()
        finally:
            self.release()

    def close(self) -> None:
        """Write what is owed; the process ends."""
        self.settle()
        super().close()

    def _tally(self, kind: _Kind, source: str) -> _Tally:
        if len(self._tallies) >= SOURCES and (kind, source) not in self._tallies:
            source = _OTHERS
        return self._tallies.setdefault((kind, source), _Tally())

    def _is_spent(self, kind: _Kind, tally: _Tally, record: logging.LogRecord) -> bool:
        assert self._rate is not None  # noqa: S101 - asked only with a rate
        if tally.written >= self._rate.limit:
            return True
        # Somebody with an account is known, and bounded alone: many such are a busy hour.
        honest = hasattr(record, "user_id") and not kind.outcome
        return not honest and self._totals.get(kind, 0) >= ALL * self._rate.limit

    def _remember(self, seconds: float) -> None:
        """See to it that the period is settled though nothing else is logged."""
        if self._timer is None:
            self._timer = Timer(max(seconds, 0), self.settle)
            self._timer.daemon = True
            self._timer.start()

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tallies, messages = self._tallies, self._messages
        self._tallies, self._messages, self._totals = {}, {}, {}
        for kind, message in messages.items():
            left_out = {
                source: tally.left_out
                for (other, source), tally in tallies.items()
                if other == kind and tally.left_out
            }
            # In no trace: it is about others than the one in whose request it is written.
            Context().run(super().emit, _summary(kind, message, left_out))


def _kind_of(record: logging.LogRecord) -> _Kind:
    is_refused = hasattr(record, "codes") or hasattr(record, "refused")
    outcome = getattr(record, "tag", None) or ("refused" if is_refused else "")
    return _Kind(record.name, record.levelno, record.lineno, outcome, _defect_of(record))


def _defect_of(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    kind, _, traceback = record.exc_info
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    place = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else ""
    return f"{kind.__qualname__} {place}"


def _source_of(record: logging.LogRecord) -> str:
    if account := getattr(record, "user_id", None):
        return str(account)
    address = getattr(record, "ip", None)
    return client_of(address) if address else ""


def _without_traceback(record: logging.LogRecord) -> logging.LogRecord:
    """The line alone; its traceback was told often enough."""
    bare = copy.copy(record)
    bare.exc_info = bare.exc_text = None
    bare.exception = f"{_defect_of(record).partition(' ')[0]}, as before"
    return bare


def _summary(kind: _Kind, message: str, left_out: dict[str, int]) -> logging.LogRecord:
    most = max(left_out, key=lambda source: left_out[source])
    told = {
        "name": kind.logger,
        "levelno": kind.level,
        "levelname": logging.getLevelName(kind.level),
        "msg": "repeated",
        "line": message,
        "times": sum(left_out.values()),
        "sources": len(left_out),
        "most_of": most,
        "most_times": left_out[most],
        "outcome": kind.outcome,
        "defect": kind.defect,
    }
    return logging.makeLogRecord({name: value for name, value in told.items() if value != ""})
