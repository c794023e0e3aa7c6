"""A standalone server of any settings, asked through its HTTP edge, header by header."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import text

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.kernel.settings import Settings
from gql_auth.storage.engine import Database
from gql_auth.storage.migrate import migrate
from tests.support import SettableClock

TABLES = ("users", "passwords", "sessions", "events")


@asynccontextmanager
async def serving(
    settings: Settings, clock: SettableClock | None = None
) -> AsyncIterator[tuple[GraphQLAuth, httpx.AsyncClient]]:
    """The server on an empty database, and a client that sends nothing by itself."""
    migrate(settings)
    auth = GraphQLAuth(settings, clock=clock)
    async with auth.running():
        transport = httpx.ASGITransport(create_app(auth), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=settings.public_url) as http:
            yield auth, http


async def ask(
    http: httpx.AsyncClient,
    query: str,
    variables: dict[str, Any] | None = None,
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
) -> httpx.Response:
    """One operation by POST."""
    return await http.post(
        "/graphql", json={"query": query, "variables": variables}, headers=headers
    )


def cookies_of(response: httpx.Response) -> list[str]:
    """The `Set-Cookie` lines of an answer."""
    return response.headers.get_list("set-cookie")


async def counts(settings: Settings, *, leave_out: tuple[str, ...] = ()) -> dict[str, int]:
    """How many rows each table holds, asked on a connection of its own."""
    database = Database(settings)
    try:
        async with database.reading() as connection:
            return {
                name: (
                    await connection.execute(text(f"SELECT count(*) FROM gql_auth_{name}"))
                ).scalar_one()
                for name in TABLES
                if name not in leave_out
            }
    finally:
        await database.close()


async def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    """Rows as they are committed, asked on a connection of its own."""
    database = Database(settings)
    try:
        async with database.reading() as connection:
            return [tuple(row) for row in await connection.execute(text(query))]
    finally:
        await database.close()
