"""`/graphql`: operations by POST, queries by GET, the explorer for browsers, subscriptions by
WebSocket. An ASGI application; a route of a host's router points at it."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import MissingQueryError
from strawberry.http.ides import GraphQL_IDE
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.graphql import OperationType

from gql_auth.kernel.caller import Caller
from gql_auth.kernel.entropy import random_name
from gql_auth.kernel.errors import Forbidden, Unavailable
from gql_auth.kernel.limits import OperationLimits
from gql_auth.kernel.telemetry import Telemetry, Trace, parent_of
from gql_auth.serving import http, negotiation, observed, sockets, streams
from gql_auth.serving.connections import Kind, TooManyConnections
from gql_auth.serving.context import Doorkeeper, RequestContext
from gql_auth.serving.cookies import require_own_site
from gql_auth.serving.costs.exceeding import Exceeded
from gql_auth.serving.errors import NO_OPERATION, internal_error, refusal_body
from gql_auth.serving.explorer import Explorer
from gql_auth.serving.persisted import DocumentRefused
from gql_auth.serving.schema import AuthSchema

_log = logging.getLogger("gql_auth.requests")

_READS: Final = frozenset({OperationType.QUERY})
_ALL: Final = frozenset({OperationType.QUERY, OperationType.MUTATION})

ContextFactory = Callable[[HTTPConnection], RequestContext]


class GraphQLEndpoint(GraphQL[RequestContext, None]):
    """GraphQL over HTTP by our own hand; Strawberry's WebSocket protocol beneath."""

    schema: AuthSchema
    websocket_adapter_class = sockets.SocketAdapter
    graphql_transport_ws_handler_class = sockets.SocketHandler

    def __init__(
        self,
        schema: AuthSchema,
        make_context: ContextFactory,
        system: Callable[[], Doorkeeper],
        limits: OperationLimits,
        explorer: Explorer,
        telemetry: Callable[[], Telemetry] = Telemetry,
    ) -> None:
        no_ide: GraphQL_IDE | None = None
        super().__init__(
            schema,
            graphql_ide=no_ide,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            max_subscriptions_per_connection=None,  # the handler's own bound has a code
        )
        self._documents = schema.persisted
        self._explorer = explorer
        self._limits = limits
        self._make_context = make_context
        self._system = system
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or serve one socket."""
        if scope["type"] == "http":
            await self._answer(Request(scope, receive), receive, send)
            return
        socket = WebSocket(scope, receive, send)
        try:
            await self._serve_socket(socket)
        except Forbidden:
            await socket.close(1008)
        except Unavailable:
            await socket.close(sockets.TRY_AGAIN_LATER)
        except TooManyConnections as refused:
            await sockets.deny(socket, refused)

    async def _serve_socket(self, socket: WebSocket) -> None:
        connections = self._system().connections
        require_own_site(socket, self._system().cookie_rules)
        address = self._make_context(socket).client.ip_address
        # A socket lives for hours: its lines in the log belong together, but it is no span.
        parent = parent_of(socket.headers.getlist("traceparent"))
        with (
            connections.opened(Kind.SOCKET, address) as socket.scope[sockets.CONNECTION],
            Trace(parent.trace_id if parent else None),
        ):
            await self.run(socket)

    async def get_context(
        self,
        request: Request | WebSocket,
        response: Response | WebSocket,  # noqa: ARG002
    ) -> RequestContext:
        """The context of a socket's operations."""
        return self._make_context(request)

    def decode_json(self, data: str | bytes) -> object:
        """A message of a socket, read as strictly as a body; what is none closes the socket
        (4400) instead of failing in it."""
        return http.read_message(data)

    def _check_websocket_origin(self, request: WebSocket) -> bool:  # noqa: ARG002
        """Checked before, by the rule that holds for every request."""
        return True

    async def _answer(self, request: Request, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        telemetry, headers = self._telemetry(), request.headers
        parent = parent_of(headers.getlist("traceparent"), headers.getlist("tracestate"))
        note: dict[str, Any] = {"request_id": random_name(9), "method": request.method}
        seen = observed.begin(request.scope)
        with telemetry.request(parent) as trace:
            response = await self._respond(request, note, seen)
            response.headers["X-Request-Id"] = note["request_id"]
            if trace.response is not None:
                response.headers["traceresponse"] = trace.response
            seconds = time.perf_counter() - began
            if seen.counts:
                telemetry.requested(
                    operation=seen.operation,
                    kind=seen.kind,
                    outcome=seen.outcome,
                    seconds=seconds,
                    proven_by=seen.proven_by,
                )
            note["status"] = response.status_code
            note["ms"] = round(seconds * 1000, 1)
            _log.info("request", extra=note)
        await response(request.scope, receive, send)

    async def _respond(
        self, request: Request, note: dict[str, Any], seen: observed.Seen
    ) -> Response:
        try:
            return await self._serve(request, note, seen)
        except http.BadRequest as problem:
            note["refused"] = str(problem)
            body, status, headers = problem.body, problem.status, problem.headers
        except Exceeded as refused:
            self._telemetry().exceeded(refused.bound)
            body, status, headers = {"errors": [refused.formatted]}, 400, {}
        except TooManyConnections as refused:
            note["refused"] = str(refused)
            body, status, headers = refusal_body(refused), 429, {}
        except Unavailable as refused:
            body = refusal_body(refused)
            status, headers = 503, {"Retry-After": str(refused.retry_after)}
        except Exception as defect:  # noqa: BLE001 - the last-resort handler: masked and logged
            body = {"errors": [internal_error(defect, request_id=note["request_id"])]}
            status, headers = 500, {}
        seen.judge(body["errors"])
        media_type = negotiation.type_of_problem(_accept(request))
        headers = {"Vary": "Accept, Origin", **headers}
        return Response(http.encode(body), status, headers, f"{media_type}; charset=utf-8")

    async def _serve(self, request: Request, note: dict[str, Any], seen: observed.Seen) -> Response:
        context = self._make_context(request)
        if context.client.ip_address:
            note["ip"] = context.client.ip_address
        if request.method not in {"GET", "POST"}:
            raise http.BadRequest(405, "Use POST, or GET for queries", Allow="GET, POST")
        accept = _accept(request)
        asks_page = request.method == "GET" and negotiation.wants_page(accept)
        if asks_page and self._explorer.is_open:
            seen.counts = False
            return self._explorer.page(request)
        if form := streams.form_for(accept):
            return await self._stream(form, request, context, note, seen)
        media_type = negotiation.prefers(accept)
        asked = await http.read_request(request, max_batch=self._limits.max_batch)
        answers = [
            await self._answer_one(each, context, request.method, note, batch=asked.is_batch)
            for each in asked.operations  # one after the other: the second may need the first
        ]
        failures = [failure for answer in answers for failure in answer.get("errors", ())]
        seen.judge(failures)
        seen.prove(context)
        if asked.is_batch:
            media_type, content = http.JSON, http.encode(answers)
            status = 403 if any(map(http.is_cross_site, answers)) else 200
        else:
            (answer,) = answers
            status = http.status_of(answer, media_type)
            if status not in {200, http.PARTIAL}:
                answer.pop("data", None)  # beside data only 2xx is allowed
            content = http.encode(answer)
        response = Response(content, status, media_type=f"{media_type}; charset=utf-8")
        self._add_headers(response, failures, context)
        self._say_how_long(response, asked, context, failures)
        return response

    async def _stream(
        self,
        form: streams.Form,
        request: Request,
        context: RequestContext,
        note: dict[str, Any],
        seen: observed.Seen,
    ) -> Response:
        """An answer that stays open. Whatever becomes of the operation is told within it: that is
        how graphql-sse wants it, as a browser's EventSource reads nothing else."""
        seen.counts = False  # as a socket's operations
        (asked,) = (await http.read_request(request)).operations
        context.system.connections.require_room(context.client.ip_address)
        _describe(note, asked, [], context)
        results = streams.results_of(self.schema, asked, context, request.method)
        response = streams.Stream(form, context, results, note["request_id"])
        response.headers["Vary"] = "Accept, Origin"
        return response

    def _say_how_long(
        self,
        response: Response,
        asked: http.Asked,
        context: RequestContext,
        failures: Sequence[Any],
    ) -> None:
        """What caches may do with the answer: without a word of it, nothing (`SecureHeaders`)."""
        request = context.request
        response.headers["Vary"] = "Accept, Origin"
        # A host's own fields may look at any cookie.
        signed = "authorization" in request.headers or "cookie" in request.headers
        if signed or context.known_caller or context.cookie_answers:
            response.headers["Cache-Control"] = "private, no-store"
            return
        seconds = int(self._limits.document_max_age.total_seconds())
        named = request.scope["method"] == "GET" and asked.operations[0].is_named
        if named and seconds and not failures:
            response.headers["Cache-Control"] = f"public, max-age={seconds}"
            response.headers["Vary"] += ", Authorization, Cookie"

    @staticmethod
    def _add_headers(response: Response, failures: Sequence[Any], context: RequestContext) -> None:
        if response.status_code in {401, 403} and not http.is_cross_site({"errors": failures}):
            response.headers["WWW-Authenticate"] = http.challenge({"errors": failures})
        waits = [
            failure["extensions"]["retryAfter"]
            for failure in failures
            if "retryAfter" in failure["extensions"]
        ]
        if waits:
            response.headers["Retry-After"] = str(max(waits))
        for line in context.cookie_answers:
            response.headers.append("Set-Cookie", line)

    async def _answer_one(
        self,
        asked: http.GraphQLRequest,
        context: RequestContext,
        method: str,
        note: dict[str, Any],
        *,
        batch: bool,
    ) -> dict[str, Any]:
        try:
            text = self._documents.resolve(asked.query, asked.document_id, asked.extensions)
            answer = await self._execute(asked, text, context, method)
        except DocumentRefused as refused:
            answer = {"errors": [refused.formatted]}
        except http.BadRequest as problem:
            if not batch:
                raise
            answer = problem.body  # those before it have run, and are answered
        _describe(note, asked, answer.get("errors", ()), context)
        return answer

    async def _execute(
        self,
        asked: http.GraphQLRequest,
        text: str | None,
        context: RequestContext,
        method: str,
    ) -> dict[str, Any]:
        try:
            result = await self.schema.execute(
                text,
                variable_values=asked.variables,
                context_value=context,
                operation_name=asked.operation_name,
                allowed_operation_types=_READS if method == "GET" else _ALL,
                operation_extensions=asked.extensions,
            )
        except (CannotGetOperationTypeError, MissingQueryError):
            raise http.BadRequest(400, NO_OPERATION) from None
        except InvalidOperationTypeError as error:
            if method == "GET":
                raise http.BadRequest(
                    405, "GET runs queries only; use POST", Allow="POST"
                ) from None
            raise http.BadRequest(
                400, f"A {error.operation_type.value} runs over a WebSocket"
            ) from None
        answer: dict[str, Any] = {}
        failures = [error.formatted for error in result.errors or ()]
        if failures:
            answer["errors"] = failures
        # A request error (parse, validation, variables) never got as far as data.
        if result.data is not None or not failures or any("path" in each for each in failures):
            answer["data"] = result.data
            self._documents.remember(text or "", asked.extensions)
        return answer


def _accept(request: Request) -> str | None:
    return ", ".join(request.headers.getlist("accept")) or None


def _describe(
    note: dict[str, Any],
    asked: http.GraphQLRequest,
    failures: Sequence[Any],
    context: RequestContext,
) -> None:
    """What the log says of an operation: its name and outcome, never its text or variables."""
    if asked.operation_name:
        note["operation"] = asked.operation_name[:64]
    if failures:
        note["codes"] = sorted(
            {str(e["extensions"].get("reason", e["extensions"]["code"])) for e in failures}
        )[:8]
        if "CROSS_SITE_REQUEST" in note["codes"]:
            note["origin"] = context.request.headers.get("origin", "")[:200]
    caller: Caller | None = context.known_caller
    if caller is not None:
        note["user_id"] = str(caller.user_id)
        note["session_id"] = str(caller.session_id)
