"""The database as an onlooker sees it: each look is a new connection, so only commits show."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, create_engine
from sqlmodel import select

from gql_auth.features.audit.tables import EventRow
from gql_auth.features.sessions.tables import SessionRow
from gql_auth.kernel.settings import Settings
from gql_auth.storage.places import database_url


def look(settings: Settings, query: Executable) -> Sequence[Any]:
    """The rows that a query finds among what is committed."""
    engine = create_engine(database_url(settings, synchronous=True))
    try:
        with engine.connect() as connection:
            return connection.execute(query).all()
    finally:
        engine.dispose()


def tamper(settings: Settings, statement: Executable) -> int:
    """Change the database behind the server's back; how many rows that met."""
    engine = create_engine(database_url(settings, synchronous=True))
    try:
        with engine.begin() as connection:
            return connection.execute(statement).rowcount
    finally:
        engine.dispose()


def only_session(settings: Settings) -> Any:
    """The row of the one session there is."""
    (row,) = look(settings, select(SessionRow))
    return row


async def confirmed(settings: Settings) -> None:
    """Come back when the one session's newest generation is confirmed, within a bound."""
    async with asyncio.timeout(10):
        while not only_session(settings).confirmed:  # noqa: ASYNC110 - the database tells
            await asyncio.sleep(0.005)


def events(settings: Settings, tag: str) -> Sequence[Any]:
    """The events of one kind, oldest first."""
    return look(settings, select(EventRow).where(EventRow.tag == tag).order_by(EventRow.id))
