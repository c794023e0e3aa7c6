"""The load: keep-alive connections that write ready-made bytes and judge every answer.

A client library costs several times what the server does; this costs a few microseconds a
request, so that what is measured is the server. One thread on one core, which it does not give
away while requests are due within a millisecond: a timer would be late by as much as the answers
take.
"""

import re
import selectors
import socket
import statistics
import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from scripts.benching.asking import Answer, Asking, Script, WrongAnswer

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PATIENCE: Final = 60.0  # seconds without an answer, after which none is waited for
_SPIN: Final = 0.001  # seconds before a request is due, from which on the core is kept
_READ: Final = 65536  # bytes
_OK: Final = b"HTTP/1.1 200 "


@dataclass(frozen=True, slots=True)
class Traffic:
    """Connections to one server, one script each.

    Args:
        seconds: no request starts later.
        rate: requests a second of all connections together, by turns, each at its time whether
            those before are answered or not; 0 means each as soon as the one before it on its
            connection is answered.
    """

    port: int
    scripts: Sequence[Script]
    seconds: float = _PATIENCE
    rate: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What came of it. A latency counts from when the request was due: a stall is charged to
    every request that it kept from starting.

    Args:
        seconds: from the first request to the last answer.
        latencies: in seconds.
        cpu_seconds: what all the load of this run took of its core.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    cpu_seconds: float = 0.0

    @property
    def answers(self) -> int:
        """How many there were."""
        return len(self.latencies)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def percentile(self, percent: int) -> float:
        """The latency, in seconds, that this share of the answers kept within."""
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


class _Connection:
    """One connection of a run."""

    __slots__ = ("_due", "_next", "_parts", "_right", "_run", "_script", "_socket", "_waiting")

    def __init__(self, run: "_Run", line: socket.socket, script: Script) -> None:
        self._run = run
        self._socket = line
        self._script = script
        self._next: Asking | None = next(script)  # None once the script is over
        self._right: bytes | None = None
        self._parts = b""
        self._due = 0.0  # of the request that is on its way; 0 while none is
        self._waiting: deque[float] = deque()  # when those were due that could not start

    def start(self, due: float) -> None:
        """Ask, at once or when those before are answered."""
        self._run.pending += 1
        if self._due:
            self._waiting.append(due)
        else:
            self._ask(due)

    def receive(self) -> None:
        """Take what has come."""
        try:
            data = self._socket.recv(_READ)
        except OSError as error:
            raise WrongAnswer(f"the server hung up {error}") from None
        if not data:
            raise WrongAnswer("the server hung up")
        if not self._due:
            raise WrongAnswer(f"an answer to nothing: {data!r}")
        if self._parts:
            data = self._parts + data
        right = self._right
        # The usual case, in few steps: the blank line is followed by exactly the right body.
        if (
            right is not None
            and data.startswith(_OK)
            and data.endswith(right)
            and data.find(b"\r\n\r\n") == len(data) - len(right)
        ):
            self._go_on(None)
            return
        answer = _whole(data)
        if answer is None:
            self._parts = data
        elif right is None:
            self._go_on(answer)
        else:
            raise WrongAnswer(f"{answer.status} {answer.body!r} instead of {right[4:]!r}")

    def _go_on(self, answer: Answer | None) -> None:
        now, run = time.perf_counter(), self._run
        run.latencies.append(now - self._due)
        run.pending -= 1
        run.heard_at = now
        self._due, self._parts = 0.0, b""
        try:
            self._next = self._script.send(answer)
        except StopIteration:
            self._next = None
        if self._waiting:
            self._ask(self._waiting.popleft())
        elif not run.every and now < run.until:
            run.pending += 1
            self._ask(now)

    def _ask(self, due: float) -> None:
        asking = self._next
        if asking is None:
            self._run.pending -= 1 + len(self._waiting)
            self._waiting.clear()
            return
        self._due = due
        self._right = None if asking.right is None else b"\r\n\r\n" + asking.right
        try:
            sent = self._socket.send(asking.request)
            if sent != len(asking.request):  # longer than what the system takes at once
                self._socket.setblocking(True)
                self._socket.sendall(asking.request[sent:])
                self._socket.setblocking(False)
        except OSError as error:
            raise WrongAnswer(f"the server hung up {error}") from None


class _Run:
    """One traffic while it runs."""

    def __init__(self, traffic: Traffic, lines: Sequence[socket.socket]) -> None:
        self.pending = 0  # requests that are not answered yet
        self.latencies: list[float] = []
        self.every = 1 / traffic.rate if traffic.rate else 0.0
        self.connections = [
            _Connection(self, line, script)
            for line, script in zip(lines, traffic.scripts, strict=True)
        ]
        self._seconds = traffic.seconds
        self._begun = 0  # requests by the clock

    def begin(self) -> None:
        """From now on; every connection asks, unless they have a rate."""
        self.began = self.heard_at = time.perf_counter()
        self.until = self.began + self._seconds
        if not self.every:
            for each in self.connections:
                each.start(self.began)

    def release(self, now: float) -> float:
        """Start what is due; seconds until the next is."""
        if not self.every:
            return _PATIENCE
        while (due := self.began + self._begun * self.every) <= now:
            if due >= self.until:
                return _PATIENCE
            self.connections[self._begun % len(self.connections)].start(due)
            self._begun += 1
        return due - now

    def over(self, now: float) -> bool:
        """Whether all is asked and answered."""
        if self.pending and now - self.heard_at > _PATIENCE:
            raise WrongAnswer(f"no answer for {_PATIENCE:g} seconds")
        return not self.pending and (not self.every or now >= self.until)


def _whole(data: bytes) -> Answer | None:
    """The answer, when all of it is there."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    length = _LENGTH.search(head)
    if length is None:
        raise WrongAnswer(f"an answer of unknown length: {head!r}")
    if len(body) > int(length[1]):
        raise WrongAnswer(f"more than one answer: {data!r}")
    return Answer(head, body) if len(body) == int(length[1]) else None


def drive(*traffics: Traffic) -> list[Outcome]:
    """Run these at once, from the moment that all are connected.

    Raises:
        WrongAnswer: the first that any script met, or no answer for a minute.
    """
    with ExitStack() as stack:
        selector = stack.enter_context(_selector(traffics))
        precise = isinstance(selector, selectors.SelectSelector)
        runs = [_connect(each, selector, stack) for each in traffics]
        spent = time.process_time()
        for run in runs:
            run.begin()
        going, outcomes = list(runs), dict[_Run, Outcome]()
        while going:
            now = time.perf_counter()
            wait = min(run.release(now) for run in going)
            for key, _ in selector.select(wait if precise or wait > _SPIN else 0):
                key.data.receive()
            now = time.perf_counter()
            for run in [each for each in going if each.over(now)]:
                outcomes[run] = Outcome(run.heard_at - run.began, run.latencies)
                going.remove(run)
        for outcome in outcomes.values():
            outcome.cpu_seconds = time.process_time() - spent
    return [outcomes[run] for run in runs]


def _selector(traffics: Sequence[Traffic]) -> selectors.BaseSelector:
    """The quickest there is; for requests that are further apart than a millisecond one that wakes
    at the microsecond, as epoll's time has no fractions of one."""
    if any(0 < each.rate < 1 / _SPIN for each in traffics):
        return selectors.SelectSelector()
    return selectors.DefaultSelector()


def _connect(traffic: Traffic, selector: selectors.BaseSelector, stack: ExitStack) -> _Run:
    lines = []
    for _ in traffic.scripts:
        line = stack.enter_context(socket.create_connection(("127.0.0.1", traffic.port)))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.setblocking(False)
        lines.append(line)
    run = _Run(traffic, lines)
    for line, connection in zip(lines, run.connections, strict=True):
        selector.register(line, selectors.EVENT_READ, connection)
    return run


def ask(port: int, request: bytes) -> Answer:
    """The answer to one request."""
    answers: list[Answer | None] = []

    def script() -> Script:
        answers.append((yield Asking(request)))

    drive(Traffic(port, [script()]))
    (answer,) = answers
    assert answer is not None
    return answer
