"""Part c: refreshes over HTTP, beside what the databases allow, among few and many sessions."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from subprocess import run
from typing import Final

from scripts.benching.asking import Asking, Script, post, require
from scripts.benching.contenders import CONNECTIONS
from scripts.benching.figures import Effort, Ratio, Section, spread
from scripts.benching.filling import Held, fill, rotations
from scripts.benching.load import Traffic, drive
from scripts.benching.machine import ROOT, SERVER_CORE, Running, on_cores
from scripts.benching.servers import Site
from scripts.benching.signing_in import PAYLOAD, require_grant

REFRESH: Final = f"mutation {{ refreshToken {{ {PAYLOAD} }} }}"
_FEW: Final = 1000
_DRIVERS: Final = {"SQLite": ("sqlite3",), "PostgreSQL": ("psycopg", "asyncpg")}
_TARGETS: Final = {"sqlite3": 3.0, "psycopg": 0.8, "asyncpg": None}


def walking(held: Sequence[Held]) -> Script:
    """Refresh these sessions one after another, over and over, as their browsers would: each
    refresh presents what the one before it gave."""
    before, _, after = post(REFRESH, Cookie="*").partition(b"*")
    while True:
        for each in held:
            answer = yield Asking(b"%b%b%b" % (before, each.cookie, after))
            assert answer is not None
            require_grant(answer, "refreshToken", each.user_id)
            each.cookie = answer.cookie


class _Measured:
    """A server on a database with that many sessions, and what each round said."""

    def __init__(self, site: Site, server: Running, count: int, sample: int) -> None:
        self.site = site
        self.server = server
        held = fill(site, count, sample)
        self._shares = [held[number::CONNECTIONS] for number in range(CONNECTIONS)]
        self.rates: list[float] = []
        self.costs: list[float] = []
        self.medians: list[float] = []
        self.tails: list[float] = []

    def measure(self, seconds: float) -> None:
        """One round; the database must have recorded every rotation."""
        before, cpu = rotations(self.site), self.server.cpu_seconds
        scripts = [walking(share) for share in self._shares]
        (outcome,) = drive(Traffic(self.server.port, scripts, seconds))
        turned = rotations(self.site) - before
        require(turned == outcome.answers, f"{outcome.answers} answers, {turned} rotations")
        self.rates.append(outcome.rate)
        self.costs.append(1e6 * (self.server.cpu_seconds - cpu) / outcome.answers)
        self.medians.append(1000 * outcome.percentile(50))
        self.tails.append(1000 * outcome.percentile(99))

    def row(self, name: str) -> tuple[str, ...]:
        """For the report."""
        return (
            name,
            spread(self.rates, ",.0f"),
            spread(self.costs, ",.0f"),
            spread(self.medians, ".1f"),
            spread(self.tails, ".1f"),
        )


def bare_updates(site: Site, driver: str, seconds: float) -> float:
    """The conditional UPDATE of a refresh by the bare driver in a process of its own on the
    server's core, as durable as the server's, each in a transaction of its own; how many a
    second. On SQLite one after another, a disk's fsync each; on PostgreSQL 32 at once."""
    where = str(site.settings.data_dir / "gql_auth.sqlite3")
    if not site.settings.embedded:
        where = site.settings.database_url
    before = rotations(site)
    command = [sys.executable, "-m", "scripts.benching.updates", driver, where, str(seconds)]
    with on_cores(SERVER_CORE):
        done = run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    count, took = done.stdout.split()
    require(rotations(site) - before == int(count) > 0, f"{driver}: an UPDATE met no row")
    return int(count) / float(took)


def refreshing(effort: Effort, sites: Mapping[str, Sequence[Site]]) -> Iterator[Section]:
    """Refreshes a second.

    Args:
        sites: by the database's name, three: for the bare driver, few sessions, and many.
    """
    columns = ("refreshes", "a second", "CPU time, µs", "median, ms", "99th percentile, ms")
    section = Section("Refresh", columns, about=_ABOUT)
    with ExitStack() as stack:
        measured: dict[str, tuple[_Measured, _Measured]] = {}
        limits: dict[str, list[float]] = {}
        for name, (bare, few, many) in sites.items():
            fill(bare, _FEW, 0)
            limits |= {driver: [] for driver in _DRIVERS[name]}
            small, large = (
                _Measured(site, stack.enter_context(site.serving()), count, sample)
                for site, count, sample in ((few, _FEW, _FEW), (many, effort.many, _FEW * 20))
            )
            measured[name] = small, large
        yield _racing(effort, {name: pair[0] for name, pair in measured.items()})
        for number in range(-1, effort.rounds):
            for name, pair in measured.items():
                for driver in _DRIVERS[name]:
                    found = bare_updates(sites[name][0], driver, effort.seconds / 2)
                    limits[driver].append(found)
                for each in pair:
                    each.measure(effort.seconds)
            if number < 0:  # that was to warm up
                for found_so_far in limits.values():
                    found_so_far.clear()
                for pair in measured.values():
                    for each in pair:
                        each.rates.clear(), each.costs.clear()
                        each.medians.clear(), each.tails.clear()
    for name, (small, large) in measured.items():
        for driver in _DRIVERS[name]:
            what = f"{name}: bare conditional UPDATEs, {driver}"
            section.rows.append((what, spread(limits[driver], ",.0f"), "", "", ""))
        section.rows.append(small.row(f"{name}, {_FEW:,} sessions"))
        section.rows.append(large.row(f"{name}, {effort.many:,} sessions"))
        for driver in _DRIVERS[name]:
            section.ratios.append(
                Ratio.between(
                    f"c.{driver}",
                    f"refreshes, {name}, to bare UPDATEs by {driver}",
                    small.rates,
                    limits[driver],
                    target=_TARGETS[driver],
                )
            )
        section.ratios.append(
            Ratio.between(
                f"c.many-{name.lower()}",
                f"refreshes, {name}, {effort.many:,} sessions to {_FEW:,}",
                large.rates,
                small.rates,
                target=0.45,
            )
        )
    yield section


def _racing(effort: Effort, measured: Mapping[str, _Measured]) -> Section:
    """How long the racing refreshes of one token take until the last is answered."""
    title = f"{effort.racers} racing refreshes of one token"
    section = Section(title, ("database", "until the last answer, ms"))
    times: dict[str, list[float]] = {name: [] for name in measured}
    for number in range(-1, 2 * effort.rounds):
        for name, each in measured.items():
            ((session, token),) = each.site.open_sessions(1)
            given: set[bytes] = set()
            scripts = [_racer(each.site.owner, token, given) for _ in range(effort.racers)]
            (outcome,) = drive(Traffic(each.server.port, scripts))
            require(outcome.answers == effort.racers, f"{outcome.answers} answers")
            require(len(given) == 1, f"{len(given)} different successors")
            require(each.site.generation(session) == 1, "not one rotation")
            if number >= 0:
                times[name].append(max(outcome.latencies) * 1000)
    section.rows.extend((name, spread(found, ",.0f")) for name, found in times.items())
    return section


def _racer(user_id: str, token: str, given: set[bytes]) -> Script:
    answer = yield Asking(post(REFRESH, Cookie=f"refresh_token={token}"))
    assert answer is not None
    require_grant(answer, "refreshToken", user_id)
    given.add(answer.cookie)


_ABOUT: Final = f"""\
Over HTTP, {CONNECTIONS} connections, each presenting the newest refresh cookie of one session after
another: the token is verified, the session turned in the database, both tokens signed, the cookie
set. The database must have recorded one rotation for each answer. SQLite is durable (WAL,
`synchronous=FULL`); the bare loop commits one conditional UPDATE after another, with a wait for the
disk each. PostgreSQL is as it comes, durable too, on the load's core; the bare drivers have the
server's core to themselves and {CONNECTIONS} connections.
"""
