"""Requests to `/graphql` over HTTP: operations by POST, queries by GET, the explorer for browsers.

Every request comes through here once, so what does not change from one to the next is worked out
beforehand or remembered, and what is asked seldom is made when it is asked for.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from starlette.requests import HTTPConnection, Request
from starlette.types import Receive, Scope, Send

from gql_auth.kernel.entropy import random_label
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.limits import OperationLimits
from gql_auth.kernel.lines import Lines
from gql_auth.kernel.telemetry import Telemetry, parent_of
from gql_auth.serving import answer, http, negotiation, streams
from gql_auth.serving.answer import Answer
from gql_auth.serving.connections import TooManyConnections
from gql_auth.serving.context import RequestContext
from gql_auth.serving.costs.exceeding import Exceeded
from gql_auth.serving.errors import internal_error, refusal_body
from gql_auth.serving.execution import NotThis, Operations
from gql_auth.serving.explorer import Explorer
from gql_auth.serving.head import Head
from gql_auth.serving.headers import completed, raw_headers_of
from gql_auth.serving.observed import Seen
from gql_auth.serving.persisted import DocumentRefused
from gql_auth.serving.schema import AuthSchema
from gql_auth.serving.wishes import wish_of

ContextFactory = Callable[[HTTPConnection], RequestContext]

_METHODS: Final = frozenset({"GET", "POST"})


class _Given(Protocol):
    """An answer, ours or Starlette's."""

    status_code: int
    raw_headers: list[tuple[bytes, bytes]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class OverHTTP:
    """Answers requests.

    Args:
        make_context: the context of a request.
        telemetry, lines: what hears of it, and what writes its line; asked each time, as a host
            may choose them late.
        https: as `SecureHeaders` has it.
    """

    def __init__(
        self,
        schema: AuthSchema,
        make_context: ContextFactory,
        limits: OperationLimits,
        explorer: Explorer,
        telemetry: Callable[[], Telemetry],
        lines: Callable[[], Lines],
        *,
        https: bool,
    ) -> None:
        self._secure = raw_headers_of(https=https)
        # What a cache may do is said in each answer of ours.
        self._always = [pair for pair in self._secure if pair[0] != b"cache-control"]
        self._schema = schema
        self._operations = Operations(schema)
        self._explorer = explorer
        self._limits = limits
        self._max_age = int(limits.document_max_age.total_seconds())
        self._make_context = make_context
        self._telemetry = telemetry
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        telemetry, head = self._telemetry(), Head(scope["headers"])
        parent = None
        if b"traceparent" in head:
            parent = parent_of(head.all(b"traceparent"), head.all(b"tracestate"))
        request_id = random_label(16)
        note: dict[str, Any] = {"request_id": request_id, "method": scope["method"]}
        seen = Seen()
        with telemetry.request(parent) as trace:
            given: _Given
            try:
                given = await self._serve(Request(scope), head, receive, note, seen)
            except Exception as error:  # noqa: BLE001 - told as what it is, or masked and logged
                given = self._refuse(error, head, note, seen)
            if type(given) is Answer:
                given.raw_headers += self._always
            else:
                given.raw_headers = completed(given.raw_headers, self._secure)
            given.raw_headers.append((b"x-request-id", request_id.encode()))
            if trace.response is not None:
                given.raw_headers.append((b"traceresponse", trace.response.encode()))
            seconds = time.perf_counter() - began
            if seen.counts and telemetry.hears:
                telemetry.requested(
                    operation=seen.operation,
                    kind=seen.kind,
                    outcome=seen.outcome,
                    seconds=seconds,
                    proven_by=seen.proven_by,
                )
            note["status"] = given.status_code
            note["ms"] = round(seconds * 1000, 1)
            self._lines().request(note)
        await given(scope, receive, send)

    def _refuse(self, error: Exception, head: Head, note: dict[str, Any], seen: Seen) -> Answer:
        """The answer to a request that could not be served."""
        headers: Mapping[str, str] = {}
        if isinstance(error, http.BadRequest):
            note["refused"] = str(error)
            body, status, headers = error.body, error.status, error.headers
        elif isinstance(error, Exceeded):
            self._telemetry().exceeded(error.bound)
            body, status = {"errors": [error.formatted]}, 400
        elif isinstance(error, TooManyConnections):
            note["refused"] = str(error)
            body, status = refusal_body(error), 429
        elif isinstance(error, Unavailable):
            body, status = refusal_body(error), 503
            headers = {"Retry-After": str(error.retry_after)}
        else:  # a defect: masked and logged
            body, status = {"errors": [internal_error(error, request_id=note["request_id"])]}, 500
        seen.judge(body["errors"])
        media_type = negotiation.type_of_problem(head.joined(b"accept"))
        given = Answer(status, media_type, http.encode(body))
        given.raw_headers += answer.UNKEPT
        for name, value in headers.items():
            given.add(name, value)
        return given

    async def _serve(
        self,
        request: Request,
        head: Head,
        receive: Receive,
        note: dict[str, Any],
        seen: Seen,
    ) -> _Given:
        method = request.scope["method"]
        context = self._make_context(request)
        context.head, context.seen = head, seen
        if (address := context.address) is not None:
            note["ip"] = address
        if method not in _METHODS:
            raise http.BadRequest(405, "Use POST, or GET for queries", Allow="GET, POST")
        wish = wish_of(head.joined(b"accept"))
        if method == "GET" and wish.page and self._explorer.is_open:
            seen.counts = False
            return self._explorer.page(request)
        if wish.form is not None:
            return await self._stream(wish.form, request, head, receive, context, note, seen)
        if not wish.can_be_met:
            negotiation.prefers(head.joined(b"accept"))  # says what could
        asked = await http.read_request(
            request.scope, head, receive, max_batch=self._limits.max_batch
        )
        if asked.is_batch:
            answers = [  # one after the other: the second may need the first
                await self._answer_one(each, context, method, note, batch=True)
                for each in asked.operations
            ]
        else:
            answers = [await self._answer_one(asked.operations[0], context, method, note)]
        failures = [failure for each in answers for failure in each.get("errors", ())]
        if failures:
            seen.judge(failures)
        if self._telemetry().hears:
            seen.prove(context)
        given = _told(answers, wish.media_type, is_batch=asked.is_batch)
        if failures:
            _add_words(given, failures)
        for line in context.cookie_answers:
            given.add("set-cookie", line)
        self._say_how_long(given, asked, context, head, failures)
        return given

    async def _stream(
        self,
        form: streams.Form,
        request: Request,
        head: Head,
        receive: Receive,
        context: RequestContext,
        note: dict[str, Any],
        seen: Seen,
    ) -> _Given:
        """An answer that stays open. Whatever becomes of the operation is told within it: that is
        how graphql-sse wants it, as a browser's EventSource reads nothing else."""
        seen.counts = False  # as a socket's operations
        (asked,) = (await http.read_request(request.scope, head, receive)).operations
        context.system.connections.require_room(context.client.ip_address)
        _describe(note, asked, [], context)
        results = streams.results_of(self._schema, asked, context, request.method)
        response = streams.Stream(form, context, results, note["request_id"])
        response.headers["Vary"] = "Accept, Origin"
        return response

    def _say_how_long(
        self,
        given: Answer,
        asked: http.Asked,
        context: RequestContext,
        head: Head,
        failures: Sequence[Any],
    ) -> None:
        """What caches may do with the answer: without a word of it, nothing (`SecureHeaders`)."""
        # A host's own fields may look at any cookie.
        signed = b"authorization" in head or b"cookie" in head
        if signed or context.known_caller or context.cookie_answers:
            given.raw_headers += answer.PRIVATE
            return
        named = self._max_age and context.request.scope["method"] == "GET"
        if named and asked.operations[0].is_named and not failures:
            given.add("cache-control", f"public, max-age={self._max_age}")
            given.add("vary", "Accept, Origin, Authorization, Cookie")
        else:
            given.raw_headers += answer.UNKEPT

    async def _answer_one(
        self,
        asked: http.GraphQLRequest,
        context: RequestContext,
        method: str,
        note: dict[str, Any],
        *,
        batch: bool = False,
    ) -> dict[str, Any]:
        try:
            said = await self._operations.answer(asked, context, reads_only=method == "GET")
        except DocumentRefused as refused:
            said = {"errors": [refused.formatted]}
        except NotThis as refused:
            problem = _problem(refused, method)
            if not batch:
                raise problem from None
            said = problem.body  # those before it have run, and are answered
        _describe(note, asked, said.get("errors", ()), context)
        return said


def _problem(refused: NotThis, method: str) -> http.BadRequest:
    if refused.kind is None:
        return http.BadRequest(400, str(refused))
    if method == "GET":
        return http.BadRequest(405, "GET runs queries only; use POST", Allow="POST")
    return http.BadRequest(400, f"A {refused.kind} runs over a WebSocket")


def _told(answers: Sequence[dict[str, Any]], media_type: str, *, is_batch: bool) -> Answer:
    if is_batch:
        status = 403 if any(map(http.is_cross_site, answers)) else 200
        return Answer(status, http.JSON, http.encode(answers))
    (said,) = answers
    status = http.status_of(said, media_type) if "errors" in said else 200
    if status not in {200, http.PARTIAL}:
        said.pop("data", None)  # beside data only 2xx is allowed
    return Answer(status, media_type, http.encode(said))


def _add_words(given: Answer, failures: Sequence[Any]) -> None:
    """What the errors say to the protocol."""
    if given.status_code in {401, 403} and not http.is_cross_site({"errors": failures}):
        given.add("www-authenticate", http.challenge({"errors": failures}))
    waits = [
        failure["extensions"]["retryAfter"]
        for failure in failures
        if "retryAfter" in failure["extensions"]
    ]
    if waits:
        given.add("retry-after", str(max(waits)))


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
    caller = context.known_caller
    if caller is not None:
        # As the token spells them; verified, that is the one spelling there is.
        note["user_id"] = caller.claims["sub"]
        note["session_id"] = caller.claims["sid"]
