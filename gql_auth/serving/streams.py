"""GraphQL over a response that stays open: server-sent events as graphql-sse's distinct
connections mode has them, and the multipart responses that Apollo Client subscribes by.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final, Protocol

from graphql import GraphQLError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from gql_auth.kernel.telemetry import Trace, here
from gql_auth.serving import http
from gql_auth.serving.connections import Kind
from gql_auth.serving.context import RequestContext
from gql_auth.serving.errors import internal_error, refusal
from gql_auth.serving.leases import Lease
from gql_auth.serving.schema import AuthSchema
from gql_auth.serving.sockets import STALL

_log = logging.getLogger("gql_auth.requests")

_ENDING: Final = 5.0  # seconds that an operation has to clean up
_STREAMED: Final = "text/event-stream"
_BY_GET: Final = frozenset({OperationType.QUERY, OperationType.SUBSCRIPTION})


class Form(Protocol):
    """How results are put into a body. `beat`: what is sent every `pause` seconds, so that
    proxies and clients see that the line is alive."""

    media_type: str
    start: bytes
    beat: bytes
    complete: bytes
    pause: float

    def next(self, answer: bytes) -> bytes:
        """One result."""
        ...


class ServerSentEvents:
    """`text/event-stream`, as graphql-sse's PROTOCOL.md names the events."""

    media_type = f"{_STREAMED}; charset=utf-8"
    start = b""
    beat = b":\n\n"
    complete = b"event: complete\ndata:\n\n"  # browsers drop an event without data
    pause = 15.0

    def next(self, answer: bytes) -> bytes:
        """One result; JSON as we write it has no line breaks."""
        return b"event: next\ndata: " + answer + b"\n\n"


class Multipart:
    """`multipart/mixed; subscriptionSpec=1.0`. A client reads a part when the boundary behind it
    is there, so that goes out with the part."""

    media_type = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
    start = b"\r\n--graphql"
    beat = b"\r\nContent-Type: application/json\r\n\r\n{}\r\n--graphql"
    complete = b"--\r\n"
    pause = 5.0

    def next(self, answer: bytes) -> bytes:
        """One result."""
        head = b'\r\nContent-Type: application/json\r\n\r\n{"payload":'
        return head + answer + b"}\r\n--graphql"


_EVENTS: Final = ServerSentEvents()
_PARTS: Final = Multipart()


def form_for(accept: str | None) -> Form | None:
    """The form that a client's `Accept` asks for; None where one answer in JSON will do. Clients
    that read either (urql names all it can) get JSON."""
    ranges = [_range(part) for part in (accept or "")[:1000].split(",")]
    one_answer = max((q for media, q, _ in ranges if media in {http.JSON, http.GRAPHQL_RESPONSE}),
                     default=0.0)  # fmt: skip
    for media, quality, names in ranges:
        if media == "multipart/mixed" and "subscriptionspec" in names and quality > 0:
            return _PARTS  # Apollo Client lists JSON beside it, and asks so for subscriptions alone
        if media == _STREAMED and quality > one_answer:
            return _EVENTS
    return None


def _range(part: str) -> tuple[str, float, frozenset[str]]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    named = {name.strip(): value.strip() for name, _, value in
             (parameter.partition("=") for parameter in parameters)}  # fmt: skip
    try:
        quality = min(max(float(named.get("q", "1")), 0.0), 1.0)
    except ValueError:
        quality = 0.0
    return media, quality, frozenset(named)


async def results_of(
    schema: AuthSchema, asked: http.GraphQLRequest, context: RequestContext, method: str
) -> AsyncGenerator[Any, None]:
    """The results of an operation, one or many.

    Raises:
        GraphQLError: what is asked for names no document, or none that may run.
    """
    text = schema.persisted.resolve(asked.query, asked.document_id, asked.extensions)
    results = await schema.stream(
        text,
        variable_values=asked.variables,
        context_value=context,
        operation_name=asked.operation_name,
        allowed_operation_types=_BY_GET if method == "GET" else list(OperationType),
        operation_extensions=asked.extensions,
    )
    async with aclosing(results):
        async for result in results:
            if not isinstance(result, PreExecutionError):
                schema.persisted.remember(text or "", asked.extensions)
            yield result


class Stream(Response):
    """Answers with every result of an operation, until it is over, the client goes, its token
    expires or its session ends."""

    def __init__(
        self,
        form: Form,
        context: RequestContext,
        results: AsyncGenerator[Any, None],
        request_id: str,
    ) -> None:
        super().__init__(media_type=form.media_type)
        del self.headers["content-length"]
        self.headers["Cache-Control"] = "no-store, no-transform"
        self.headers["X-Accel-Buffering"] = "no"  # nginx's word for: pass on at once
        self._form = form
        self._context = context
        self._results = results
        self._request_id = request_id
        self._trace = here()
        self._turn = asyncio.Lock()
        self._cut = asyncio.Event()
        self._told = 0

    async def __call__(
        self,
        scope: Scope,  # noqa: ARG002 - ASGI's
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer."""
        connections, client = self._context.system.connections, self._context.client
        began, outcome = time.monotonic(), "failed"
        with (
            connections.opened(Kind.STREAM, client.ip_address) as connection,
            Trace(self._trace.trace_id if self._trace else None),
        ):
            connection.hang_up = self._cut.set
            lease = Lease(self._context.system, connection, self._cut.set)
            self._context.lease = lease
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            try:
                await send(start)
                outcome = await self._tell(receive, send, lease)
            except TimeoutError:  # a client that takes nothing
                connections.telemetry.limited("slow")
                outcome = "slow"
            finally:
                lease.end()
                _log.info("stream closed", extra=self._described(lease, outcome, began))

    async def _tell(self, receive: Receive, send: Send, lease: Lease) -> str:
        """Tell all there is to tell; how it ended."""
        tasks = [
            asyncio.ensure_future(each)
            for each in (self._produce(send, lease), self._beat(send), _leave(receive),
                         self._cut.wait())
        ]  # fmt: skip
        producing, beating, leaving, _ = tasks
        try:
            await self._say(send, self._form.start)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if lease.over is not None:
                await lease.last_words_said()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=_ENDING)
        if leaving.done() and not leaving.cancelled():
            return "left"
        stalled = any(isinstance(_failure(task), TimeoutError) for task in (producing, beating))
        if stalled:
            raise TimeoutError
        if lease.over is not None:
            await self._finish(send, refusal(lease.over))
            return str(lease.over.extensions.get("reason", lease.over.code)).lower()
        if failure := _failure(producing):
            await self._finish(send, internal_error(failure, request_id=self._request_id))
            return "failed"
        if producing.cancelled():
            # The server ends. Without `complete` clients know that there is more, and come again.
            await send({"type": "http.response.body", "body": b""})
            return "hung up"
        await self._finish(send)
        return "complete"

    async def _produce(self, send: Send, lease: Lease) -> None:
        async with aclosing(self._results):
            try:
                async for result in self._results:
                    if not lease.goes_on() and not lease.may_speak():
                        return
                    self._told += 1
                    await self._say(send, self._form.next(http.encode(_answer(result))))
            except GraphQLError as refused:  # no document, or none that may run
                answer = {"errors": [refused.formatted]}
                await self._say(send, self._form.next(http.encode(answer)))

    async def _beat(self, send: Send) -> None:
        while True:
            await asyncio.sleep(self._form.pause)
            await self._say(send, self._form.beat)

    async def _say(self, send: Send, chunk: bytes) -> None:
        if chunk:
            async with asyncio.timeout(STALL), self._turn:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _finish(self, send: Send, error: Mapping[str, Any] | None = None) -> None:
        if error is not None:
            await self._say(send, self._form.next(http.encode({"errors": [error]})))
        async with asyncio.timeout(STALL):
            await send({"type": "http.response.body", "body": self._form.complete})

    def _described(self, lease: Lease, outcome: str, began: float) -> dict[str, Any]:
        return {
            "request_id": self._request_id,
            "ip": self._context.client.ip_address or "unknown",
            **lease.who,
            "outcome": outcome,
            "results": self._told,
            "seconds": round(time.monotonic() - began, 1),
        }


async def _leave(receive: Receive) -> None:
    """Come back when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _failure(task: asyncio.Task[Any]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


def _answer(result: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    if not isinstance(result, PreExecutionError):
        answer["data"] = result.data
    return answer
