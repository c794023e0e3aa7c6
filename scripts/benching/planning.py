"""Part b: a host application's own protected fields, compiled plans beside the executor."""

from collections.abc import Iterator
from typing import Final

from scripts.benching.figures import Effort, Ratio, Section, spread
from scripts.benching.plans import measure


def planning(effort: Effort) -> Iterator[Section]:
    """Operations a second of each case, in this process, plan and executor by turns."""
    columns = ("operation", "graphql-core's executor, a second", "plan, a second")
    section = Section("A host's own protected fields", columns, about=_ABOUT)
    for name, executors, plans in measure(effort.rounds, effort.seconds / 5):
        section.rows.append((name, spread(executors, ",.0f"), spread(plans, ",.0f")))
        key = "b." + "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
        section.ratios.append(
            Ratio.between(key, f"plan to executor: {name}", plans, executors, target=2.0)
        )
    yield section


_ABOUT: Final = """\
Of a host application's schema, within this process and without HTTP: the compiled plan of an
operation beside graphql-core's executor on the same parsed and validated document. Both answers
must be equal.
"""
