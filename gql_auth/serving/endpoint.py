"""`/graphql`: operations by POST, queries by GET, the explorer for browsers, subscriptions by
WebSocket. An ASGI application; a route of a host's router points at it."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http.ides import GraphQL_IDE
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from gql_auth.kernel.errors import Forbidden, Unavailable
from gql_auth.kernel.limits import OperationLimits
from gql_auth.kernel.lines import Lines
from gql_auth.kernel.telemetry import Telemetry, Trace, parent_of
from gql_auth.serving import http, sockets
from gql_auth.serving.connections import Kind, TooManyConnections
from gql_auth.serving.context import Doorkeeper, RequestContext
from gql_auth.serving.cookies import require_own_site
from gql_auth.serving.explorer import Explorer
from gql_auth.serving.headers import SecureHeaders
from gql_auth.serving.over_http import ContextFactory, OverHTTP
from gql_auth.serving.schema import AuthSchema


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
        lines: Callable[[], Lines] = Lines,
        *,
        https: bool = False,
    ) -> None:
        no_ide: GraphQL_IDE | None = None
        super().__init__(
            schema,
            graphql_ide=no_ide,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            max_subscriptions_per_connection=None,  # the handler's own bound has a code
        )
        self._over_http = OverHTTP(
            schema, make_context, limits, explorer, telemetry, lines, https=https
        )
        self._over_socket = SecureHeaders(self._open_socket, https=https)
        self._make_context = make_context
        self._system = system

    def __call__(  # type: ignore[override] # an awaitable is all that ASGI wants
        self, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """Answer one request or serve one socket."""
        if scope["type"] == "http":
            return self._over_http(scope, receive, send)
        return self._over_socket(scope, receive, send)

    async def _open_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
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
