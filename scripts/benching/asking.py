"""What is said to servers, and what they say: requests as bytes, answers to judge."""

import re
from collections.abc import Generator, Mapping, Sequence
from itertools import cycle
from typing import Any, Final, NamedTuple

import orjson

_COOKIE: Final = re.compile(rb"\r\nset-cookie: *([^;\r]+)", re.IGNORECASE)


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


class Asking(NamedTuple):
    """A request, and the one right body of its answer, which is then not looked at further; None
    where the script judges the answer itself."""

    request: bytes
    right: bytes | None = None


# What one connection says: yields what it asks, is sent the answer where it judges it itself,
# raises WrongAnswer.
Script = Generator[Asking, Answer | None, None]


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


def repeat(askings: Sequence[Asking]) -> Script:
    """Ask these over and over; each must get exactly its body."""
    yield from cycle(askings)


def require(holds: bool, what: str, answer: Answer | None = None) -> None:
    """Raise WrongAnswer unless it holds."""
    if not holds:
        raise WrongAnswer(f"{what}: {answer}" if answer else what)
