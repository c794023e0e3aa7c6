"""The record of ratios, docs/performance.json, and what has become worse since."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from scripts.benching.figures import Ratio
from scripts.benching.machine import ROOT

RECORD: Final = ROOT / "docs" / "performance.json"
_WORSE: Final = 0.2  # of the recorded median

Recorded = Mapping[str, Mapping[str, Any]]


def recorded(path: Path = RECORD) -> Recorded:
    """The ratios of the last full run; empty where there was none."""
    if not path.exists():
        return {}
    found: Recorded = json.loads(path.read_text())["ratios"]
    return found


def write(ratios: Iterable[Ratio], path: Path = RECORD) -> None:
    """Keep these instead of what was there: nothing of the machine, no absolute figure."""
    told = {
        each.key: {
            "what": each.what,
            "median": round(each.median, 4),
            "low": round(min(each.values), 4),
            "high": round(max(each.values), 4),
            "target": each.target,
            "better": "lower" if each.at_most else "higher",
        }
        for each in ratios
    }
    path.write_text(json.dumps({"ratios": told}, indent=2, ensure_ascii=False) + "\n")


def regressions(ratios: Iterable[Ratio], before: Recorded) -> list[str]:
    """Those whose median is a fifth worse than the recorded one, a line each. One that is new has
    nothing to be worse than."""
    lines = []
    for each in ratios:
        if each.key not in before:
            continue
        was, now = before[each.key]["median"], each.median
        worse = now > was * (1 + _WORSE) if each.at_most else now < was * (1 - _WORSE)
        if worse:
            change = f", {100 * (now / was - 1):+.0f} %" if was else ""
            lines.append(f"{each.key}: {each.what}: was {was:.3f}, is {now:.3f}{change}")
    return lines
