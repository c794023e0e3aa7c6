"""Measures the server on this machine, beside what bounds it and beside others, by turns.

Loopback only; the server has one core, the load the other. Every answer is checked: a wrong one
ends the run with its text and exit code 1.
"""

import argparse
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scripts.benching.asking import WrongAnswer
from scripts.benching.figures import FULL, QUICK, Effort, Section
from scripts.benching.machine import LOAD_CORE, SERVER_CORE, busy, on_cores
from scripts.benching.peers import NoPeers, install
from scripts.benching.protected import protected

PARTS: Final = "a"
QUIET: Final = 0.7  # load average past which figures are not worth publishing


class Options(NamedTuple):
    """What was asked for."""

    parts: str
    effort: Effort
    peers: bool
    write: bool


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
    parser.add_argument("--only", default=PARTS, metavar="PARTS", help="a: protected queries")
    given = parser.parse_args()
    parts = given.only.replace(",", "")
    if set(parts) - set(PARTS) or not parts:
        parser.error(f"--only takes some of {PARTS}")
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds takes 1 or more")
    effort = QUICK if given.quick else FULL
    effort = effort._replace(
        rounds=given.rounds or effort.rounds, seconds=given.seconds or effort.seconds
    )
    peers = not given.quick if given.peers is None else given.peers
    write = not given.quick and set(parts) == set(PARTS) and peers
    if write and busy() > QUIET:
        write = False
        print("others use this machine: the figures are shown, not recorded", file=sys.stderr)
    return Options(parts, effort, peers, write)


def measure(options: Options, folder: Path) -> Iterator[Section]:
    """Every part that was asked for."""
    node = install() if options.peers else None
    if "a" in options.parts:
        yield from protected(options.effort, folder, node)


def machine() -> str:
    """The class of machine and how busy it was; no date."""
    pinned = "pinned" if SERVER_CORE else "not pinned"
    cores = len(SERVER_CORE | LOAD_CORE)
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
    with tempfile.TemporaryDirectory(prefix="gql-auth-bench-") as folder, on_cores(LOAD_CORE):
        try:
            for section in measure(options, Path(folder)):
                show(section)
                sections.append(section)
        except WrongAnswer as wrong:
            print(f"wrong answer: {wrong}", file=sys.stderr)
            return 1
        except NoPeers as problem:
            print(f"{problem}\nwithout Node and npm: scripts/bench --no-peers", file=sys.stderr)
            return 2
    print(about)
    return 0


if __name__ == "__main__":
    sys.exit(main())
