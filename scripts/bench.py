"""Measures the server on this machine, beside what bounds it, and writes docs/performance.md.

Loopback only; the server has one core, the load the other. Every answer is checked: a wrong one
ends the run with its text and exit code 1.
"""

import argparse
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench_load import WrongAnswer
from bench_parts import (
    CONNECTIONS,
    PACE,
    PACED_CONNECTIONS,
    Effort,
    Row,
    flooding,
    protected,
    starting,
)
from bench_refresh import growing, racing, refreshing, remembering
from bench_servers import LOAD_CORE, ROOT, SERVER_CORE, Site, fresh_database, on_core
from rich.console import Console
from rich.table import Table

from tests.postgres import StartError, _start

PAGE: Final = ROOT / "docs" / "performance.md"
FULL: Final = Effort(5, 1, 5.0, 12.0, users=200, racers=100, bcrypt_cost=12, many=1_000_000)
QUIET: Final = 0.7  # load average past which figures are not worth publishing
QUICK: Final = Effort(1, 0, 0.2, 0.4, users=20, racers=20, bcrypt_cost=10, many=2000)


class Options(NamedTuple):
    """What was asked for."""

    parts: str
    effort: Effort
    page: Path | None


def read_options() -> Options:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="check that all works; no figures")
    parser.add_argument("--rounds", type=int, help=f"rounds of each part (default {FULL.rounds})")
    parser.add_argument(
        "--only", default="a,b,c,d,e,f,g", metavar="PARTS",
        help="a protected queries, b refreshes, c racing refreshes, d start and memory, e login "
        "flood, f refreshes among a million sessions, g memory of ended sessions; say a,b for two "
        "of them. Only a full run on an idle machine writes the page",
    )  # fmt: skip
    given = parser.parse_args()
    parts = given.only.replace(",", "")
    if set(parts) - set("abcdefg") or not parts:
        parser.error("--only takes some of a to g")
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds takes 1 or more")
    effort = QUICK if given.quick else FULL
    page = None if given.quick or set(parts) != set("abcdefg") else PAGE
    if page and busy() > QUIET:
        page = None
        print("others use this machine: the figures are shown, the page is kept", file=sys.stderr)
    return Options(parts, effort._replace(rounds=given.rounds or effort.rounds), page)


def measure(options: Options, folder: Path) -> Iterator[Row]:
    """Every part that was asked for."""
    effort, parts = options.effort, options.parts
    prepared = partial(Site.prepared, bcrypt_cost=effort.bcrypt_cost, users=effort.users)
    site = prepared(folder / "sqlite")
    if "d" in parts:
        yield from starting(effort, site)
    with ExitStack() as stack:
        sites = {"SQLite": site}
        if set("bcf") & set(parts):
            with on_core(LOAD_CORE):  # PostgreSQL keeps off the server's core
                url = postgres(stack)
            if url:
                sites["PostgreSQL"] = prepared(folder / "postgresql", database_url=url)
        for each in sites.values():
            stack.enter_context(each.serving())
        measurements: dict[str, Callable[[], Iterator[Row]]] = {
            "a": lambda: protected(effort, site, folder),
            "b": lambda: refreshing(effort, sites),
            "c": lambda: racing(effort, sites),
            "e": lambda: flooding(effort, site),
            "f": lambda: growing(effort, sites),
            "g": lambda: remembering(effort),
        }
        for part, measurement in measurements.items():
            if part in parts:
                yield from measurement()


def postgres(stack: ExitStack) -> str:
    """A fresh database of the tests' PostgreSQL; empty where that cannot be had."""
    try:
        server = os.environ.get("GQL_AUTH_TEST_POSTGRES_URL") or _start(stack)
    except StartError as error:
        print(f"without PostgreSQL: {error}", file=sys.stderr)
        return ""
    return stack.enter_context(fresh_database(server))


_TEXT: Final = """\
# Performance

Written by `scripts/bench`; run it for the figures of your own machine. Absolute figures move by
half from machine to machine and from run to run; the ratios hold, because both sides of each were
measured by turns in the same run.

{machine}

| | median (range of the rounds) | ratio |
|---|---|---|
{rows}

Requests a second compare only where both servers got nearly all of their core (the rows say);
CPU time a request compares in any case.

Loopback only. One server process has one core; the load generator and PostgreSQL have another.
{effort.rounds} interleaved rounds of {effort.seconds:g} s (logins: {effort.flood_seconds:g} s;
races: {races} rounds). Every answer is compared with the right one; after each round of queries a
token with another token's signature is sent and must be refused; the database must have recorded
one rotation for each refresh, and one for each race.

- **Protected query**: `gql-auth serve` on SQLite, {connections} keep-alive connections, the
  tokens of {effort.users} accounts by turns; each request verifies its token and reads its
  account's row. The bare application, on the same uvicorn (httptools, uvloop), reads the body,
  parses it with orjson, checks an HS256 signature with hmac, looks the account up in a dict and
  answers with the same bytes: what the stack beneath allows.
- **Refreshes** on SQLite are durable (WAL, `synchronous=FULL`: each waits for the disk).
  PostgreSQL is the tests' own, in memory and without `fsync`.
- **Logins**: latency counts from when a request was due, at a steady {pace} requests a second
  over {paced} connections, so that a stall is charged to all whom it kept waiting.
"""


def busy() -> float:
    """The load average before anything is measured; 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def machine() -> str:
    """The class of machine and how busy it was; no date."""
    pinned = "pinned" if SERVER_CORE is not None else "not pinned"
    return (
        f"Measured on {platform.system()} ({platform.machine()}), {os.cpu_count()} cores "
        f"({pinned}), {platform.python_implementation()} {platform.python_version()}; load "
        f"average before the run {busy():.1f}."
    )


def report(options: Options, about: str, rows: Sequence[Row]) -> None:
    """A table on the terminal; the page, where it was asked for."""
    table = Table("", "median (range)", "ratio", title=about, title_style="", expand=True)
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    if options.page:
        text = _TEXT.format(
            machine=about,
            rows="\n".join(f"| {' | '.join(row)} |" for row in rows),
            effort=options.effort,
            races=2 * options.effort.rounds,
            connections=CONNECTIONS,
            pace=PACE,
            paced=PACED_CONNECTIONS,
        )
        options.page.parent.mkdir(exist_ok=True)
        options.page.write_text(text)


def _stop(*_: Any) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def main() -> int:
    """Measure and report."""
    options, about = read_options(), machine()
    signal.signal(signal.SIGTERM, _stop)  # so that our processes end with us
    with tempfile.TemporaryDirectory(prefix="gql-auth-bench-") as folder, on_core(LOAD_CORE):
        try:
            rows = list(measure(options, Path(folder)))
        except WrongAnswer as wrong:
            print(f"wrong answer: {wrong}", file=sys.stderr)
            return 1
    report(options, about, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
