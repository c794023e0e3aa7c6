"""Fixtures: settings on both databases, a running system, clients that cross the HTTP edge."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import migrate
from tests.postgres import _postgres_admin, postgres_server, postgres_url  # noqa: F401
from tests.support import SECRET, GraphQLClient, SettableClock

# Collected by scripts/soak alone, so that the normal run need not skip anything.
collect_ignore = [] if os.environ.get("GQL_AUTH_SOAK") else ["soak"]


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings on an empty, migrated database, each kind in turn; the cheapest bcrypt."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = Settings(data_dir=tmp_path, database_url=url, secret=SECRET, bcrypt_cost=10)
    migrate(made)
    return made


@pytest.fixture
def sqlite_settings(tmp_path: Path) -> Settings:
    """Settings on an empty, migrated SQLite database, where the kind makes no difference."""
    made = Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10)
    migrate(made)
    return made


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
async def auth(settings: Settings, clock: SettableClock) -> AsyncIterator[GraphQLAuth]:
    """The standalone server's parts, running in this process on the settable clock."""
    made = GraphQLAuth(settings, clock=clock)
    async with made.running() as system:
        # No mail is sent here: a deliverer amid a transaction would hold the lock of SQLite for as
        # long as a test blocks the loop to look in from outside, and both would wait in vain.
        system._postman.deliverer._is_migrated = lambda: False
        yield made


@pytest.fixture
async def connect(auth: GraphQLAuth) -> AsyncIterator[Callable[..., GraphQLClient]]:
    """Makes clients of the standalone server; each is a browser of its own."""
    # The lifespan is run by `auth`; httpx's transport runs none.
    transport = httpx.ASGITransport(create_app(auth))
    async with httpx.AsyncClient(transport=transport, base_url=auth.settings.public_url) as http:

        def make(origin: str | None = auth.settings.public_url) -> GraphQLClient:
            return GraphQLClient(http, origin)

        yield make


@pytest.fixture
def client(connect: Callable[..., GraphQLClient]) -> GraphQLClient:
    """One browser."""
    return connect()
