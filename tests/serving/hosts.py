"""A host's application with subscriptions of its own, which a test watches and steers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import strawberry
from fastapi import FastAPI
from starlette.types import ASGIApp

from gql_auth import IsAuthenticated
from gql_auth.app import GraphQLAuth
from gql_auth.context import AuthContext
from gql_auth.kernel.settings import Settings
from gql_auth.observing.prometheus import Prometheus
from gql_auth.serving.connections import Kind
from gql_auth.storage.migrate import migrate
from tests.live import within
from tests.support import SECRET, GraphQLClient

Info = strawberry.Info[AuthContext]
WAIT = "subscription { wait }"
GUARDED = "subscription { guarded }"
MINE = "subscription { mine }"


class Streams:
    """The subscriptions that run: each has said 0, and says the next number when told to."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was."""
        self.more = asyncio.Event()
        self.running = self.begun = 0

    async def ticks(self) -> AsyncGenerator[int, None]:
        """One of them."""
        self.running += 1
        self.begun += 1
        try:
            for number in range(1_000_000):
                yield number
                await self.more.wait()
                self.more.clear()
        finally:
            self.running -= 1

    async def down_to(self, count: int) -> None:
        """Come back when no more than so many run."""
        await within(10, lambda: self.running <= count)


streams = Streams()


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def wait(self) -> AsyncGenerator[int, None]:
        async for number in streams.ticks():
            yield number

    @strawberry.subscription(permission_classes=[IsAuthenticated])
    async def guarded(self) -> AsyncGenerator[int, None]:
        async for number in streams.ticks():
            yield number

    @strawberry.subscription
    async def mine(self, info: Info) -> AsyncGenerator[str, None]:
        async for _ in streams.ticks():
            yield "for somebody" if info.context.user_id else "for anybody"

    @strawberry.subscription
    async def count(self, to: int = 3) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number

    @strawberry.subscription
    async def broken(self) -> AsyncGenerator[int, None]:
        yield 1
        raise RuntimeError("a defect that says too much")


class Hosted:
    """A host's application, a client of it, and what was counted."""

    def __init__(self, auth: GraphQLAuth, app: ASGIApp, http: httpx.AsyncClient) -> None:
        self.auth = auth
        self.app = app
        self.client = GraphQLClient(http)
        self.http = http

    def limited(self, limit: str) -> float:
        """How often a limit was met."""
        return self._figures._limited.labels(limit)._value.get()

    def levels(self) -> tuple[float, ...]:
        """How many sockets and streams are open, as /metrics tells it."""
        self._figures.read_levels()
        names = ("open_sockets", "open_streams")
        return tuple(self._figures._levels[name]._value.get() for name in names)

    @property
    def open(self) -> int:
        """How many sockets and streams are open."""
        return sum(self.auth.system.connections.count(kind) for kind in Kind)

    @property
    def _figures(self) -> Prometheus:
        told = self.auth._telemetry
        assert isinstance(told, Prometheus)
        return told


class Stage:
    """Starts such applications on one database."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder, secret=SECRET, bcrypt_cost=10)
        migrate(self.settings)
        streams.reset()

    @asynccontextmanager
    async def __call__(self, *, clock: Any = None, **changes: Any) -> AsyncIterator[Hosted]:
        """One, with some settings changed."""
        settings = replace(self.settings, **changes)
        auth = GraphQLAuth(settings, clock=clock, telemetry=Prometheus())
        app = FastAPI(lifespan=auth.lifespan)
        app.include_router(auth.router(query=Query, subscription=Subscription))
        transport, url = httpx.ASGITransport(app), settings.public_url
        async with auth.running(), httpx.AsyncClient(transport=transport, base_url=url) as http:
            yield Hosted(auth, app, http)
