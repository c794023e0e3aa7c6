"""What `scripts/bench` measures of refreshing, beside what the databases' bare drivers allow."""

import sqlite3
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import psycopg
from bench_load import Script, Traffic, drive, post
from bench_parts import (
    CONNECTIONS,
    PAYLOAD,
    Effort,
    Row,
    require,
    require_grant,
    spread,
    spread_ratio,
)
from bench_servers import SERVER_CORE, Site, on_core

from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.sessions.memory import EndedSessions
from gql_auth.features.tokens.core import RefreshClaims, RefreshTokens
from gql_auth.kernel.clock import SystemClock

REFRESH: Final = f"mutation {{ refreshToken {{ {PAYLOAD} }} }}"
_UPDATE: Final = (
    "UPDATE gql_auth_sessions SET generation = generation + 1, rotated_at = {now}, "
    "confirmed = {no}, expires_at = {now} WHERE id = {mark} AND generation = 0 "
    "AND revoked_at IS NULL"
)


class Filled(NamedTuple):
    """Sessions that were put into a database by its driver, and the refresh token of each."""

    ids: list[UUID]
    tokens: list[str]


def fill(site: Site, count: int, *, tokens: bool = True) -> Filled:
    """Add sessions of the first account, signed in an hour ago and never refreshed."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    ends = began + timedelta(days=7)
    ids = sorted((uuid4() for _ in range(count)), key=lambda each: each.hex)
    columns = "id, user_id, created_at, generation, rotated_at, confirmed, expires_at"
    owner = UUID(site.owner)
    if site.settings.embedded:
        form = "%Y-%m-%d %H:%M:%S.%f"
        at, to = began.strftime(form), ends.strftime(form)
        with closing(sqlite3.connect(site.settings.data_dir / "gql_auth.sqlite3")) as line, line:
            line.executemany(
                f"INSERT INTO gql_auth_sessions ({columns}) VALUES (?, ?, ?, 0, ?, 0, ?)",
                ((each.hex, owner.hex, at, at, to) for each in ids),
            )
    else:
        with psycopg.connect(site.settings.database_url) as server, server.cursor() as cursor:
            with cursor.copy(f"COPY gql_auth_sessions ({columns}) FROM STDIN") as copy:
                for each in ids:
                    copy.write_row((each, owner, began, 0, began, False, ends))
            cursor.execute("ANALYZE gql_auth_sessions")
    signer = RefreshTokens(MasterSecret(site.settings.secret.encode()))
    made = [signer.sign(RefreshClaims(each, 0, began, ends)) for each in ids] if tokens else []
    return Filled(ids, made)


def rotations(site: Site) -> int:
    """How many there were of all sessions, by the database."""
    query = "SELECT sum(generation) FROM gql_auth_sessions"
    if site.settings.embedded:
        with closing(sqlite3.connect(site.settings.data_dir / "gql_auth.sqlite3")) as line:
            return int(line.execute(query).fetchone()[0])
    with psycopg.connect(site.settings.database_url) as server:
        found: Any = server.execute(query).fetchone()
        return int(found[0])


def bare_updates(site: Site, sessions: list[UUID], seconds: float) -> float:
    """The conditional UPDATE of a refresh by the bare driver on one connection, as durable as
    the server's, each in a transaction of its own; how many a second."""
    now = datetime.now(UTC)
    done, began = 0, time.perf_counter()
    with on_core(SERVER_CORE):
        if site.settings.embedded:
            path = site.settings.data_dir / "gql_auth.sqlite3"
            with closing(sqlite3.connect(path, isolation_level=None)) as line:
                line.execute("PRAGMA synchronous=FULL")
                update = _UPDATE.format(now="?", no="0", mark="?")
                at = now.strftime("%Y-%m-%d %H:%M:%S.%f")
                for each in sessions:
                    line.execute("BEGIN IMMEDIATE")
                    done += line.execute(update, (at, at, each.hex)).rowcount
                    line.execute("COMMIT")
                    if time.perf_counter() - began > seconds:
                        break
        else:
            with psycopg.connect(site.settings.database_url, autocommit=True) as server:
                update = _UPDATE.format(now="%s", no="false", mark="%s")
                for each in sessions:
                    done += server.execute(update, (now, now, each)).rowcount
                    if time.perf_counter() - began > seconds:
                        break
    require(done > 0, "no conditional update met its row")
    return done / (time.perf_counter() - began)


def _each_once(user_id: str, tokens: list[str]) -> Script:
    """Refresh one session after another, each once, as their browsers would."""
    for token in tokens:
        require_grant(
            (yield post(REFRESH, Cookie=f"refresh_token={token}")), "refreshToken", user_id
        )


def _refresh_rate(site: Site, seconds: float, budget: int) -> tuple[float, float]:
    """Refreshes a second, and milliseconds at the median."""
    filled = fill(site, budget)
    before = rotations(site)
    shares = [filled.tokens[number::CONNECTIONS] for number in range(CONNECTIONS)]
    scripts = [_each_once(site.owner, share) for share in shares]
    (outcome,) = drive(Traffic(site.settings.port, scripts, seconds))
    turned = rotations(site) - before
    require(turned == outcome.answers, f"{outcome.answers} answers, {turned} rotations")
    return outcome.rate, outcome.percentile(50) * 1000


def refreshing(effort: Effort, sites: dict[str, Site]) -> Iterator[Row]:
    """Refreshes a second, of sessions that rested, beside the bare driver's updates."""
    rates: dict[str, list[float]] = {name: [] for name in sites}
    limits: dict[str, list[float]] = {name: [] for name in sites}
    budget = int(effort.seconds * 1500) + CONNECTIONS
    for number in range(-effort.warm_ups, effort.rounds):
        for name, site in sites.items():
            bare = bare_updates(site, fill(site, 4 * budget, tokens=False).ids, effort.seconds / 2)
            rate, _ = _refresh_rate(site, effort.seconds, budget)
            if number >= 0:
                limits[name].append(bare)
                rates[name].append(rate)
    for name in sites:
        what = f"conditional UPDATEs/s by the bare driver, one connection, {name}"
        yield Row(what, spread(limits[name], ",.0f"), "1")
        ratio = spread_ratio(rates[name], limits[name], "the bare driver")
        yield Row(f"refreshes/s, {CONNECTIONS} at once, {name}", spread(rates[name], ",.0f"), ratio)


def growing(effort: Effort, sites: dict[str, Site]) -> Iterator[Row]:
    """Refreshes with a thousand sessions in the table, and with a million."""
    budget = int(effort.seconds * 1500) + CONNECTIONS
    for name, site in sites.items():
        fill(site, 1000, tokens=False)
        few = [_refresh_rate(site, effort.seconds, budget) for _ in range(effort.rounds)]
        fill(site, effort.many, tokens=False)
        many = [_refresh_rate(site, effort.seconds, budget) for _ in range(effort.rounds)]
        for what, found in (("few", few), (f"{effort.many:,}", many)):
            yield Row(
                f"refreshes/s with {what} other sessions, {name}",
                spread([rate for rate, _ in found], ",.0f"),
                "1"
                if found is few
                else spread_ratio([r for r, _ in many], [r for r, _ in few], "few"),
            )
            yield Row(
                f"median time of a refresh with {what} other sessions, {name}, ms",
                spread([ms for _, ms in found], ".1f"),
            )


def remembering(effort: Effort) -> Iterator[Row]:
    """The memory that ended sessions take in each process."""
    clock, count = SystemClock(), effort.many
    ended = EndedSessions(clock, timedelta(minutes=17))
    now = clock.now()
    tracemalloc.start()
    for number in range(count):
        ended.add(uuid4(), now - timedelta(seconds=1000 * number / count))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    absent, began = uuid4(), time.perf_counter()
    for _ in range(100_000):
        require(absent not in ended, "a stranger among the ended")
    asked = (time.perf_counter() - began) * 10
    require(len(ended) == count, "some were lost")
    yield Row(f"{count:,} ended sessions in memory, bytes each", f"{used / count:.0f}")
    yield Row(f"asking whether a session is one of {count:,}, µs", f"{asked:.2f}")


# ---- racing -------------------------------------------------------------------------------------


def racer(user_id: str, token: str, given: set[bytes]) -> Script:
    """Refresh once; `given` gets the successor."""
    answer = yield post(REFRESH, Cookie=f"refresh_token={token}")
    require_grant(answer, "refreshToken", user_id)
    given.add(answer.cookie)


def racing(effort: Effort, sites: dict[str, Site]) -> Iterator[Row]:
    """How long the racing refreshes of one token take until the last is answered."""
    times: dict[str, list[float]] = {name: [] for name in sites}
    for number in range(-effort.warm_ups, 2 * effort.rounds):
        for name, site in sites.items():
            ((session, token),) = site.open_sessions(1)
            given: set[bytes] = set()
            scripts = [racer(site.owner, token, given) for _ in range(effort.racers)]
            (outcome,) = drive(Traffic(site.settings.port, scripts))
            require(outcome.answers == effort.racers, f"{outcome.answers} answers")
            require(len(given) == 1, f"{len(given)} different successors")
            require(site.generation(session) == 1, "not one rotation")
            if number >= 0:
                times[name].append(max(outcome.latencies) * 1000)
    for name, found in times.items():
        what = f"{effort.racers} racing refreshes of one token, until the last answer, {name}, ms"
        yield Row(what, spread(found, ",.0f"))
