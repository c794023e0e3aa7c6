"""The rotation machine explored whole within a bound: every history of three tabs, a thief, a
network, a server that dies and a database that falls back; see tests/rotation_model.py.

`scripts/soak` explores further.
"""

import sys
from datetime import datetime, timedelta
from inspect import cleandoc
from itertools import product
from typing import Any

import pytest
from sqlmodel import update

from gql_auth.app import GraphQLAuth
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.refusals import RefreshRejected
from gql_auth.features.sessions.rotation import Session, Verdict, judge
from gql_auth.features.sessions.tables import SessionRow
from gql_auth.features.tokens.core import RefreshClaims
from gql_auth.features.users.core import Users
from gql_auth.features.users.naming import checked_profile
from gql_auth.kernel.caller import Client
from gql_auth.kernel.settings import Settings
from tests import rotation_explorer as promises
from tests import rotation_model as model
from tests.database import only_session, tamper
from tests.rotation_explorer import explore
from tests.rotation_model import Bounds
from tests.rotation_mutants import MUTANTS
from tests.rotation_rules import AGES, GONE, WINDOW, Row, Rules
from tests.support import SettableClock

BOUNDS = Bounds(generations=3, tabs=3, falls=1)

# ---------------------------------------------------------------- the product's rules


def _everything() -> set[tuple[str, Verdict | None]]:
    """Every kind of step, with every verdict that it can have."""
    kinds: set[tuple[str, Verdict | None]] = {
        (model.SENDS, None),
        (model.DIES_BEFORE, None),
        (model.ARRIVES, None),
        (model.DOUBLED, None),
        (model.LOST, None),
        (model.DELETED, None),
        (model.DELETED_TWICE, None),
        (model.NOT_DELETED, None),
        (model.SEEN, None),
        (model.STOLEN_SEEN, None),
        (model.WINDOW_ENDS, None),
        (model.FALLS_BACK, None),
    }
    for served, dies in (
        (model.SERVED, model.DIES_AFTER),
        (model.STOLEN, model.STOLEN_DIES),
    ):
        kinds |= {(served, verdict) for verdict in Verdict}
        kinds |= {(dies, each) for each in (Verdict.ROTATE, Verdict.AHEAD, Verdict.REUSED)}
    return kinds


def test_the_rules_keep_their_promises() -> None:
    """In every state that three tabs and a thief can reach, an honest browser stays signed in, a
    replay ends the session, a generation has one live successor and an ended session stays so.
    The rule is the server's, and every kind of step was taken, with every verdict."""
    rules = Rules()
    found = explore(rules, BOUNDS)
    sys.stdout.write(f"The rotation machine: {found}")  # pytest -rP shows it
    assert rules.judge is judge
    assert found.broken == {}
    assert found.met == _everything()
    assert found.states > 200_000
    assert found.transitions > 3_000_000


def test_a_client_with_one_refresh_in_flight_is_never_logged_out() -> None:
    """A browser whose tabs have one refresh under way between them (Web Locks) is never logged
    out unless a thief has used a token, without any exception: whatever is lost or doubled,
    whenever the server dies, whatever two failovers forget."""
    found = explore(
        Rules(), Bounds(generations=4, tabs=1, falls=2), (promises.only_a_thief_logs_out,), ()
    )
    sys.stdout.write(f"One refresh in flight: {found}")
    assert found.broken == {}
    assert found.states > 30_000


# ---------------------------------------------------------------- each rule taken out


@pytest.mark.parametrize("name", MUTANTS)
def test_a_rule_taken_out_breaks_a_promise(name: str) -> None:
    """Without the rule the exploration finds a history that breaks a promise, and it is this."""
    mutant = MUTANTS[name]
    found = explore(mutant.rules, BOUNDS, to_the_first=True)
    assert found.broken[mutant.promise.__name__] == cleandoc(mutant.trace).splitlines()


# ---------------------------------------------------------------- what is not promised

# Within moments: nothing is under way for as long as the race window, no database falls back.
PROMPT = Bounds(generations=2, tabs=3, falls=0, prompt=True)
FAILOVER = Bounds(generations=2, tabs=3, falls=1)
TOO_MUCH = (
    (
        PROMPT,
        promises.no_request_is_overtaken_twice,
        """
        a tab sends 0
        a tab sends 0
        the server takes 0: rotated -> 1
        the answer 1 arrives
        a tab sends 1
        the server takes 1: rotated -> 2
        the server takes 0: reused
        """,
    ),
    (
        PROMPT,
        promises.no_lost_answer_meets_a_race,
        """
        a tab sends 0
        the server takes 0 and dies after its commit: rotated
        the race window passes
        a tab sends 0
        a tab sends 0
        the server takes 0: replayed -> 1
        the answer 1 arrives
        the browser is seen in use with 1
        the server takes 0: reused
        """,
    ),
    (
        PROMPT,
        promises.no_answer_puts_the_jar_back,
        """
        a tab sends 0
        the server takes 0: rotated -> 1
        the answer 1 arrives, its double is still under way
        a tab sends 1
        the server takes 1: rotated -> 2
        the answer 2 arrives
        the answer 1 arrives
        the browser is seen in use with 2
        the race window passes
        a tab sends 1
        the server takes 1: reused
        """,
    ),
    (
        PROMPT,
        promises.a_replay_in_the_window_ends_the_session,
        """
        a tab sends 0
        the server takes 0: rotated -> 1
        the answer 1 arrives
        the browser is seen in use with 1
        the thief presents 0: raced -> 1
        """,
    ),
    (
        FAILOVER,
        promises.what_was_seen_stays_seen,
        """
        a tab sends 0
        the server takes 0: rotated -> 1
        the answer 1 arrives
        a tab sends 1
        the server takes 1: rotated -> 2
        the answer 2 arrives
        the database falls back, commits lost: 1
        the thief presents 0: replayed -> 1
        """,
    ),
    (
        FAILOVER,
        promises.a_generation_has_one_token,
        """
        the thief presents 0: rotated -> 1
        the database falls back, commits lost: 1
        the thief presents 0: rotated -> 1
        """,
    ),
)


@pytest.mark.parametrize(
    ("bounds", "claim", "trace"), TOO_MUCH, ids=[claim.__name__ for _, claim, _ in TOO_MUCH]
)
def test_more_cannot_be_promised(bounds: Bounds, claim: promises.OfStep, trace: str) -> None:
    """What plain words would claim beyond the promises is not true of the rules, and this is the
    shortest history that shows it."""
    found = explore(Rules(), bounds, of_steps=(claim,), to_the_first=True)
    assert found.broken == {claim.__name__: cleandoc(trace).splitlines()}


# ---------------------------------------------------------------- the model is the product


def _put(settings: Settings, row: Row, now: datetime) -> None:
    """Make the one session's row say what the model's does."""
    columns: dict[str, Any] = {
        "generation": row.generation,
        "confirmed": row.confirmed,
        "rotated_at": now - AGES[row.inside],
        "revoked_at": now if row.revoked else None,
        "end_reason": "logout" if row.revoked else None,
    }
    assert tamper(settings, update(SessionRow).values(columns)) == 1


def _got(settings: Settings, now: datetime) -> Row:
    """The one session's row as the model has it; what `used` stands for, it does not say."""
    row = only_session(settings)
    inside = now - row.rotated_at <= WINDOW
    return Row(row.generation, row.confirmed, row.revoked_at is not None, inside, used=False)


@pytest.fixture
async def opened(auth: GraphQLAuth) -> Session:
    """The one session of an account; nothing in the background confirms it."""
    profile, _ = checked_profile(email="ada@example.com", username=None, name=None)
    async with auth.system.units.write() as unit:
        user = await unit.get(Users).create(profile)
        return await unit.get(Sessions).open(user.id, Client())


async def test_the_model_serves_what_the_server_serves(
    auth: GraphQLAuth, clock: SettableClock, opened: Session
) -> None:
    """For every row and every token that an exploration meets, the server on its database
    answers, writes and refuses as the model says."""
    rules, now = Rules(), clock.now()
    explore(rules, Bounds(generations=3, tabs=1, falls=1))
    asked = {(row._replace(used=False), presented) for row, presented in rules.asked}
    assert len(asked) > 50
    for row, presented in sorted(asked):
        ((_, committed, answer),) = rules.serve(row, presented)
        _put(auth.settings, row, now)
        claims = RefreshClaims(opened.id, presented, now, now + timedelta(days=1))
        try:
            async with auth.system.units.write() as unit:
                session = await unit.get(Sessions).refresh(claims, Client())
                given = session.generation
        except RefreshRejected as refused:
            given = GONE if refused.session_has_ended else None
        assert (given, _got(auth.settings, now)) == (answer, committed or row), (row, presented)


async def test_the_model_confirms_what_the_server_confirms(
    auth: GraphQLAuth, clock: SettableClock, opened: Session
) -> None:
    """A use is written where its generation is still the newest, and nowhere else."""
    for generation, seen, confirmed in product(range(3), range(1, 4), (False, True)):
        row = Row(generation, confirmed, revoked=False, inside=True, used=False)
        _put(auth.settings, row, clock.now())
        async with auth.system.units.write() as unit:
            await unit.get(Sessions).confirm({opened.id: seen})
        after = row._replace(confirmed=confirmed or seen == generation)
        assert _got(auth.settings, clock.now()) == after
