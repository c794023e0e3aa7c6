"""The line of each request, made as cheaply as it is often: without a record, a chain of
processors and a write of its own.

It is the line that `gql_auth.commands.logs` would have made of it. What a client chose is left to
that one, unless it is plainly harmless.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from json import dumps
from typing import Any, Final

from gql_auth.commands.floods import Floodgate
from gql_auth.kernel import telemetry
from gql_auth.kernel.clock import from_epoch, wall_clock
from gql_auth.kernel.lines import REQUEST, REQUESTS, Lines

# What may stand in a note. An operation's name is the client's, and a code may be the host's.
_OURS: Final = frozenset({"request_id", "method", "status", "ms", "ip", "codes", "user_id",
                          "session_id", "operation"})  # fmt: skip
_METHODS: Final = frozenset({"GET", "POST"})
# No dot, no dollar and no at sign: neither a hash nor an address fits in it.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_TOKEN: Final = "eyJ"  # noqa: S105 - how one begins


class FastLines(Lines):
    """Writes them in JSON, all of one turn of the event loop at once.

    Args:
        gate: whose stream and whose budget it is.
    """

    def __init__(self, gate: Floodgate) -> None:
        self._gate = gate
        self._second, self._spelled = -1, ""
        self._rest = (
            f'"event":"{REQUEST}","pid":{os.getpid()},"level":"info","logger":"{REQUESTS}",'
            '"timestamp":"'
        )

    def request(self, note: Mapping[str, Any]) -> None:
        """A request was answered."""
        plain = (
            note["method"] in _METHODS
            and note.keys() <= _OURS
            and ("operation" not in note or _is_name(note["operation"]))
            and ("codes" not in note or all(map(_is_name, note["codes"])))
        )
        if not plain:
            super().request(note)
            return
        if not self._gate.takes_request(note):
            return
        trace = telemetry.here()
        parts = [_ours(name, value) for name, value in note.items()]
        if trace is not None:
            parts.append(f'"trace_id":"{trace.trace_id}"')
            if trace.span_id is not None:
                parts.append(f'"span_id":"{trace.span_id}"')
        line = f'{{{",".join(parts)},{self._rest}{self._now()}"}}'
        if self._gate.keep(line):
            asyncio.get_running_loop().call_soon(self._gate.write_kept)

    def _now(self) -> str:
        """The present instant (RFC 3339), in UTC; a second is spelled once."""
        nanoseconds = wall_clock()
        second, rest = divmod(nanoseconds // 1_000, 1_000_000)
        if second != self._second:
            self._second = second
            self._spelled = from_epoch(second).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._spelled}{rest:06}Z"


def _ours(name: str, value: object) -> str:
    """A field as JSON. What is ours has no letter in it that JSON would spell another way."""
    if isinstance(value, str):
        return f'"{name}":"{value}"'
    return f'"{name}":{value}' if isinstance(value, int | float) else f'"{name}":{dumps(value)}'


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and _TOKEN not in text
