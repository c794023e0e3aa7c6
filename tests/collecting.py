"""An OTLP/HTTP receiver, as a collector is one, and the spans that it got."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span:
    """One span, with what it says in plain types."""

    def __init__(self, scope: str, said: Any) -> None:
        self.scope = scope
        self.name: str = said.name
        self.trace_id: str = said.trace_id.hex()
        self.span_id: str = said.span_id.hex()
        self.parent_id: str = said.parent_span_id.hex()
        self.state: str = said.trace_state
        self.kind: int = said.kind
        self.failed: bool = said.status.code == 2
        self.nanoseconds: int = said.end_time_unix_nano - said.start_time_unix_nano
        self.about = {each.key: each.value.string_value for each in said.attributes}

    def __repr__(self) -> str:
        return f"<{self.name} {self.about}>"


class Collector:
    """What has arrived so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.paths: set[str] = set()
        self.bodies: list[bytes] = []

    @property
    def requests(self) -> list[Any]:
        return [ExportTraceServiceRequest.FromString(body) for body in self.bodies]

    @property
    def resources(self) -> list[dict[str, str]]:
        return [
            {each.key: each.value.string_value for each in group.resource.attributes}
            for request in self.requests
            for group in request.resource_spans
        ]

    @property
    def spans(self) -> list[Span]:
        return [
            Span(scoped.scope.name, said)
            for request in self.requests
            for group in request.resource_spans
            for scoped in group.scope_spans
            for said in scoped.spans
        ]

    def one(self, name: str) -> Span:
        """The one span of that name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def children(self, parent: Span) -> list[Span]:
        """Its children, in order of their beginning in the trace."""
        return [span for span in self.spans if span.parent_id == parent.span_id]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Receive on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.paths.add(self.path)
            collector.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join(10)
