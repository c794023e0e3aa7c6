"""What the rotation machine's server does with a token (`tests.rotation_model`).

The verdict is `judge`'s, the function that the server runs. What a verdict does to the row is said
here after `Sessions.refresh` and `SqlSessions`; a test holds it against them. Everything can be
exchanged, so that a rule taken out shows which promise it keeps (`tests.rotation_mutants`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from gql_auth.features.sessions.rotation import Session, Verdict, judge
from gql_auth.kernel.caller import Client

Judge = Callable[..., Verdict]

WINDOW = timedelta(seconds=10)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AGES = {True: WINDOW, False: WINDOW + timedelta(microseconds=1)}
_SESSION = partial(
    Session,
    id=UUID(int=1),
    user_id=UUID(int=2),
    created_at=NOW - timedelta(days=1),
    expires_at=NOW + timedelta(days=1),
    client=Client(),
)

GONE = -1  # the jar is empty
NO_TOKEN = frozenset((None, GONE))  # answers that hand none out


class Row(NamedTuple):
    """The session's row; `inside` the race window of its rotation."""

    generation: int
    confirmed: bool
    revoked: bool
    inside: bool
    used: bool
    """What `confirmed` is to be, by the contract: the newest generation was seen in use."""


Outcome = tuple[Verdict, Row | None, int | None]
"""The verdict, what is committed (None: nothing) and what is answered: a generation, GONE for a
refusal that deletes the cookie, None for SERVICE_UNAVAILABLE."""


def rotated(row: Row, presented: int) -> Row:
    """The row after ROTATE and AHEAD."""
    return Row(presented + 1, confirmed=False, revoked=False, inside=True, used=False)


@dataclass(eq=False)
class Rules:
    """What the server does. The defaults are the product's."""

    judge: Judge = judge
    rotated: Callable[[Row, int], Row] = rotated
    confirms_newest_only: bool = True
    conditional: bool = True

    def __post_init__(self) -> None:
        self.asked: dict[tuple[Row, int], list[Outcome]] = {}

    def serve(self, row: Row, presented: int) -> list[Outcome]:
        """The one outcome that there is."""
        known = self.asked.get((row, presented))
        if known is None:
            known = self.asked[row, presented] = [self._serve(row, presented)]
        return known

    def _serve(self, row: Row, presented: int) -> Outcome:
        session = _SESSION(
            generation=row.generation,
            rotated_at=NOW - AGES[row.inside],
            confirmed=row.confirmed,
            revoked_at=NOW if row.revoked else None,
            end_reason="logout" if row.revoked else None,
        )
        verdict = self.judge(session, presented, now=NOW, window=WINDOW)
        if verdict is Verdict.REVOKED:
            return verdict, None, GONE
        if verdict in {Verdict.REPLAY, Verdict.RACED}:
            return verdict, None, row.generation
        if verdict is Verdict.REUSED:
            return verdict, None if row.revoked else row._replace(revoked=True), GONE
        if row.revoked:  # the conditional update finds no row, however often it is tried
            return verdict, None, None
        after = self.rotated(row, presented)
        return verdict, after, after.generation
