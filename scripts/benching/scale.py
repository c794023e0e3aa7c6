"""Part f: two workers beside one, and latency below saturation."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from scripts.benching.contenders import Contender
from scripts.benching.figures import Ratio, Section, spread
from scripts.benching.machine import SCALE_LOAD, SCALE_SERVER, on_cores
from scripts.benching.protected import APOLLO, LIMIT, MERCURIUS, OURS, Stage
from scripts.benching.scene import Scene

_CONNECTIONS: Final = 64
_LEVELS: Final = (50, 90)  # percent of saturation


def workers(scene: Scene) -> Iterator[Section]:
    """One worker on one core, two on two."""
    effort, site = scene.effort, scene.site
    shares: list[float] = []
    with ExitStack() as stack:
        both = stack.enter_context(site.serving(cores=SCALE_SERVER, workers=2))
        one = Contender("one worker on one core", scene.server, site, site.tokens)
        two = Contender("two workers on two cores", both, site, site.tokens)
        for each in (one, two):
            each.load(effort.seconds / 2, connections=_CONNECTIONS)
        for _ in range(effort.rounds):
            one.measure(effort.seconds, connections=_CONNECTIONS)
            before = both.cpu_by_process()
            with on_cores(SCALE_LOAD):
                two.measure(effort.seconds, connections=_CONNECTIONS)
            used = sorted(cpu - before.get(pid, 0) for pid, cpu in both.cpu_by_process().items())
            shares.append(100 * used[-2] / max(used[-1] + used[-2], 0.001))
    found = one.rounds, two.rounds
    section = Section("Workers", ("", *WORKER_COLUMNS), about=_WORKERS)
    for each, rounds in zip((one, two), found, strict=True):
        section.rows.append(
            (
                each.name,
                spread(rounds.rates, ",.0f"),
                spread(rounds.costs, ",.0f"),
                spread(rounds.load, ".0f"),
                spread(rounds.tails, ".1f"),
            )
        )
    section.rows.append(("share of the less busy worker, %", "", spread(shares, ".0f"), "", ""))
    measured = Ratio.between(
        "f.workers-measured", "two workers to one, load on the same cores",
        two.rounds.rates, one.rounds.rates,
    )  # fmt: skip
    corrected = Ratio(
        "f.workers", "two workers to one, without the load's share",
        [2 * a / b for a, b in zip(one.rounds.costs, two.rounds.costs, strict=True)], 1.8,
    )  # fmt: skip
    section.ratios += [corrected, measured]
    yield section


@dataclass(slots=True)
class _Level:
    rates: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)


def latencies(scene: Scene) -> Iterator[Section]:
    """Below saturation, whose rate is measured just before."""
    effort, found = scene.effort, dict[tuple[str, int], _Level]()
    with ExitStack() as stack:
        stage = Stage(scene, "latencies", stack)
        stage.bare()
        stage.ours()
        if scene.node:
            stage.peers(scene.node, only=(MERCURIUS, APOLLO))
        for each in stage.contenders.values():
            each.load(effort.seconds)  # warms up
        for _ in range(effort.rounds):
            for name, each in stage.contenders.items():
                saturation = each.load(effort.seconds / 2).rate
                for level in _LEVELS:
                    outcome = each.load(effort.seconds, saturation * level / 100)
                    into = found.setdefault((name, level), _Level())
                    into.rates.append(outcome.rate)
                    into.medians.append(1000 * outcome.percentile(50))
                    into.tails.append(1000 * outcome.percentile(99))
    columns = ("server", "of saturation, %", "requests/s", "median, ms", "99th percentile, ms")
    section = Section("Latency below saturation", columns, about=_LATENCIES)
    for (name, level), each in found.items():
        section.rows.append(
            (
                name,
                str(level),
                spread(each.rates, ",.0f"),
                spread(each.medians, ".2f"),
                spread(each.tails, ".2f"),
            )
        )
    for other in (LIMIT, MERCURIUS, APOLLO):
        for level in _LEVELS:
            if (other, level) in found:
                section.ratios.append(
                    Ratio.between(
                        f"f.tail-{level}-{other.split(',')[0].split()[0].lower()}",
                        f"99th percentile at {level} % of saturation, to {other}",
                        found[OURS, level].tails,
                        found[other, level].tails,
                        at_most=True,
                    )
                )
    yield section


WORKER_COLUMNS: Final = (
    "requests/s", "CPU time a request, µs", "load's core, %", "99th percentile, ms",
)  # fmt: skip
_WORKERS: Final = f"""\
{_CONNECTIONS} connections. On a machine of two cores the load runs on the cores of the two workers,
and takes of them what the table says; the ratio without its share is what CPU time a request
allows: twice as much, if a request costs no more with two workers. Both are told.
"""
_LATENCIES: Final = """\
Requests come at a steady rate, whether those before them are answered or not; latency counts from
when each was due. The rate is a share of what the same server answered just before as fast as it
could.
"""
