"""Measures the server on this machine, beside what bounds it and beside others, by turns.

Loopback only; the server has one core, the load the other. Every answer is checked: a wrong one
ends the run with its text and exit code 1.
"""

import argparse
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scripts.benching import page, record
from scripts.benching.asking import WrongAnswer
from scripts.benching.caching import caching
from scripts.benching.databases import kinds
from scripts.benching.figures import FULL, QUICK, Effort, Section
from scripts.benching.machine import ALL_CORES, LOAD_CORE, SERVER_CORE, busy, on_cores
from scripts.benching.peers import NoPeers, install
from scripts.benching.planning import planning
from scripts.benching.profile import profiled
from scripts.benching.protected import protected
from scripts.benching.refreshing import refreshing
from scripts.benching.scale import latencies, workers
from scripts.benching.scene import Scene
from scripts.benching.signing_in import signing_in
from scripts.benching.starting import starting

PARTS: Final = {
    "a": "protected queries", "b": "plans", "c": "refreshes", "d": "logins",
    "e": "start and memory", "f": "workers and latency", "g": "the token cache",
    "p": "profile",
}  # fmt: skip
QUIET: Final = 0.7  # load average past which figures are not worth publishing


class Options(NamedTuple):
    """What was asked for."""

    parts: str
    effort: Effort
    peers: bool
    write: bool
    compare: bool


def read_options() -> Options:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="check that all works; no figures")
    parser.add_argument("--rounds", type=int, help=f"rounds of each part (default {FULL.rounds})")
    parser.add_argument("--seconds", type=float, help=f"of one turn (default {FULL.seconds:g})")
    parser.add_argument(
        "--peers", action=argparse.BooleanOptionalAction, default=None,
        help="measure the servers on Node, too, from npm (default, unless quick)",
    )  # fmt: skip
    listed = ", ".join(f"{part} {what}" for part, what in PARTS.items())
    parser.add_argument(
        "--only", default="".join(PARTS), metavar="PARTS",
        help=f"{listed}; say a,b for two of them. Only a full run on an idle machine writes the "
        "page, its picture and the record",
    )  # fmt: skip
    parser.add_argument(
        "--profile", action="store_const", const="p", dest="only",
        help="where the time goes, and nothing else: the same as --only p",
    )  # fmt: skip
    parser.add_argument(
        "--compare", action="store_true",
        help="write nothing; say which ratios are a fifth worse than recorded, and fail if any is",
    )  # fmt: skip
    given = parser.parse_args()
    parts = given.only.replace(",", "")
    if set(parts) - set(PARTS) or not parts:
        parser.error(f"--only takes some of {''.join(PARTS)}")
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds takes 1 or more")
    effort = QUICK if given.quick else FULL
    full = not (given.quick or given.compare or given.seconds or set(parts) != set(PARTS))
    effort = effort._replace(
        rounds=given.rounds or effort.rounds, seconds=given.seconds or effort.seconds
    )
    peers = not given.quick if given.peers is None else given.peers
    write = full and peers and effort.rounds >= FULL.rounds
    if write and busy() > QUIET:
        write = False
        print("others use this machine: the figures are shown, not recorded", file=sys.stderr)
    return Options(parts, effort, peers, write, given.compare)


def measure(options: Options, folder: Path, stack: ExitStack) -> Iterator[Section]:
    """Every part that was asked for."""
    effort = options.effort
    scene = Scene(effort, folder, install() if options.peers else None, stack)

    def refreshes() -> Iterator[Section]:
        with ExitStack() as databases:
            made = kinds(effort, folder, databases)
            sites = {
                name: [make(f"{size}") for size in ("bare", "few", "many")]
                for name, make in made.items()
            }
            yield from refreshing(effort, sites)

    def scale() -> Iterator[Section]:
        yield from workers(scene)
        yield from latencies(scene)

    measurements: dict[str, Callable[[], Iterator[Section]]] = {
        "a": lambda: protected(scene),
        "b": lambda: planning(effort),
        "c": refreshes,
        "d": lambda: signing_in(scene),
        "e": lambda: starting(scene),
        "f": scale,
        "g": lambda: caching(scene),
        "p": lambda: profiled(scene),
    }
    for part, measurement in measurements.items():
        if part in options.parts:
            yield from measurement()


def machine() -> str:
    """The class of machine and how busy it was; no date."""
    pinned = "pinned" if SERVER_CORE else "not pinned"
    cores = len(ALL_CORES)
    return (
        f"Measured on {platform.system()} ({platform.machine()}), {cores} cores "
        f"({pinned}), {platform.python_implementation()} {platform.python_version()}; load "
        f"average before the run {busy():.1f}."
    )


def show(section: Section) -> None:
    """Its tables on the terminal."""
    console = Console(width=None if sys.stdout.isatty() else 150)
    for columns, rows in (
        (section.columns, section.rows),
        (("ratio", "median (range)", "target", "met"), [each.row() for each in section.ratios]),
    ):
        if not rows:
            continue
        table = Table(*columns, title=section.title, title_style="", expand=True)
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)


def _stop(*_: Any) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def main() -> int:
    """Measure and report."""
    options, about = read_options(), machine()
    signal.signal(signal.SIGTERM, _stop)  # so that our processes end with us
    sections: list[Section] = []
    with (
        tempfile.TemporaryDirectory(prefix="gql-auth-bench-") as folder,
        on_cores(LOAD_CORE),
        ExitStack() as stack,
    ):
        try:
            for section in measure(options, Path(folder), stack):
                show(section)
                sections.append(section)
        except WrongAnswer as wrong:
            print(f"wrong answer: {wrong}", file=sys.stderr)
            return 1
        except NoPeers as problem:
            print(f"{problem}\nwithout Node and npm: scripts/bench --no-peers", file=sys.stderr)
            return 2
    print(about)
    ratios = [ratio for section in sections for ratio in section.ratios]
    if options.write:
        page.write(about, sections, options.effort)
        record.write(ratios)
    if options.compare:
        worse = record.regressions(ratios, record.recorded())
        print("\n".join(worse) or "no ratio is a fifth worse than recorded")
        return 1 if worse else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
