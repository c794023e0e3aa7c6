"""Explores the rotation machine (`tests.rotation_model`) whole, breadth first, and holds every
state and every step against promises, so that what it finds comes with a shortest trace.

The promises are the strongest readings that are true of the rules; their docstrings say what they
leave out. What plain words would claim beyond them stands here too, and the exploration finds the
history that breaks it: tests/features/test_rotation_model.py has them all.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gql_auth.features.sessions.rotation import Verdict
from tests.rotation_model import (
    NOBODY,
    SERVED,
    START,
    STOLEN,
    STOLEN_DIES,
    THIEF,
    Bounds,
    Step,
    World,
    steps,
)
from tests.rotation_rules import GONE, NO_TOKEN, Rules

OfState = Callable[[World], bool]
OfStep = Callable[[World, Step, World], bool]

# ------------------------------------------------------------ the promises


def the_browser_stays(world: World) -> bool:
    """The honest browser is never logged out (its session ended, or its cookie deleted) unless a
    thief has used a token: whatever answers are lost, doubled, late, and however late, whenever
    the server dies or the database falls back, and however many tabs race.

    One thing is excepted, because the server cannot tell it from a thief: the browser presents a
    token although it has received a newer one, since the request was overtaken or a late answer
    put the jar back. One rotation within the race window is forgiven even then; two rotations, or
    one that is longer ago, are not. How that comes about, three claims below show.
    """
    return world.blame != NOBODY or not _logged_out(world)


def only_a_thief_logs_out(world: World) -> bool:
    """The honest browser is never logged out unless a thief has used a token; nothing excepted.
    True of a browser that has one refresh under way at a time, and of no other."""
    return world.blame == THIEF or not _logged_out(world)


def a_replay_ends_the_session(before: World, step: Step, after: World) -> bool:
    """A thief who presents a token whose successor was seen in use ends the session: the newest
    token but one after the race window, anything older at any time.

    Seen is what the database knows: a use that is not yet written, or that it forgot, is not.
    Whose use it was makes no difference. Within the window he gets what the browser has.
    """
    if step.what not in {STOLEN, STOLEN_DIES}:
        return True
    row = before.row
    behind = row.generation - step.generation
    found_out = behind >= 2 or (behind == 1 and row.used and not row.inside)
    return after.row.revoked or not found_out


def one_successor(before: World, step: Step, after: World) -> bool:
    """At most one live successor per generation: a rotation leads to a generation that is new to
    the database, and an answer bears the row's generation, which follows the presented one. The
    row makes the token, so two holders of one generation never get two successors.

    A database that has forgotten a generation may make it again, with another time in the token.
    Both are then honoured as one generation, and lead to one successor.
    """
    follows = step.answer == after.row.generation == step.generation + 1
    forward = after.row.generation > before.row.generation
    return (follows or step.answer in NO_TOKEN) and (forward or not _rotates(before, step))


def an_end_is_an_end(before: World, step: Step, after: World) -> bool:
    """A session that has ended yields no token and does not come back, unless the database
    forgets its end."""
    return not before.row.revoked or (after.row.revoked and step.answer in NO_TOKEN)


OF_STATES: tuple[OfState, ...] = (the_browser_stays,)
OF_STEPS: tuple[OfStep, ...] = (a_replay_ends_the_session, one_successor, an_end_is_an_end)

# ------------------------------------------------------------ what would be too much


def no_request_is_overtaken_twice(before: World, step: Step, after: World) -> bool:
    """A request that two rotations overtook within moments does not log the browser out."""
    return not (_logs_out(before, step) and before.row.generation - step.generation >= 2)


def no_lost_answer_meets_a_race(before: World, step: Step, after: World) -> bool:
    """A request that one rotation overtook does not log the browser out, if its answer had been
    lost and was given to another tab a moment ago."""
    behind = before.row.generation - step.generation
    return not (_logs_out(before, step) and behind == 1 and before.jar > step.generation)


def no_answer_puts_the_jar_back(before: World, step: Step, after: World) -> bool:
    """A request with the token that is in the jar does not log the browser out."""
    return not (_logs_out(before, step) and before.jar == step.generation)


def a_replay_in_the_window_ends_the_session(before: World, step: Step, after: World) -> bool:
    """A thief who presents a token whose successor the browser uses ends the session at once."""
    newest = before.row.generation
    outgrown = before.row.used and before.received >> newest & 1 and step.generation < newest
    return step.what != STOLEN or not outgrown or after.row.revoked


def what_was_seen_stays_seen(before: World, step: Step, after: World) -> bool:
    """A thief who presents a token of two generations ago ends the session, even if the database
    has forgotten them."""
    outgrown = before.received >> (step.generation + 2)
    return step.what != STOLEN or not outgrown or after.row.revoked


def a_generation_has_one_token(before: World, step: Step, after: World) -> bool:
    """A generation has one token, even if the database has forgotten it."""
    return not (_rotates(before, step) and before.issued >> after.row.generation & 1)


def _logged_out(world: World) -> bool:
    return world.row.revoked or world.jar == GONE


def _logs_out(before: World, step: Step) -> bool:
    honest = before.blame != THIEF and step.what == SERVED
    return honest and step.verdict is Verdict.REUSED


def _rotates(before: World, step: Step) -> bool:
    return step.verdict in {Verdict.ROTATE, Verdict.AHEAD} and not before.row.revoked


# ------------------------------------------------------------ the exploration


@dataclass
class Exploration:
    """What was found."""

    states: int = 1
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    met: set[tuple[str, Verdict | None]] = field(default_factory=set)
    broken: dict[str, list[str]] = field(default_factory=dict)
    """Of each promise that was broken a shortest trace."""

    def __str__(self) -> str:
        return (
            f"{self.states:,} states, {self.transitions:,} transitions, "
            f"{self.depth} deep, {self.seconds:.1f} s"
        )


def explore(
    rules: Rules,
    bounds: Bounds,
    of_states: tuple[OfState, ...] = OF_STATES,
    of_steps: tuple[OfStep, ...] = OF_STEPS,
    *,
    to_the_first: bool = False,
) -> Exploration:
    """Everything that can happen within the bounds, or up to the first broken promise."""
    began = time.perf_counter()
    found = Exploration()
    came_from: dict[World, tuple[World, Step] | None] = {START: None}
    met: set[Step] = set()
    frontier = [START]
    while frontier and not (to_the_first and found.broken):
        reached: list[World] = []
        for world in frontier:
            moves = steps(world, rules, bounds)
            found.transitions += len(moves)
            for step, after in moves:
                met.add(step)
                if step.verdict is not None:
                    for promise in of_steps:
                        if promise.__name__ not in found.broken and not promise(world, step, after):
                            found.broken[promise.__name__] = _trace(came_from, world, step)
                if after in came_from:
                    continue
                came_from[after] = (world, step)
                reached.append(after)
                for each in of_states:
                    if each.__name__ not in found.broken and not each(after):
                        found.broken[each.__name__] = _trace(came_from, world, step)
        frontier = reached
        found.depth += bool(reached)
    found.states = len(came_from)
    found.met = {(step.what, step.verdict) for step in met}
    found.seconds = time.perf_counter() - began
    return found


def _trace(
    came_from: dict[World, tuple[World, Step] | None], world: World, last: Step
) -> list[str]:
    """The steps from the beginning to a world, and one more."""
    taken = [str(last)]
    while (link := came_from[world]) is not None:
        world, step = link
        taken.append(str(step))
    return taken[::-1]
