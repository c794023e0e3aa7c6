"""Sessions put into a database by its driver, as many as a large site has."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg

from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.tokens.core import RefreshClaims, RefreshTokens
from scripts.benching.servers import Site

_COLUMNS: Final = "id, user_id, created_at, generation, rotated_at, confirmed, expires_at"
_SQLITE_TIME: Final = "%Y-%m-%d %H:%M:%S.%f"


@dataclass(slots=True)
class Held:
    """What one browser holds: the newest refresh cookie of its session."""

    user_id: str
    cookie: bytes


def fill(site: Site, count: int, sample: int) -> list[Held]:
    """Add sessions of the site's accounts by turns, signed in an hour ago and never refreshed;
    at most `sample` of them, by chance, with their refresh cookies."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    ends = began + timedelta(days=7)
    users = [grant.user.id for grant in site.grants]
    ids = sorted((uuid4() for _ in range(count)), key=lambda each: each.hex)

    def rows() -> Iterator[tuple[UUID, UUID]]:
        return ((each, users[number % len(users)]) for number, each in enumerate(ids))

    if site.settings.embedded:
        at, to = began.strftime(_SQLITE_TIME), ends.strftime(_SQLITE_TIME)
        with closing(_sqlite(site)) as line, line:
            line.executemany(
                f"INSERT INTO gql_auth_sessions ({_COLUMNS}) VALUES (?, ?, ?, 0, ?, 0, ?)",
                ((each.hex, user.hex, at, at, to) for each, user in rows()),
            )
    else:
        with psycopg.connect(site.settings.database_url) as server, server.cursor() as cursor:
            with cursor.copy(f"COPY gql_auth_sessions ({_COLUMNS}) FROM STDIN") as copy:
                for each, user in rows():
                    copy.write_row((each, user, began, 0, began, False, ends))
            cursor.execute("ANALYZE gql_auth_sessions")
    signer = RefreshTokens(MasterSecret(site.settings.secret.encode()))
    return [
        Held(
            str(users[number % len(users)]),
            b"refresh_token=" + signer.sign(RefreshClaims(ids[number], 0, began, ends)).encode(),
        )
        for number in random.sample(range(count), min(sample, count))
    ]


def rotations(site: Site) -> int:
    """How many there were of all sessions, by the database."""
    query = "SELECT sum(generation) FROM gql_auth_sessions"
    if site.settings.embedded:
        with closing(_sqlite(site)) as line:
            return int(line.execute(query).fetchone()[0])
    with psycopg.connect(site.settings.database_url) as server:
        found: Any = server.execute(query).fetchone()
        return int(found[0])


def _sqlite(site: Site) -> sqlite3.Connection:
    return sqlite3.connect(site.settings.data_dir / "gql_auth.sqlite3", timeout=30)
