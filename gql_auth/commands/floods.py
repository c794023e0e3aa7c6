"""The log's handler: of lines that repeat, the first are written and the rest are counted.

A line costs disk, and whoever can cause one can cause a million. So each kind of line has a
budget for each account or address, and a larger one for all together. What goes beyond leaves
one line at the end of the period, with how many there were, and a count in the metrics.
"""

import copy
import logging
from collections.abc import Callable, Mapping
from contextvars import Context
from threading import Timer
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

from gql_auth.kernel.addresses import client_of
from gql_auth.kernel.clock import monotonic
from gql_auth.kernel.lines import REQUEST, REQUESTS
from gql_auth.kernel.parsing import Rate

ALL: Final = 10  # times as many lines for all accounts and addresses together
TRACEBACK: Final = 10  # lines that one with a traceback is worth
SOURCES: Final = 10_000  # told apart in one period; further ones are one together
_OTHERS: Final = "others"

if TYPE_CHECKING:
    from threading import RLock  # a function, to whoever runs this


class _Kind(NamedTuple):
    """Lines that tell the same but for their details. There are as many as the code has places
    that log; nothing in it is a client's choice."""

    logger: str
    level: int
    line: int
    outcome: str  # the event's tag, or whether the request was refused
    defect: str  # the exception's class, and where it was raised


_ANSWERED: Final = _Kind(REQUESTS, logging.INFO, 0, "", "")
_REFUSED: Final = _ANSWERED._replace(outcome="refused")


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
        self._kept: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or count it."""
        self._write_kept()
        kind = _kind_of(record)
        # Somebody with an account is known, and bounded alone: many such are a busy hour.
        honest = hasattr(record, "user_id") and not kind.outcome
        source = _source_of(record)
        written = self._take(kind, source, str(record.msg), record.levelname, honest=honest)
        if not written:
            return
        if self._rate and record.exc_info and written > max(self._rate.limit // TRACEBACK, 1):
            record = _without_traceback(record)
        super().emit(record)

    def takes_request(self, note: Mapping[str, Any]) -> bool:
        """Whether the line of a request is to be written; if not, it is counted."""
        refused = "codes" in note
        account = note.get("user_id")
        source = account or (client_of(note["ip"]) if "ip" in note else "")
        kind = _REFUSED if refused else _ANSWERED
        honest = account is not None and not refused
        with self._guard:
            return self._take(kind, source, REQUEST, "INFO", honest=honest) > 0

    def keep(self, line: str) -> bool:
        """Keep a whole line, to be written with others; whether it is the first of them. Whatever
        is logged afterwards is written after it."""
        with self._guard:
            self._kept.append(line)
            return len(self._kept) == 1

    def write_kept(self) -> None:
        """Write what is kept."""
        with self._guard:
            self._write_kept()

    def _write_kept(self) -> None:
        if not self._kept:
            return
        kept, self._kept = self._kept, []
        try:
            self.stream.write("\n".join(kept) + "\n")
            self.flush()
        except Exception:  # noqa: BLE001 - as the standard library has it: logging never fails
            self.handleError(logging.makeLogRecord({"msg": REQUEST}))

    def _take(self, kind: _Kind, source: str, message: str, level: str, *, honest: bool) -> int:
        """How many lines of the kind the source has with this one; 0 if it is left out."""
        if self._rate is None:
            return 1
        now = self._now()
        if now >= self._ends:
            self._settle()
            self._ends = now + self._rate.period.total_seconds()
        tally = self._tally(kind, source)
        spent = tally.written >= self._rate.limit
        if spent or (not honest and self._totals.get(kind, 0) >= ALL * self._rate.limit):
            tally.left_out += 1
            self._messages.setdefault(kind, message)
            self._remember(self._ends - now)
            self.left_out(level.lower())
            return 0
        tally.written += 1
        self._totals[kind] = self._totals.get(kind, 0) + 1
        return tally.written

    def settle(self) -> None:
        """End the period: write how many lines were left out in it."""
        with self._guard:
            self._settle()

    @property
    def _guard(self) -> "RLock":
        """The handler's lock, which the standard library holds around `emit`."""
        assert self.lock is not None  # noqa: S101 - made when the handler was
        return self.lock

    def close(self) -> None:
        """Write what is owed; the process ends."""
        self.settle()
        self.write_kept()
        super().close()

    def _tally(self, kind: _Kind, source: str) -> _Tally:
        found = self._tallies.get((kind, source))
        if found is None:
            if len(self._tallies) >= SOURCES:
                source = _OTHERS
            found = self._tallies.setdefault((kind, source), _Tally())
        return found

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
    if record.name == REQUESTS and record.msg == REQUEST:
        return _REFUSED if is_refused else _ANSWERED
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
