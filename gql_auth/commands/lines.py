"""The line of each request, made as cheaply as it is often: without a record, a chain of
processors and a write of its own.

It is the line that `gql_auth.commands.logs` would have made of it. What a client chose is left to
that one, unless it is plainly harmless.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from gql_auth.commands.floods import Floodgate
from gql_auth.kernel import telemetry
from gql_auth.kernel.clock import SystemClock
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
        self._pid = os.getpid()
        self._clock = SystemClock()

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
        line = {
            **note,
            "event": REQUEST,
            "pid": self._pid,
            "level": "info",
            "logger": REQUESTS,
            "timestamp": self._clock.now(),
        }
        if trace is not None:
            line["trace_id"] = trace.trace_id
            if trace.span_id is not None:
                line["span_id"] = trace.span_id
        if self._gate.keep(orjson.dumps(line, option=orjson.OPT_UTC_Z)):
            asyncio.get_running_loop().call_soon(self._gate.write_kept)


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and _TOKEN not in text
