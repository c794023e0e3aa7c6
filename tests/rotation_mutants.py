"""The rotation rules with one of them taken out or turned: in each, the exploration has to find a
broken promise. The traces are in tests/features/test_rotation_model.py."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from gql_auth.features.sessions.rotation import Session, Verdict, judge
from tests.rotation_explorer import (
    a_replay_ends_the_session,
    an_end_is_an_end,
    one_successor,
    the_browser_stays,
)
from tests.rotation_rules import Judge, Row, Rules, rotated


def _instead(of: Verdict, then: Verdict | Callable[[bool], Verdict]) -> Judge:
    """The product's rule, but for one verdict another; a function is told whether it is within
    the race window."""

    def mutant(session: Session, presented: int, *, now: datetime, window: timedelta) -> Verdict:
        verdict = judge(session, presented, now=now, window=window)
        if verdict is not of:
            return verdict
        return then if isinstance(then, Verdict) else then(now - session.rotated_at <= window)

    return mutant


def _as_if(**columns: object) -> Judge:
    """The product's rule, blind to what a column of the row says."""

    def mutant(session: Session, presented: int, *, now: datetime, window: timedelta) -> Verdict:
        return judge(replace(session, **columns), presented, now=now, window=window)

    return mutant


def _without_end(session: Session, presented: int, *, now: datetime, window: timedelta) -> Verdict:
    """The race window never ends."""
    return judge(session, presented, now=now, window=timedelta.max)


def _raced(inside: bool) -> Verdict:
    """The race window alone decides."""
    return Verdict.RACED if inside else Verdict.REUSED


def _keeps_confirmed(row: Row, presented: int) -> Row:
    """A rotation does not reset `confirmed`."""
    return rotated(row, presented)._replace(confirmed=row.confirmed)


def _counts_up(row: Row, _presented: int) -> Row:
    """A rotation goes on from what the row says, not from the token."""
    return rotated(row, row.generation)


class Mutant(NamedTuple):
    """Rules, the promise that they break, and a shortest history that shows it."""

    rules: Rules
    promise: Callable[..., bool]
    trace: str


MUTANTS: dict[str, Mutant] = {
    "an ended session is not looked at": Mutant(
        Rules(_as_if(revoked_at=None)),
        an_end_is_an_end,
        """
        the thief presents 0: rotated -> 1
        the thief presents 1: rotated -> 2
        the thief presents 0: reused
        the thief presents 1: replayed -> 2
        """,
    ),
    "the newest token does not rotate": Mutant(
        Rules(_instead(Verdict.ROTATE, Verdict.REUSED)),
        the_browser_stays,
        """
        a tab sends 0
        the server takes 0: reused
        """,
    ),
    "no token is ahead": Mutant(
        Rules(_instead(Verdict.AHEAD, Verdict.REUSED)),
        the_browser_stays,
        """
        a tab sends 0
        the server takes 0: rotated -> 1
        the answer 1 arrives
        a tab sends 1
        the database falls back, commits lost: 1
        the server takes 1: reused
        """,
    ),
    "ahead counts up from the row": Mutant(
        Rules(rotated=_counts_up),
        one_successor,
        """
        the thief presents 0: rotated -> 1
        the database falls back, commits lost: 1
        the thief presents 1: ahead -> 1
        """,
    ),
    "a lost answer is not given again": Mutant(
        Rules(_instead(Verdict.REPLAY, _raced)),
        the_browser_stays,
        """
        a tab sends 0
        a tab sends 0
        the server takes 0: rotated -> 1
        the race window passes
        the server takes 0: reused
        """,
    ),
    "a lost answer is made anew": Mutant(
        Rules(_instead(Verdict.REPLAY, Verdict.ROTATE)),
        one_successor,
        """
        the thief presents 0: rotated -> 1
        the thief presents 0: rotated -> 1
        """,
    ),
    "no race window": Mutant(
        Rules(_instead(Verdict.RACED, Verdict.REUSED)),
        the_browser_stays,
        """
        a tab sends 0
        a tab sends 0
        the server takes 0: rotated -> 1
        the answer 1 arrives
        the browser is seen in use with 1
        the server takes 0: reused
        """,
    ),
    "the race window forks": Mutant(
        Rules(_instead(Verdict.RACED, Verdict.ROTATE)),
        one_successor,
        """
        the thief presents 0: rotated -> 1
        the thief is seen in use with 1
        the thief presents 0: rotated -> 1
        """,
    ),
    "the race window never ends": Mutant(
        Rules(_without_end),
        a_replay_ends_the_session,
        """
        the thief presents 0: rotated -> 1
        the thief is seen in use with 1
        the race window passes
        the thief presents 0: raced -> 1
        """,
    ),
    "the race window forgives any age": Mutant(
        Rules(_instead(Verdict.REUSED, _raced)),
        a_replay_ends_the_session,
        """
        the thief presents 0: rotated -> 1
        the thief presents 1: rotated -> 2
        the thief presents 0: raced -> 2
        """,
    ),
    "the predecessor is replayed for ever": Mutant(
        Rules(_as_if(confirmed=False)),
        a_replay_ends_the_session,
        """
        the thief presents 0: rotated -> 1
        the thief is seen in use with 1
        the race window passes
        the thief presents 0: replayed -> 1
        """,
    ),
    "no reuse is detected": Mutant(
        Rules(_instead(Verdict.REUSED, Verdict.RACED)),
        a_replay_ends_the_session,
        """
        the thief presents 0: rotated -> 1
        the thief presents 1: rotated -> 2
        the thief presents 0: raced -> 2
        """,
    ),
    "reuse is refused and ends nothing": Mutant(
        Rules(_instead(Verdict.REUSED, Verdict.REVOKED)),
        a_replay_ends_the_session,
        """
        the thief presents 0: rotated -> 1
        the thief presents 1: rotated -> 2
        the thief presents 0: revoked
        """,
    ),
    "a rotation leaves the successor confirmed": Mutant(
        Rules(rotated=_keeps_confirmed),
        the_browser_stays,
        """
        a tab sends 0
        the server takes 0: rotated -> 1
        the answer 1 arrives
        a tab sends 1
        a tab sends 1
        the browser is seen in use with 1
        the server takes 1: rotated -> 2
        the race window passes
        the server takes 1: reused
        """,
    ),
    "an older use confirms the newest": Mutant(
        Rules(confirms_newest_only=False),
        the_browser_stays,
        """
        a tab sends 0
        the server takes 0: rotated -> 1
        the answer 1 arrives
        a tab sends 1
        a tab sends 1
        the server takes 1: rotated -> 2
        the browser is seen in use with 1
        the race window passes
        the server takes 1: reused
        """,
    ),
    "the update is not conditional": Mutant(
        Rules(conditional=False),
        one_successor,
        """
        the thief presents 0: rotated -> 1
        the thief presents 0: rotated -> 1
        """,
    ),
}
