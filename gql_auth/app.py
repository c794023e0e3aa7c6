"""The composition root: settings and features become a router, a lifespan, a schema, a server."""

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.schema.config import StrawberryConfig

from gql_auth.catalog import FEATURES
from gql_auth.context import AuthContext
from gql_auth.features.audit.core import Listener, Listeners, Tag
from gql_auth.features.mail.outlets import MailOutlet
from gql_auth.features.signin.granting import ClaimsHook
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Refused, Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Several, Telemetry
from gql_auth.observing import tracing
from gql_auth.preparing import prepare
from gql_auth.serving import linkpage
from gql_auth.serving.endpoint import GraphQLEndpoint
from gql_auth.serving.explorer import Explorer
from gql_auth.serving.headers import Cors, SecureHeaders
from gql_auth.serving.operations import JudgedOperations
from gql_auth.serving.persisted import Manifest
from gql_auth.serving.refusals import RefusalHandler
from gql_auth.serving.schema import AuthSchema, merge
from gql_auth.system import System

_log = logging.getLogger("gql_auth.settings")
L = TypeVar("L", bound=Listener)
_TRACE_HEADERS: Final = ("traceparent", "tracestate")

_QUERY = "What can be asked. Fields marked @authenticated or @hasRole want an access token."
_MUTATION = (
    "What can be done. Expected refusals are members of the result union and implement "
    "`AuthError`; they never appear in `errors`."
)
_SUBSCRIPTION = (
    "What can be listened to, over a WebSocket (graphql-transport-ws) or a response that stays "
    "open (server-sent events, multipart). Either ends with the access token it is used with."
)


def build_schema(
    *,
    query: type | None = None,
    mutation: type | None = None,
    subscription: type | None = None,
    extensions: Iterable[Any] = (),
    types: Iterable[Any] = (),
    config: StrawberryConfig | None = None,
    settings: Settings | None = None,
) -> AuthSchema:
    """The features' fields and the host's own in one schema.

    Args:
        settings: bounds of operations, which documents may run, whether it is a subgraph; the
            defaults unless given.

    Raises:
        ValueError: a field name is claimed twice, or a root type is no Strawberry type; a type
            does not fit a subgraph.
        SettingsError: the manifest of trusted documents cannot be read.
    """
    settings = settings or Settings()
    queries = [each for feature in FEATURES for each in feature.queries]
    mutations = [each for feature in FEATURES for each in feature.mutations]
    subscriptions = [each for feature in FEATURES for each in feature.subscriptions]

    def root(*more: type) -> type:
        made = merge("Query", [*queries, *more, *([query] if query else [])], _QUERY, config)
        assert made is not None  # noqa: S101 - the features have queries
        return made

    options: dict[str, Any] = {
        "mutation": merge(
            "Mutation", [*mutations, *([mutation] if mutation else [])], _MUTATION, config
        ),
        "subscription": merge(
            "Subscription",
            [*subscriptions, *([subscription] if subscription else [])],
            _SUBSCRIPTION,
            config,
        ),
        "types": [*(each for feature in FEATURES for each in feature.types), *types],
        "extensions": [*extensions, JudgedOperations],
        "config": config,
        "exception_handlers": [
            RefusalHandler(refusal, told_as)
            for feature in FEATURES
            for refusal, told_as in feature.refusals.items()
        ],
    }
    if settings.federation:
        # Loaded only where it is wanted.
        from gql_auth.serving.federation import FederatedSchema  # noqa: PLC0415

        finders = {kind: find for feature in FEATURES for kind, find in feature.entities.items()}
        schema: AuthSchema = FederatedSchema(
            root=root, finders=finders, most=settings.max_representations, **options
        )
    else:
        schema = AuthSchema(query=root(), **options)
    schema.open_documents(
        settings, credentials=settings.credential_fields, manifest=Manifest.load(settings)
    )
    return schema


class GraphQLAuth:
    """Accounts, sessions and permissions for an application of one's own.

        auth = GraphQLAuth()
        app = FastAPI(lifespan=auth.lifespan)
        app.include_router(auth.router(query=Query))

    Args:
        settings: instead of those of the environment.
        claims: called with the account at every sign-in and refresh, may be async; what it
            returns is added to the access token. Reserved names are refused.
        manage_schema: False where the host runs the tables in its own migration history; then
            nothing is migrated or checked at start.
        clock: another source of time, for tests.
        telemetry: the host's own ear for what happens; also hears what others hear.
        mail: the host's own way to send mail, instead of SMTP; see docs/mail.md.

    Raises:
        SettingsError: a setting is wrong; every problem is listed.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        claims: ClaimsHook | None = None,
        manage_schema: bool = True,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
        mail: MailOutlet | None = None,
    ) -> None:
        self._mail = mail
        self.settings = settings or Settings.from_environment()
        for warning in self.settings.warnings:
            _log.warning(warning)
        self._claims = claims
        self._manage_schema = manage_schema
        self._clock = clock
        self._listeners = Listeners()
        self._system: System | None = None
        self._draining = False
        self._telemetry = telemetry or Telemetry()
        if self.settings.tracing:
            self._telemetry = Several(self._telemetry, tracing())
        self._page: ASGIApp | None = None

    def metrics(self) -> ASGIApp:
        """Count, and show the figures in Prometheus's format: an ASGI application that answers
        every GET, to be mounted where only those reach it who may. It protects nothing.

        Raises:
            RuntimeError: the system runs already, uncounted; call this before it starts.
        """
        if self._page is None:
            if self._system is not None:
                raise RuntimeError("Call metrics() before the application starts")
            # Loaded only where it is wanted.
            from gql_auth.observing.page import Page  # noqa: PLC0415
            from gql_auth.observing.prometheus import Prometheus  # noqa: PLC0415

            figures = Prometheus()
            self._telemetry = Several(self._telemetry, figures)
            self._page = Page(figures.render)
        return self._page

    @property
    def telemetry(self) -> Telemetry:
        """What hears of everything that happens: the host's own, and what counts and traces."""
        return self._telemetry

    def drain(self) -> None:
        """Be no longer ready, and go on serving: a shutdown begins, and load balancers shall
        look elsewhere first."""
        self._draining = True

    def hang_up(self) -> None:
        """End the responses that stay open, from any thread or a signal's handler: a server that
        ends would wait for them. Sockets it closes by itself."""
        if self._system is not None:
            self._system.connections.hang_up()

    @property
    def system(self) -> System:
        """The running system.

        Raises:
            Unavailable: the lifespan has not begun, or is over.
        """
        if self._system is None:
            raise Unavailable(
                "gql-auth is not started: use FastAPI(lifespan=auth.lifespan), or "
                "`async with auth.running():` in the application's own lifespan"
            )
        return self._system

    @asynccontextmanager
    async def running(self) -> AsyncIterator[System]:
        """Prepare the database, load the keys, run the background tasks; for a host's own
        lifespan.

        Raises:
            SchemaOutdated, SecretMismatch, Unavailable: each names its mend.
        """
        if self._manage_schema:
            import anyio.to_thread  # noqa: PLC0415 - starlette's own; needed here alone

            await anyio.to_thread.run_sync(prepare, self.settings)
        async with (
            self._telemetry.running(),
            System(
                self.settings,
                listeners=self._listeners,
                claims_hook=self._claims,
                clock=self._clock,
                telemetry=self._telemetry,
                mail=self._mail,
            ) as system,
        ):
            self._system = system
            try:
                yield system
            finally:
                self._system = None

    def lifespan(self, app: Any) -> AbstractAsyncContextManager[None]:  # noqa: ARG002
        """For `FastAPI(lifespan=auth.lifespan)`."""

        @asynccontextmanager
        async def span() -> AsyncIterator[None]:
            async with self.running():
                yield

        return span()

    def on(self, *tags: Tag) -> Callable[[L], L]:
        """Decorate a function, sync or async, that is told of events of these tags (of all,
        where none are named) after they are committed.

            @auth.on(Tag.SIGNED_UP)
            async def welcome(event: Event) -> None: ...
        """

        def register(listener: L) -> L:
            self._listeners.add(frozenset(tags), listener)
            return listener

        return register

    def router(
        self,
        *,
        query: type | None = None,
        mutation: type | None = None,
        subscription: type | None = None,
        path: str = "/graphql",
        context_class: type[AuthContext] = AuthContext,
        extensions: Iterable[Any] = (),
        types: Iterable[Any] = (),
        config: StrawberryConfig | None = None,
        health: bool = False,
    ) -> APIRouter:
        """The routes: GraphQL with the host's own types beside ours, and the JWKS.

        Args:
            query, mutation, subscription: the host's Strawberry root types.
            path: where GraphQL is served.
            context_class: what `info.context` is.
            extensions, types, config: as `strawberry.Schema` takes them.
            health: also `/healthz` and `/readyz`.

        Raises:
            ValueError: one of the host's fields has the name of one of ours.
        """
        if path != "/graphql" and not self.settings.link_url_template:
            _log.warning(
                "links in mails lead to %s/graphql/links/: set GQL_AUTH_LINK_URL_TEMPLATE",
                self.settings.public_url,
            )
        schema = build_schema(
            query=query,
            mutation=mutation,
            subscription=subscription,
            extensions=extensions,
            types=types,
            config=config,
            settings=self.settings,
        )
        explorer = Explorer(schema, self.settings)
        endpoint = self._endpoint(schema, context_class, explorer)
        router = APIRouter()
        _add_route(router, path, endpoint)
        _add_socket(router, path, endpoint)
        _add_route(router, f"{path.rstrip('/')}/explorer/{{name:path}}", self._below(explorer))
        if self.settings.trusted_documents != "strict":  # its documents are in no host's manifest
            _add_route(router, f"{path.rstrip('/')}/links/{{action}}", self._links())
        _add_route(router, "/.well-known/jwks.json", self._secured(_handler(self._jwks)))
        if health:
            _add_route(router, "/healthz", self._secured(_handler(_alive)))
            _add_route(router, "/readyz", self._secured(_handler(self._ready)))
        return router

    def _endpoint(
        self, schema: AuthSchema, context_class: type[AuthContext], explorer: Explorer
    ) -> ASGIApp:
        def make_context(request: HTTPConnection) -> AuthContext:
            return context_class(request, self.system)

        graphql: ASGIApp = GraphQLEndpoint(
            schema,
            make_context,
            lambda: self.system,
            self.settings,
            explorer,
            lambda: self._telemetry,
        )
        if self.settings.allowed_origins:
            graphql = Cors(
                graphql,
                allow_origins=list(self.settings.allowed_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["authorization", "content-type", "x-request-id", *_TRACE_HEADERS],
                allow_credentials=True,
                expose_headers=[
                    "x-request-id",
                    "retry-after",
                    "www-authenticate",
                    "traceresponse",
                ],
                max_age=7200,
            )
        return self._secured(graphql)

    def _below(self, explorer: Explorer) -> ASGIApp:
        async def answer(request: Request) -> Response:
            found = explorer.below(request)
            return found or _plain_error(404, "There is nothing here", "NOT_FOUND")

        return self._secured(_handler(answer))

    def _links(self) -> ASGIApp:
        async def answer(request: Request) -> Response:
            found = linkpage.answer(request.path_params["action"])
            return found or _plain_error(404, "There is nothing here", "NOT_FOUND")

        return self._secured(_handler(answer))

    def _secured(self, app: ASGIApp) -> ASGIApp:
        return SecureHeaders(app, https=self.settings.https)

    async def _jwks(self, _request: Request) -> Response:
        return JSONResponse(self.system.jwks, media_type="application/jwk-set+json")

    async def _ready(self, _request: Request) -> Response:
        if self._draining:
            raise Unavailable("Shutting down")
        await self.system.database.ping()
        return JSONResponse({"status": "ready"})


# FastAPI has telemetry of its own, which the environment may switch on: the query string of a GET,
# a document with its literals, would be in its spans, and messages of exceptions in its logs.
_SILENT: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


def create_app(auth: GraphQLAuth) -> ASGIApp:
    """The standalone server: our routes and nothing else."""
    app = FastAPI(
        lifespan=auth.lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # a redirect would name whatever host the request names
        telemetry=_SILENT,
    )
    app.include_router(auth.router(health=True))
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(405, _not_found)
    return SecureHeaders(app, https=auth.settings.https)


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


_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _add_route(router: APIRouter, path: str, app: ASGIApp) -> None:
    """Route every method of a path to an ASGI application, as FastAPI's own kind of route: what
    a host gives to `include_router` (a prefix, dependencies) counts for no other kind."""

    async def answer() -> Response:
        return _Answered(app)

    router.add_api_route(
        path, answer, methods=_METHODS, include_in_schema=False, response_model=None
    )


def _add_socket(router: APIRouter, path: str, app: ASGIApp) -> None:
    async def serve(socket: WebSocket) -> None:
        await app(socket.scope, socket.receive, socket.send)

    router.add_api_websocket_route(path, serve)


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _not_found(_request: Request, _error: Exception) -> Response:
    return _plain_error(404, "There is nothing here; the API is at /graphql", "NOT_FOUND")


def _plain_error(status: int, message: str, code: str, **headers: str) -> Response:
    body = {"errors": [{"message": message, "extensions": {"code": code}}]}
    return JSONResponse(body, status, headers)


def _handler(answer: Callable[[Request], Any]) -> ASGIApp:
    """An ASGI application of a function: GET and HEAD, refusals as JSON."""

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        try:
            if request.method not in {"GET", "HEAD"}:
                response = _plain_error(405, "Use GET", "METHOD_NOT_ALLOWED", Allow="GET, HEAD")
            else:
                response = await answer(request)
        except Unavailable as refused:
            response = _plain_error(
                503, str(refused), refused.code, **{"Retry-After": str(refused.retry_after)}
            )
        except Refused as refused:
            response = _plain_error(400, str(refused), refused.code)
        await response(scope, receive, send)

    return handle
