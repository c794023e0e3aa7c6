"""What a database allows: the conditional UPDATE of a refresh by a bare driver, each in its own
transaction. Run as a module with a driver, a database and seconds, it prints how many there were
and how long they took."""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import psycopg

CONNECTIONS: Final = 32
_FIND: Final = "SELECT id, generation FROM gql_auth_sessions"
_UPDATE: Final = (
    "UPDATE gql_auth_sessions SET generation = generation + 1, rotated_at = {0}, "
    "confirmed = {no}, expires_at = {1} WHERE id = {2} AND generation = {3} "
    "AND revoked_at IS NULL"
)

Line = Callable[[datetime, Any, int], Awaitable[int]]  # how many rows an UPDATE changed


def sqlite(path: str, seconds: float) -> tuple[int, float]:
    """On one connection, with a wait for the disk at each COMMIT."""
    update, done = _UPDATE.format("?", "?", "?", "?", no="0"), 0
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as line:
        line.execute("PRAGMA synchronous=FULL")
        held = [list(row) for row in line.execute(_FIND)]
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            each = held[done % len(held)]
            now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
            line.execute("BEGIN IMMEDIATE")
            changed = line.execute(update, (now, now, *each)).rowcount
            line.execute("COMMIT")
            done += changed
            each[1] += changed
        return done, time.perf_counter() - began


async def _at_once(lines: list[Line], held: list[list[Any]], seconds: float) -> tuple[int, float]:
    """On all connections, each with its own sessions."""
    began = time.perf_counter()

    async def walk(line: Line, share: list[list[Any]]) -> int:
        done = 0
        while time.perf_counter() - began < seconds:
            each = share[done % len(share)]
            changed = await line(datetime.now(UTC), *each)
            done += changed
            each[1] += changed
        return done

    done = await asyncio.gather(
        *(walk(line, held[number :: len(lines)]) for number, line in enumerate(lines))
    )
    return sum(done), time.perf_counter() - began


async def by_psycopg(url: str, seconds: float) -> tuple[int, float]:
    """psycopg's own async connections, statements prepared."""
    update = _UPDATE.format("%s", "%s", "%s", "%s", no="false")
    async with AsyncExitStack() as stack:

        async def line() -> tuple[psycopg.AsyncConnection, Line]:
            opened = await psycopg.AsyncConnection.connect(
                url, autocommit=True, prepare_threshold=0
            )
            await stack.enter_async_context(opened)

            async def change(now: datetime, key: Any, generation: int) -> int:
                return (await opened.execute(update, (now, now, key, generation))).rowcount

            return opened, change

        opened = [await line() for _ in range(CONNECTIONS)]
        found = await (await opened[0][0].execute(_FIND)).fetchall()
        return await _at_once([change for _, change in opened], list(map(list, found)), seconds)


async def by_asyncpg(url: str, seconds: float) -> tuple[int, float]:
    """asyncpg, statements prepared."""
    update = _UPDATE.format("$1", "$2", "$3", "$4", no="false")
    opened = [await asyncpg.connect(url) for _ in range(CONNECTIONS)]

    async def line(connection: Any) -> Line:
        prepared = await connection.prepare(update)

        async def change(now: datetime, key: Any, generation: int) -> int:
            await prepared.fetch(now, now, key, generation)
            return int(prepared.get_statusmsg().rpartition(" ")[2])

        return change

    try:
        lines = [await line(each) for each in opened]
        found = await opened[0].fetch(_FIND)
        return await _at_once(lines, list(map(list, found)), seconds)
    finally:
        for each in opened:
            await each.close()


def main(driver: str, where: str, seconds: float) -> tuple[int, float]:
    """By one of "sqlite3", "psycopg", "asyncpg"."""
    if driver == "sqlite3":
        return sqlite(where, seconds)
    drivers = {"psycopg": by_psycopg, "asyncpg": by_asyncpg}
    return asyncio.run(drivers[driver](where, seconds))


if __name__ == "__main__":
    print(*main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
