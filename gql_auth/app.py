"""The composition root: settings and features become a router, a lifespan, a server."""

import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp
from strawberry.schema.config import StrawberryConfig

from gql_auth.building import build_schema
from gql_auth.context import AuthContext
from gql_auth.features.audit.core import Listener, Listeners, Tag
from gql_auth.features.mail.outlets import MailOutlet
from gql_auth.features.signin.granting import ClaimsHook
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.lines import Lines
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Several, Telemetry
from gql_auth.observing import tracing
from gql_auth.preparing import prepare
from gql_auth.serving import linkpage
from gql_auth.serving.endpoint import GraphQLEndpoint
from gql_auth.serving.explorer import Explorer
from gql_auth.serving.headers import Cors, SecureHeaders
from gql_auth.serving.plainly import Answering, handler, nothing_here
from gql_auth.serving.schema import AuthSchema
from gql_auth.standalone import Route, Standalone
from gql_auth.system import System

if TYPE_CHECKING:
    from fastapi import APIRouter

_log = logging.getLogger("gql_auth.settings")
L = TypeVar("L", bound=Listener)
_TRACE_HEADERS: Final = ("traceparent", "tracestate")


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
        self.lines = Lines()

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
    ) -> "APIRouter":
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
        # The server itself needs no FastAPI, and starts sooner without.
        from gql_auth.mounting import router_of  # noqa: PLC0415

        schema = build_schema(
            query=query,
            mutation=mutation,
            subscription=subscription,
            extensions=extensions,
            types=types,
            config=config,
            settings=self.settings,
        )
        return router_of(self.routes(schema, path=path, context_class=context_class, health=health))

    def routes(
        self,
        schema: AuthSchema,
        *,
        path: str = "/graphql",
        context_class: type[AuthContext] = AuthContext,
        health: bool = False,
    ) -> list[Route]:
        """What is served where."""
        if path != "/graphql" and not self.settings.link_url_template:
            _log.warning(
                "links in mails lead to %s/graphql/links/: set GQL_AUTH_LINK_URL_TEMPLATE",
                self.settings.public_url,
            )
        explorer = Explorer(schema, self.settings)
        below = path.rstrip("/")
        routes = [
            Route(path, self._endpoint(schema, context_class, explorer), has_sockets=True),
            Route(f"{below}/explorer/{{name:path}}", self._below(explorer)),
            Route("/.well-known/jwks.json", self._plain(self._jwks)),
        ]
        if self.settings.trusted_documents != "strict":  # its documents are in no host's manifest
            routes.append(Route(f"{below}/links/{{action}}", self._plain(_link)))
        if health:
            routes += [
                Route("/healthz", self._plain(_alive)),
                Route("/readyz", self._plain(self._ready)),
            ]
        return routes

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
            lambda: self.lines,
            https=self.settings.https,
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
        return graphql  # which sees to its headers itself

    def _below(self, explorer: Explorer) -> ASGIApp:
        async def answer(request: Request) -> Response:
            return explorer.below(request) or nothing_here()

        return self._plain(answer)

    def _plain(self, answer: Answering) -> ASGIApp:
        return self._secured(handler(answer))

    def _secured(self, app: ASGIApp) -> ASGIApp:
        return SecureHeaders(app, https=self.settings.https)

    async def _jwks(self, _request: Request) -> Response:
        return JSONResponse(self.system.jwks, media_type="application/jwk-set+json")

    async def _ready(self, _request: Request) -> Response:
        if self._draining:
            raise Unavailable("Shutting down")
        await self.system.database.ping()
        return JSONResponse({"status": "ready"})


def create_app(
    auth: GraphQLAuth,
    *,
    started: Callable[[], None] = lambda: None,
    ended: Callable[[], None] = lambda: None,
) -> ASGIApp:
    """The standalone server: our routes and nothing else.

    Args:
        started, ended: called when it is ready to serve, and when it serves no more.
    """
    routes = auth.routes(build_schema(settings=auth.settings), health=True)

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        try:
            async with auth.running():
                started()
                yield
        finally:
            ended()

    return Standalone(running, routes, https=auth.settings.https)


async def _alive(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _link(request: Request) -> Response:
    return linkpage.answer(request.path_params["action"]) or nothing_here()
