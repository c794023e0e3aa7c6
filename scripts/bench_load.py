"""The load: keep-alive connections that write ready-made bytes and judge every answer.

A client library costs several times what the server does; this costs a few microseconds a
request, so that what is measured is the server.
"""

import asyncio
import re
import statistics
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Final, NamedTuple

import orjson

try:
    from uvloop import new_event_loop
except ImportError:  # Windows
    from asyncio import new_event_loop

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_COOKIE: Final = re.compile(rb"\r\nset-cookie: *([^;\r]+)", re.IGNORECASE)
_PATIENCE: Final = 60.0  # seconds for answers that are still due when the time is over


class WrongAnswer(Exception):  # noqa: N818 - a verdict
    """The server said something else than it must, or nothing."""


class Answer(NamedTuple):
    """One HTTP answer: its head without the blank line, and its body."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.head[9:12])

    @property
    def cookie(self) -> bytes:
        """`name=value` of the cookie it sets; empty where it sets none."""
        found = _COOKIE.search(self.head)
        return found[1] if found else b""


# What one connection says: yields a request, is sent its answer, raises WrongAnswer.
Script = Generator[bytes, Answer, None]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Connections to one server, one script each.

    Args:
        seconds: no request starts later.
        every: seconds between the requests of one connection; 0 means each as soon as the one
            before is answered.
    """

    port: int
    scripts: Sequence[Script]
    seconds: float = _PATIENCE
    every: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. A latency counts from when the request was due: a stall is charged to
    every request that it kept from starting."""

    answers: int
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def percentile(self, percent: int) -> float:
        """The latency, in seconds, that this share of the answers kept within."""
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


class _Connection(asyncio.Protocol):
    def __init__(self, script: Script, every: float) -> None:
        self.latencies: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._script = script
        self._every = every
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._end(WrongAnswer(f"the server hung up {error or ''}"))

    def begin(self, at: float, until: float) -> None:
        self._due, self._until = at, until
        self._send_when_due(next(self._script))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, _ = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        length = _LENGTH.search(head)
        if length is None:
            self._end(WrongAnswer(f"an answer of unknown length: {head!r}"))
            return
        begin = len(head) + len(blank)
        end = begin + int(length[1])
        if len(self._buffer) >= end:
            answer = Answer(head, self._buffer[begin:end])
            self._buffer = self._buffer[end:]
            self._go_on(answer)

    def _go_on(self, answer: Answer) -> None:
        now = time.perf_counter()
        self.latencies.append(now - self._due)
        try:
            upcoming = self._script.send(answer)
        except StopIteration:
            self._end()
            return
        except WrongAnswer as wrong:
            self._end(wrong)
            return
        self._due = self._due + self._every if self._every else now
        if max(now, self._due) >= self._until:
            self._end()
        else:
            self._send_when_due(upcoming)

    def _send_when_due(self, request: bytes) -> None:
        wait = self._due - time.perf_counter()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._write, request)
        else:
            self._write(request)

    def _write(self, request: bytes) -> None:
        if not self.ended.done():  # the server may have hung up meanwhile
            self._transport.write(request)

    def _end(self, wrong: WrongAnswer | None = None) -> None:
        if not self.ended.done():
            if wrong is None:
                self.ended.set_result(None)
            else:
                self.ended.set_exception(wrong)
        self._transport.close()


def drive(*traffics: Traffic) -> list[Outcome]:
    """Run these at once, from the moment that all are connected.

    Raises:
        WrongAnswer: the first that any script met, or no answer for a minute.
    """

    async def run() -> list[Outcome]:
        opened = [await _connect(each) for each in traffics]
        return await asyncio.gather(*map(_run, traffics, opened))

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run())


async def _connect(traffic: Traffic) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    opened = []
    for script in traffic.scripts:
        _, connection = await loop.create_connection(
            lambda script=script: _Connection(script, traffic.every), "127.0.0.1", traffic.port
        )
        opened.append(connection)
    return opened


async def _run(traffic: Traffic, connections: Sequence[_Connection]) -> Outcome:
    began = time.perf_counter()
    for number, connection in enumerate(connections):
        turn = traffic.every * number / len(connections)
        connection.begin(began + turn, began + traffic.seconds)
    try:
        async with asyncio.timeout(traffic.seconds + _PATIENCE):
            await asyncio.gather(*(each.ended for each in connections))
    except TimeoutError:
        raise WrongAnswer(f"no answer for {_PATIENCE:g} seconds") from None
    took = time.perf_counter() - began
    latencies = [latency for each in connections for latency in each.latencies]
    return Outcome(len(latencies), took, latencies)


def post(query: str, variables: Mapping[str, Any] | None = None, **headers: str) -> bytes:
    """A request to `/graphql`; `_` in a header's name stands for `-`."""
    body = orjson.dumps({"query": query, **({"variables": variables} if variables else {})})
    lines = [
        "POST /graphql HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        "Accept: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def repeat(exchanges: Iterable[tuple[bytes, bytes]]) -> Script:
    """Send these requests over and over; each must get exactly its body."""
    for request, expected in cycle(exchanges):
        answer = yield request
        if answer.body != expected or answer.status != 200:  # noqa: PLR2004
            raise WrongAnswer(f"{answer.status} {answer.body!r} instead of {expected!r}")


def ask(port: int, request: bytes) -> Answer:
    """The answer to one request."""
    answers: list[Answer] = []

    def script() -> Script:
        answers.append((yield request))

    drive(Traffic(port, [script()]))
    return answers[0]
