"""From HTTP to a GraphQL request and back: bounded reading, status codes."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson
from starlette.datastructures import QueryParams
from starlette.types import Message, Receive, Scope

from gql_auth.serving import errors
from gql_auth.serving.costs.exceeding import Exceeded
from gql_auth.serving.head import Head
from gql_auth.serving.waiting import Rest, begun, within

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
JSON: Final = "application/json"
HTML: Final = "text/html"
MAX_BODY: Final = 1_000_000  # bytes
BODY_TIME: Final = 10.0  # seconds
# What the draft of persisted documents calls it, and what Relay does.
_IDS: Final = ("documentId", "doc_id")
_PLAINLY: Final = JSON.encode()
_ENCODING: Final = b"content-encoding"
_TYPE_LENGTH: Final = 200  # characters of `Content-Type` that are looked at
_PLAIN: Final = frozenset({"query", "variables", "operationName"})
_QUERY: Final = "`query` must be a string holding a GraphQL document"
# Data beside errors: GraphQL over HTTP's own number, within what every client takes for success.
PARTIAL: Final = 294


class BadRequest(Exception):  # noqa: N818 - an answer to the client, not an error in us
    """The HTTP request cannot become a GraphQL request."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers

    @property
    def body(self) -> dict[str, Any]:
        """The answer's body, in GraphQL's form."""
        return {"errors": [{"message": str(self), "extensions": {"code": errors.BAD_INPUT}}]}


class GraphQLRequest(NamedTuple):
    """One operation as a client sent it: by its text, or by the name of its document."""

    query: str | None
    variables: dict[str, Any] | None
    operation_name: str | None
    extensions: dict[str, Any] | None = None
    document_id: str | None = None

    @property
    def is_named(self) -> bool:
        """Whether the document is named instead of sent."""
        return self.query is None


class Asked(NamedTuple):
    """What an HTTP request asks for.

    Args:
        operations: one or more.
        is_batch: whether the answer is a list, too.
    """

    operations: tuple[GraphQLRequest, ...]
    is_batch: bool = False


async def read_request(scope: Scope, head: Head, receive: Receive, *, max_batch: int = 1) -> Asked:
    """What an HTTP request asks for.

    Args:
        max_batch: operations in one request at most.

    Raises:
        BadRequest: with the status and the mend.
        Exceeded: more operations than that.
    """
    if scope["method"] == "GET":
        return Asked((_from_query(QueryParams(scope["query_string"])),))
    require_json(head)
    announced = head.one(b"content-length")
    # bytes.isdigit() takes ASCII's digits alone.
    if announced is not None and announced.isdigit() and int(announced[:20]) > MAX_BODY:
        raise _too_large()
    first = begun(receive())
    if not isinstance(first, Rest) and not first.get("more_body", False):
        return _from_body(_chunk(first), max_batch)
    try:
        body = await within(BODY_TIME, _collect(first, receive))
    except TimeoutError:
        raise BadRequest(408, f"The body did not arrive within {BODY_TIME:g} s") from None
    return _from_body(body, max_batch)


def require_json(head: Head) -> None:
    """Come back if the body says it is JSON in UTF-8.

    Other types would reach us from a page of any site without a preflight (ASVS 3.5.2).

    Raises:
        BadRequest: 415.
    """
    if head.one(b"content-type") == _PLAINLY and head.is_plain and _ENCODING not in head:
        return
    types = head.all(b"content-type")
    if problem := _problem_of_type(types[0][:_TYPE_LENGTH] if len(types) == 1 else ""):
        raise BadRequest(415, problem)
    if any(each.lower() != "identity" for each in head.all(_ENCODING)):
        raise BadRequest(415, "Content-Encoding is not supported: send the body as it is")


@lru_cache(maxsize=64)
def _problem_of_type(value: str) -> str | None:
    """What is wrong with a `Content-Type`."""
    media, *parameters = (part.strip().lower() for part in value.split(";"))
    if media != JSON:
        return f"Content-Type must be {JSON}"
    for parameter in parameters:
        name, _, said = parameter.partition("=")
        if name.strip() == "charset" and said.strip('"') not in {"utf-8", "utf8"}:
            return "The charset must be utf-8"
    return None


async def _collect(first: Message | Rest[Message], receive: Receive) -> bytes:
    """A body that comes in pieces, or later."""
    message = await first if isinstance(first, Rest) else first
    chunks, size = [], 0
    while True:
        chunk = _chunk(message)
        size += len(chunk)
        if size > MAX_BODY:
            raise _too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise BadRequest(400, "The connection ended before the body")
    chunk: bytes = message.get("body", b"")
    if len(chunk) > MAX_BODY:
        raise _too_large()
    return chunk


def _too_large() -> BadRequest:
    return BadRequest(413, f"The body is larger than {MAX_BODY} bytes")


def _from_body(body: bytes, max_batch: int) -> Asked:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(400, f"The body is not valid JSON in UTF-8: {error}"[:300]) from None
    if isinstance(value, dict):
        return Asked((read_operation(value),))
    if not isinstance(value, list):
        raise BadRequest(400, "The body must be a JSON object with a `query`")
    if not value:
        raise BadRequest(400, "The list of operations is empty")
    if len(value) > max_batch:
        raise Exceeded("batch", limit=max_batch, found=len(value))
    if not all(isinstance(each, dict) for each in value):
        raise BadRequest(400, "Each operation of the list must be an object with a `query`")
    return Asked(tuple(map(read_operation, value)), is_batch=True)


def _from_query(parameters: QueryParams) -> GraphQLRequest:
    value: dict[str, Any] = {}
    for name in ("query", "operationName", "variables", "extensions", *_IDS):
        given = parameters.getlist(name)
        if len(given) > 1:
            raise BadRequest(400, f"`{name}` is given more than once")
        if given:
            value[name] = given[0]
    for name in ("variables", "extensions"):
        if value.get(name):
            try:
                value[name] = orjson.loads(value[name])
            except orjson.JSONDecodeError:
                raise BadRequest(400, f"`{name}` is not valid JSON") from None
        else:
            value.pop(name, None)
    return read_operation(value)


def read_operation(value: Mapping[str, Any]) -> GraphQLRequest:
    """One operation from a decoded body, a query string or a message.

    Raises:
        BadRequest: 400, naming what is wrong.
    """
    query = value.get("query")
    if query is not None and (not isinstance(query, str) or not query or query.isspace()):
        raise BadRequest(400, _QUERY)
    if isinstance(query, str) and value.keys() <= _PLAIN:  # as nearly all of them are
        variables, name = value.get("variables"), value.get("operationName")
        if (variables is None or isinstance(variables, dict)) and (
            name is None or isinstance(name, str)
        ):
            return GraphQLRequest(query, variables, name or None)
    extensions = value.get("extensions")
    for name in ("variables", "extensions"):
        if not isinstance(value.get(name), dict | None):
            raise BadRequest(400, f"`{name}` must be an object or null")
    operation_name = value.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise BadRequest(400, "`operationName` must be a string or null")
    document_id = next((value[each] for each in _IDS if value.get(each) is not None), None)
    if document_id is not None and not isinstance(document_id, str):
        raise BadRequest(400, "The document's id must be a string")
    if query is None and document_id is None and not (extensions or {}).get("persistedQuery"):
        raise BadRequest(400, _QUERY)
    return GraphQLRequest(
        query, value.get("variables"), operation_name or None, extensions, document_id
    )


def read_message(data: str | bytes) -> dict[str, Any]:
    """A message of graphql-transport-ws.

    Raises:
        json.JSONDecodeError: it is none (orjson's error is one of these).
    """
    message = orjson.loads(data)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise orjson.JSONDecodeError("not a message", "", 0)
    payload = message.get("payload")
    if not isinstance(message.get("id", ""), str) or not isinstance(payload, dict | None):
        raise orjson.JSONDecodeError("not a message", "", 0)
    if message["type"] == "subscribe":
        try:
            read_operation(payload or {})
        except BadRequest:
            raise orjson.JSONDecodeError("not a request", "", 0) from None
    return message


def status_of(result: Mapping[str, Any], media_type: str) -> int:
    """The HTTP status of a GraphQL answer.

    A cross-site refusal shows in the status whatever the media type. All else follows GraphQL
    over HTTP: 200 with `application/json`.
    """
    failures = result.get("errors") or []
    if is_cross_site(result):
        return 403
    if not failures or media_type == JSON:
        return 200
    codes = {failure["extensions"].get("code") for failure in failures}
    if _nothing_served(result):
        for code, status in (
            ("UNAUTHENTICATED", 401),
            ("FORBIDDEN", 403),
            ("SERVICE_UNAVAILABLE", 503),
        ):
            if code in codes:
                return status
    if "data" in result:
        return PARTIAL
    return 500 if errors.INTERNAL in codes else 400


def is_cross_site(result: Mapping[str, Any]) -> bool:
    """Whether another site's page was turned away; no other token would help it."""
    return any(
        failure["extensions"].get("reason") == "CROSS_SITE_REQUEST"
        for failure in result.get("errors") or ()
    )


def _nothing_served(result: Mapping[str, Any]) -> bool:
    """Whether no root field brought anything, and each says why."""
    data = result.get("data")
    if data is None:
        return True
    refused = {failure["path"][0] for failure in result["errors"] if failure.get("path")}
    return all(value is None and key in refused for key, value in data.items())


def challenge(result: Mapping[str, Any]) -> str:
    """The `WWW-Authenticate` value of a 401 or 403 (RFC 6750, section 3)."""
    for failure in result["errors"]:
        extensions = failure["extensions"]
        if extensions.get("code") == "UNAUTHENTICATED":
            if extensions.get("reason") == "ACCESS_TOKEN_MISSING":
                return 'Bearer realm="gql-auth"'
            return (
                f'Bearer realm="gql-auth", error="invalid_token", '
                f'error_description="{failure["message"]}"'
            )
    return 'Bearer realm="gql-auth", error="insufficient_scope"'


def encode(answer: object) -> bytes:
    """JSON in UTF-8. What orjson refuses (integers past 64 bits) the slower way takes."""
    try:
        return orjson.dumps(answer)
    except TypeError:
        import json  # noqa: PLC0415 - the rare way

        return json.dumps(answer, ensure_ascii=True).encode()
