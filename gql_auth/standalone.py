"""The standalone server's application: a few routes, found by a look at a dictionary."""

import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gql_auth.serving.headers import SecureHeaders
from gql_auth.serving.plainly import nothing_here


@dataclass(frozen=True, slots=True)
class Route:
    """An ASGI application at a path.

    Args:
        path: as FastAPI spells it; a parameter can only stand at its end.
        has_sockets: WebSockets, too.
    """

    path: str
    app: ASGIApp
    has_sockets: bool = False


class Standalone:
    """Serves routes and nothing else.

    Args:
        running: entered as long as the server runs.
        https: as `SecureHeaders` has it.
    """

    def __init__(
        self,
        running: Callable[[], AbstractAsyncContextManager[Any]],
        routes: Sequence[Route],
        *,
        https: bool,
    ) -> None:
        self._running = running
        self._exact = {each.path: each for each in routes if "{" not in each.path}
        self._below = [_Below(each) for each in routes if "{" in each.path]
        self._nothing = SecureHeaders(_say_nothing_here, https=https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one socket, or the whole life of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path = scope["path"]
        route = self._exact.get(path)
        if route is None:
            for each in self._below:
                if (value := each.value_in(path)) is not None:
                    scope["path_params"] = {each.name: value}
                    route = each.route
                    break
        if route is not None and (scope["type"] == "http" or route.has_sockets):
            await route.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._nothing(scope, receive, send)
        else:
            await receive()  # the handshake
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        stage = "startup"
        await receive()
        try:
            async with self._running():
                await send({"type": "lifespan.startup.complete"})
                stage = "shutdown"
                await receive()
        except BaseException:
            await send({"type": f"lifespan.{stage}.failed", "message": traceback.format_exc()})
            raise
        await send({"type": "lifespan.shutdown.complete"})


class _Below:
    """A route whose path ends in a parameter."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._before, _, parameter = route.path.partition("{")
        self.name, _, kind = parameter.rstrip("}").partition(":")
        self._takes_slashes = kind == "path"

    def value_in(self, path: str) -> str | None:
        """The parameter's value in a path; None where the route has another."""
        value = path.removeprefix(self._before)
        if value == path or not (self._takes_slashes or (value and "/" not in value)):
            return None
        return value


async def _say_nothing_here(scope: Scope, receive: Receive, send: Send) -> None:
    response: Response = nothing_here("; the API is at /graphql")
    await response(scope, receive, send)
