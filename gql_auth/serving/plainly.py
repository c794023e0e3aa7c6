"""What is served beside GraphQL: small answers to GET."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from gql_auth.kernel.errors import Refused, Unavailable
from gql_auth.serving.errors import internal_error

Answering = Callable[[Request], Awaitable[Response]]


def plain_error(status: int, message: str, code: str, **headers: str) -> Response:
    """A refusal in the form that GraphQL has for them."""
    body = {"errors": [{"message": message, "extensions": {"code": code}}]}
    return JSONResponse(body, status, headers)


def nothing_here(hint: str = "") -> Response:
    """The answer where nothing is."""
    return plain_error(404, f"There is nothing here{hint}", "NOT_FOUND")


def handler(answer: Answering) -> ASGIApp:
    """An ASGI application of a function: GET and HEAD, refusals as JSON."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        try:
            if request.method not in {"GET", "HEAD"}:
                response = plain_error(405, "Use GET", "METHOD_NOT_ALLOWED", Allow="GET, HEAD")
            else:
                response = await answer(request)
        except Unavailable as refused:
            response = plain_error(
                503, str(refused), refused.code, **{"Retry-After": str(refused.retry_after)}
            )
        except Refused as refused:
            response = plain_error(400, str(refused), refused.code)
        except Exception as defect:  # noqa: BLE001 - the last-resort handler: masked and logged
            response = JSONResponse({"errors": [internal_error(defect)]}, 500)
        await response(scope, receive, send)

    return handle
