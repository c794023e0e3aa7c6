"""Traces by OpenTelemetry, in W3C Trace Context on both sides.

A request is one span, a child of the client's where the client says so, with children for units
of work on the database and for hashing. Spans bear what kind of operation it was, its name
(bounded, see `names`) and how it went; never a document, a variable, a token, an address, or the
text of an exception, which may quote any of them.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Final, Self, cast

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from gql_auth.kernel.errors import Refused, Unavailable
from gql_auth.kernel.telemetry import Parent, Telemetry, Trace, here
from gql_auth.observing.names import NONE, Codes, Names

_SCOPE: Final = "gql_auth"
_LAST: Final = 5.0  # seconds at most to send what is left at the end
_FAILURES: Final = frozenset({"internal_server_error", "service_unavailable"})


class Tracing(Telemetry):
    """Traces. A host's own tracer provider is used where it has set one; otherwise one is made
    by the standard `OTEL_*` variables, for this alone."""

    traces = True

    def __init__(self) -> None:
        self._tracer: trace.Tracer | None = None
        self._names = Names()
        self._codes = Codes()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Trace; at the end send what is left, within a bounded time."""
        given = trace.get_tracer_provider()
        if not isinstance(given, trace.ProxyTracerProvider):  # which stands for none
            self._tracer = _tracer_of(given)
            try:
                yield
            finally:
                self._tracer = None
            return
        exporter = OTLPSpanExporter()
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = _tracer_of(provider)
        try:
            yield
        finally:
            self._tracer = None
            if not await _within(_LAST, provider):
                cast(Any, exporter).shutdown()  # wakes it from waiting for another try

    def request(self, parent: Parent | None) -> AbstractContextManager[Trace]:
        """A span around a request."""
        if self._tracer is None:
            return super().request(parent)
        kind, around = trace.SpanKind.INTERNAL, context.get_current()
        if not trace.get_current_span(around).get_span_context().is_valid:
            # No span of the host's is around it: it is the first of this process.
            kind, around = trace.SpanKind.SERVER, _remote(parent)
        return _Step(self._tracer, self._tracer.start_span("graphql", around, kind))

    def requested(
        self,
        *,
        operation: str | None,
        kind: str,
        outcome: str,
        seconds: float,  # noqa: ARG002 - the span knows
        proven_by: str | None = None,
    ) -> None:
        """Name the request's span, now that it is known what it was."""
        step = here()
        if not isinstance(step, _Step) or not step.recorded.is_recording():
            return
        recorded = step.recorded
        recorded.set_attribute("gql_auth.outcome", self._codes.label(outcome))
        if kind != NONE:
            name = self._names.label(operation, kind, proven_by)
            known = name == operation
            recorded.update_name(f"{kind} {name}" if known else kind)
            recorded.set_attribute("graphql.operation.type", kind)
            if known:
                recorded.set_attribute("graphql.operation.name", name)
        if outcome in _FAILURES:
            recorded.set_attribute("error.type", outcome)
            recorded.set_status(trace.StatusCode.ERROR)


class _Step(Trace):
    """A span, current while it is entered, and ended with it."""

    __slots__ = ("_entered", "_tracer", "recorded")

    def __init__(self, tracer: trace.Tracer, recorded: trace.Span) -> None:
        its = recorded.get_span_context()
        super().__init__(trace.format_trace_id(its.trace_id), trace.format_span_id(its.span_id))
        self._tracer = tracer
        self.recorded = recorded

    def __enter__(self) -> Self:
        super().__enter__()
        # Whatever calls other services meanwhile can inject from the current context.
        self._entered = context.attach(trace.set_span_in_context(self.recorded))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        expected = kind is None or (issubclass(kind, Refused) and not issubclass(kind, Unavailable))
        if kind is not None and not expected:
            self.recorded.set_attribute("error.type", kind.__name__)
            self.recorded.set_status(trace.StatusCode.ERROR)
        context.detach(self._entered)
        self.recorded.end()
        super().__exit__(kind, error, traceback)

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:
        """A child; where this one is not sampled, nothing."""
        if not self.recorded.is_recording():
            return super().span(name)
        child = self._tracer.start_span(
            name, trace.set_span_in_context(self.recorded), attributes=attributes
        )
        return _Step(self._tracer, child)

    @property
    def response(self) -> str | None:
        """The `traceresponse` header (W3C Trace Context Level 2)."""
        flags = self.recorded.get_span_context().trace_flags
        return f"00-{self.trace_id}-{self.span_id}-{flags:02x}"


def _tracer_of(provider: trace.TracerProvider) -> trace.Tracer | None:
    tracer = provider.get_tracer(_SCOPE)
    return None if isinstance(tracer, trace.NoOpTracer) else tracer  # OTEL_SDK_DISABLED


def _remote(parent: Parent | None) -> context.Context:
    """The context of a client's span."""
    if parent is None:
        return context.Context()
    its = trace.SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(parent.flags),
        trace_state=trace.TraceState.from_header([parent.state]),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(its), context.Context())


def _resource() -> Resource:
    """What the `OTEL_*` variables say of this process; its name, where they do not."""
    found = Resource.create()
    if str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: "gql-auth"}))
    return found


async def _within(seconds: float, provider: TracerProvider) -> bool:
    """Shut down in a thread that nobody must wait for; whether it ended in time."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def shut_down() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # too late: the loop is closed
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=shut_down, daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await done.wait()
    return done.is_set()
