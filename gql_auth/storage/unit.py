"""The SQL unit of work: who commits, and what happens then."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from gql_auth.kernel import telemetry
from gql_auth.kernel.errors import Refused
from gql_auth.kernel.feature import GlanceFactory, Parts, ServiceFactory
from gql_auth.kernel.unit import Unit
from gql_auth.storage.engine import Database
from gql_auth.storage.statements import Unsettled
from gql_auth.storage.swift import SwiftConnection

S = TypeVar("S")
T = TypeVar("T")


class SqlUnit:
    """One transaction and the services bound to it."""

    def __init__(
        self,
        connection: AsyncConnection | SwiftConnection,
        parts: Parts,
        factories: Mapping[type, ServiceFactory],
    ) -> None:
        self._connection = connection
        self._parts = parts
        self._factories = factories
        self._services: dict[type, object] = {}
        self._after: list[Callable[[], Awaitable[None] | None]] = []

    def get(self, service: type[S]) -> S:
        """The service of that type, bound to this transaction."""
        if service not in self._services:
            made = self._factories[service](self._parts, self, self._connection)
            self._services[service] = made
        return cast(S, self._services[service])

    def after_commit(self, act: Callable[[], Awaitable[None] | None]) -> None:
        """Do `act` once the transaction is durable; never if it rolls back."""
        self._after.append(act)

    async def run_after_commit(self) -> None:
        """Do what was asked for, in order."""
        for act in self._after:
            done = act()
            if inspect.isawaitable(done):
                await done


class SqlUnits:
    """Opens units of work on one database.

    Args:
        glances: what `glance` can hand out, by type.
        spare: on connections that requests never get, for a process's own tasks.
    """

    def __init__(
        self,
        database: Database,
        parts: Parts,
        factories: Mapping[type, ServiceFactory],
        glances: Mapping[type, GlanceFactory] | None = None,
        *,
        spare: bool = False,
    ) -> None:
        self._database = database
        self._parts = parts
        self._factories: dict[type, ServiceFactory] = dict(factories)
        self._glances: dict[type, GlanceFactory] = dict(glances or {})
        self._made: dict[type, object] = {}
        self._spare = spare
        self._kind = {"db.system.name": "sqlite" if database.is_sqlite else "postgresql"}

    def _unit(self, connection: Any) -> SqlUnit:
        return SqlUnit(connection, self._parts, self._factories)

    async def swiftly(self, act: Callable[[Unit], Awaitable[T]]) -> T:
        """What `act` answers, by the quick way if it can be done so."""
        unit = self._unit(SwiftConnection(self._database.glances, self._database.changes))
        is_settled = False
        with telemetry.span("database write", **self._kind), suppress(Unsettled):
            answer = await act(unit)
            is_settled = True
        if is_settled:
            await unit.run_after_commit()
            return answer
        async with self.write() as ordinary:
            return await act(ordinary)

    def glance(self, kind: type[S]) -> S:
        """What reads single rows without a unit, of that type."""
        made = self._made.get(kind)
        if made is None:
            made = self._glances[kind](self._parts, self, self._database.glances)
            self._made[kind] = made
        return cast(S, made)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqlUnit]:
        """A unit that only reads."""
        with telemetry.span("database read", **self._kind):
            async with self._database.reading(spare=self._spare) as connection:
                yield self._unit(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[SqlUnit]:
        """A unit that commits at its end, and on a refusal that leaves evidence."""
        refusal: Refused | None = None
        with telemetry.span("database write", **self._kind):
            async with self._database.writing(spare=self._spare) as connection:
                transaction = await connection.begin()
                unit = self._unit(connection)
                try:
                    yield unit
                except Refused as refused:
                    if not refused.leaves_evidence:
                        raise
                    refusal = refused
                await transaction.commit()
        await unit.run_after_commit()
        if refusal is not None:
            raise refusal
