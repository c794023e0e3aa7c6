"""docs/performance.md and its picture, made of what was measured."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from scripts.benching.figures import FULL, Effort, Section
from scripts.benching.machine import ROOT

PAGE: Final = ROOT / "docs" / "performance.md"
PICTURE: Final = ROOT / "docs" / "pictures" / "performance.svg"

_HEAD: Final = """\
# Performance

Written by `scripts/bench`; run it for the figures of your own machine. Absolute figures move by
half from machine to machine and from run to run; the ratios hold, because both sides of each were
measured by turns in the same run. `scripts/bench --compare` tells which ratios have become worse by
a fifth since.

{machine}

![Requests a second of the protected query, by server](pictures/performance.svg)

## Targets

| ratio | median (range of the rounds) | target | met |
|---|---|---|---|
{ratios}

Requests a second compare only where both servers had their core at least nine tenths of the time;
where one had not, CPU time a request is compared instead, and the line says so.

Loopback only. One server process has one core; the load generator has another, and PostgreSQL with
it. {effort.rounds} interleaved rounds of {effort.seconds:g} s. Every answer is compared with the
right one, byte by byte where it can be known; after each round of queries a token with another
token's signature is sent to each server and must be refused.
"""


def write(
    machine: str,
    sections: Sequence[Section],
    effort: Effort = FULL,
    page: Path = PAGE,
    picture: Path = PICTURE,
) -> None:
    """Write both anew."""
    ratios = [ratio for section in sections for ratio in section.ratios]
    parts = [
        _HEAD.format(
            machine=machine,
            effort=effort,
            ratios="\n".join(f"| {' | '.join(ratio.row())} |" for ratio in ratios),
        )
    ]
    for section in sections:
        lines = [section.columns, ["---"] * len(section.columns), *section.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"\n## {section.title}\n\n{section.about}\n{table}\n")
    page.write_text("".join(parts).replace("\n\n\n", "\n\n"))
    bars = next((each.bars for each in sections if each.bars), {})
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(drawn(bars))


_WIDTH, _LEFT, _ROW, _TOP = 760, 280, 30, 46  # pixels
_STYLE: Final = """\
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; font-size: 14px; }
.quiet { fill: #57606a; }
.other { fill: #afb8c1; }
.ours { fill: #1a7f37; }
.limit { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9198a1; }
  .other { fill: #57606a; }
  .ours { fill: #3fb950; }
  .limit { fill: #4493f8; }
}
"""


def drawn(bars: Mapping[str, float]) -> str:
    """A bar for each server, the quickest first, as SVG with no background: it is read on a light
    page and on a dark one."""
    ordered = sorted(bars.items(), key=lambda bar: -bar[1])
    most = max(bars.values(), default=1.0)
    room = _WIDTH - _LEFT - 130
    height = _TOP + _ROW * len(ordered) + 8
    title = "Protected query on one core, requests a second and part of the ASGI limit"
    limit = bars.get("bare ASGI application", most)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>\n{_STYLE}</style>",
        f'<text class="title" x="8" y="22">{escape(title)}</text>',
    ]
    for number, (name, rate) in enumerate(ordered):
        top, wide = _TOP + _ROW * number, max(room * rate / most, 1)
        kind = "limit" if name.startswith("bare") else "other"
        kind = "ours" if name.startswith("gql-auth") else kind
        lines += [
            f'<text x="{_LEFT - 10}" y="{top + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{wide:.1f}" height="20" rx="2"/>',
            f'<text class="quiet" x="{_LEFT + wide + 8:.1f}" y="{top + 14}">'
            f"{rate:,.0f} · {rate / limit:.2f}</text>",
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
