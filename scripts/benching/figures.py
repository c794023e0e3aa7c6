"""What comes out: figures with their range over the rounds, and ratios with their targets."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Effort(NamedTuple):
    """How long everything takes."""

    rounds: int
    seconds: float  # of one measurement
    flood_seconds: float
    users: int
    racers: int
    bcrypt_cost: int
    many: int  # sessions
    hour: int  # protected queries that stand for an hour


FULL = Effort(5, 3.0, 10.0, 1000, 100, 12, 1_000_000, 180_000)
QUICK = Effort(1, 0.1, 0.3, 20, 20, 10, 2000, 400)


def spread(values: Sequence[float], form: str) -> str:
    """The median and the range."""
    low, middle, high = (
        format(each, form) for each in (min(values), statistics.median(values), max(values))
    )
    return middle if low == high else f"{middle} ({low} to {high})"


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure against another, or against what it may be, round by round.

    Args:
        key: its name in the record.
        what: told in the report.
        target: what it should reach; None where nothing is asked.
        at_most: the target is an upper bound.
    """

    key: str
    what: str
    values: Sequence[float]
    target: float | None = None
    at_most: bool = False

    @classmethod
    def between(
        cls, key: str, what: str, upper: Sequence[float], lower: Sequence[float], **more: Any
    ) -> "Ratio":
        """Round by round."""
        return cls(key, what, [a / b for a, b in zip(upper, lower, strict=True)], **more)

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None where there is none."""
        if self.target is None:
            return None
        return self.median <= self.target if self.at_most else self.median >= self.target

    def row(self) -> tuple[str, str, str, str]:
        """For the table of all ratios."""
        bound = "" if self.target is None else f"{'≤' if self.at_most else '≥'} {self.target:g}"
        met = {None: "", True: "yes", False: "**no**"}[self.met]
        return self.what, spread(self.values, ".3f"), bound, met


@dataclass(slots=True)
class Section:
    """One part of the report: a table of figures, ratios, and what is to be known of them."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    about: str = ""
    bars: dict[str, float] = field(default_factory=dict)  # for the picture
