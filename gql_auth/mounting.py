"""Our routes in a host's FastAPI application."""

from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from gql_auth.standalone import Route

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def router_of(routes: Iterable[Route]) -> APIRouter:
    """The routes as FastAPI's own kind of route: what a host gives to `include_router` (a prefix,
    dependencies) counts for no other kind."""
    router = APIRouter(route_class=_Direct)
    for each in routes:
        _add(router, each)
    return router


class _Direct(APIRoute):
    """A route that hands requests to its ASGI application as they come. Where the host has put
    something in between, FastAPI goes its own way through that."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        # As FastAPI notes how the route was included; noted any other way, it is not looked for.
        included = scope.get("fastapi", {}).get("effective_route_context")
        as_it_is = included if getattr(included, "original_route", None) is self else self
        between = getattr(as_it_is, "dependencies", True)
        bounded = getattr(as_it_is, "max_body_size", True) is not None
        app = getattr(self.endpoint, "app", None)
        if between or bounded or app is None or scope["method"] not in _METHODS:
            await super().handle(scope, receive, send)
        else:
            await app(scope, receive, send)


class _Answered(Response):
    """Stands for the answer that an ASGI application gives by itself."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, then do what a host's dependencies left to be done."""
        await self._app(scope, receive, send)
        if self.background is not None:
            await self.background()


def _add(router: APIRouter, route: Route) -> None:
    async def answer() -> Response:
        return _Answered(route.app)

    answer.app = route.app  # type: ignore[attr-defined]
    router.add_api_route(
        route.path, answer, methods=list(_METHODS), include_in_schema=False, response_model=None
    )
    if route.has_sockets:

        async def serve(socket: WebSocket) -> None:
            await route.app(socket.scope, socket.receive, socket.send)

        router.add_api_websocket_route(route.path, serve)
