"""uvicorn's answering of one request, cheaper: what is plain is written in one go, and all else
goes uvicorn's own way."""

from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

from gql_auth.serving.headers import headers_of

_SPECIAL: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"connection"}
)  # they change what follows
_LINES: Final = 512  # of heads that are remembered; the date's changes each second
_lines: Final[dict[tuple[bytes, bytes], bytes]] = {}


class Cycle(RequestResponseCycle):
    """uvicorn's answering of one request, cheaper: nearly all lines of a head are those of the head
    before, so each is judged and put together once; and a head goes out with what follows it."""

    _head = b""  # that waits for the body's first piece

    async def send(self, message: Any) -> None:
        """Pass on what the application says."""
        if self._head:
            if self._ends_plainly(message):
                return
            self._write(b"")
        elif not self.response_started and self._starts_plainly(message):
            return
        await super().send(message)

    def _write(self, body: bytes) -> None:
        head, self._head = self._head, b""
        self.transport.write(head + body)

    def _ends_plainly(self, message: Any) -> bool:
        """Write the answer, if this is the whole body and nothing is special about it."""
        body = message.get("body", b"")
        whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not whole or self.disconnected or len(body) != self.expected_content_length:
            return False
        if self.scope["method"] == "HEAD":
            return False
        self._write(body)
        self.expected_content_length, self.response_complete = 0, True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True

    def _starts_plainly(self, message: Any) -> bool:
        """Begin the answer, if it has a length and nothing is special about it."""
        paused = self.flow.write_paused or self.disconnected
        if paused or self.access_log or message["type"] != "http.response.start":
            return False
        length = None
        parts = [STATUS_LINE[message["status"]]]
        for pair in (*self.default_headers, *message["headers"]):
            line = _lines.get(pair)
            if line is None:
                name, value = pair
                if name == b"content-length" and value.isdigit():
                    length = int(value)
                elif name in _SPECIAL or not _is_harmless(name, value):
                    return False  # uvicorn knows what to do, or what to say
                line = b"%b: %b\r\n" % pair
                if name in _REPEATED:
                    _remember(pair, line)
            parts.append(line)
        if length is None:
            return False
        parts.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        self.response_started, self.waiting_for_100_continue = True, False
        self.chunked_encoding, self.expected_content_length = False, length
        self._head = b"".join(parts)
        return True


def _is_harmless(name: bytes, value: bytes) -> bool:
    """Whether a header is one line, its name in lower case."""
    plain = name == name.lower() and not HEADER_RE.search(name)
    return plain and not HEADER_VALUE_RE.search(value)


def _remember(pair: tuple[bytes, bytes], line: bytes) -> None:
    if len(_lines) >= _LINES:
        _lines.clear()
    _lines[pair] = line


# What is the same in answer after answer; other headers would push these out.
_REPEATED: Final = frozenset(
    name.lower().encode()
    for name in (*headers_of(https=True), "Content-Type", "Vary", "Date", "Cache-Control")
)
