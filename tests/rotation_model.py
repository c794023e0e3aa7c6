"""The rotation machine in small, explored whole: every history within a bound, not a sample.

One browser with three tabs and one cookie jar, a thief, a network, a server and its database.
What the server does with a token is in `tests.rotation_rules`, and the promises in
`tests.rotation_explorer`.

What stands for what:

- A token is its generation. Two tokens of one generation exist where the database forgot the
  first; `judge` sees no difference, so nothing that follows can differ either.
- Time is inside or outside the race window of the row's rotation: the last instant inside and the
  first outside are what `judge` is asked with.
- A refresh is one step of the server: the update is conditional, and a loser reads the row again.
  `Rules.conditional` off is the server that acts on a row it read before the last commit.
- The confirmation of a use comes at any time after it, or never: "is seen" is the moment at which
  it is written, and nothing happens at the use itself.
- The thief has every token that was ever in the jar or in an answer, access tokens too, and needs
  no network. The first thing that he sends is what "has used a token" means.
- A tab that gives up loses its answer. So three messages at most are under way, and as tabs are
  alike they are kept sorted.

Not here: lifetimes (EXPIRED), sign-out, other sessions, and a database that forgets the sign-in.
"""

from functools import cache
from typing import NamedTuple

from gql_auth.features.sessions.rotation import Verdict
from tests.rotation_rules import GONE, NO_TOKEN, Outcome, Row, Rules

# Messages under way, as numbers: a request with generation g is g, an answer with it ANSWER + g.
ANSWER = 100
DELETION = 199  # an answer that deletes the cookie
# Why a session may have ended, besides the rules themselves.
NOBODY, NETWORK, THIEF = range(3)


class World(NamedTuple):
    """All that is, between two steps."""

    row: Row
    before: tuple[Row, ...]  # what the last commits, two at most, wrote over; newest first
    jar: int
    wire: tuple[int, ...]
    received: int  # generations that the browser ever had, as bits
    issued: int  # generations that were ever on the wire: the thief's pocket
    falls: int
    blame: int


class Step(NamedTuple):
    """What happens: who does what with which generation, and what the server makes of it."""

    what: str
    generation: int = 0
    verdict: Verdict | None = None
    answer: int | None = None

    def __str__(self) -> str:
        text = self.what.format(self.generation)
        if self.verdict is None:
            return text
        given = "" if self.answer in NO_TOKEN else f" -> {self.answer}"
        return f"{text}: {self.verdict}{given}"


SENDS = "a tab sends {}"
SERVED = "the server takes {}"
DIES_BEFORE = "the server takes {} and dies before its commit"
DIES_AFTER = "the server takes {} and dies after its commit"
ARRIVES = "the answer {} arrives"
DOUBLED = "the answer {} arrives, its double is still under way"
LOST = "the answer {} is lost"
DELETED = "the answer that deletes the cookie arrives"
DELETED_TWICE = "the answer that deletes the cookie arrives, its double is still under way"
NOT_DELETED = "the answer that deletes the cookie is lost"
SEEN = "the browser is seen in use with {}"
STOLEN = "the thief presents {}"
STOLEN_DIES = "the thief presents {}, the server dies after its commit"
STOLEN_SEEN = "the thief is seen in use with {}"
WINDOW_ENDS = "the race window passes"
FALLS_BACK = "the database falls back, commits lost: {}"

step = cache(Step)


class Bounds(NamedTuple):
    """How far the exploration goes; everything else is exhausted."""

    generations: int
    tabs: int
    falls: int
    prompt: bool = False  # nothing is under way for as long as the race window


Move = tuple[Step, World]
START = World(Row(0, False, False, True, False), (), 0, (), 1, 1, 0, NOBODY)


def steps(world: World, rules: Rules, bounds: Bounds) -> list[Move]:
    """All that may happen next."""
    moves = _browser(world, rules, bounds) + _thief(world, rules, bounds)
    row, before = world.row, world.before
    if (row.inside or any(each.inside for each in before)) and not (bounds.prompt and world.wire):
        outside = tuple(each._replace(inside=False) for each in before)
        moves.append(
            (step(WINDOW_ENDS), world._replace(row=row._replace(inside=False), before=outside))
        )
    if world.falls < bounds.falls:
        for back, old in enumerate(before, 1):
            fallen = world._replace(row=old, before=before[back:], falls=world.falls + 1)
            moves.append((step(FALLS_BACK, back), fallen))
    return moves


def _browser(world: World, rules: Rules, bounds: Bounds) -> list[Move]:
    moves: list[Move] = []
    row, before, jar, wire, received, *rest = world
    if jar != GONE and len(wire) < bounds.tabs:
        moves.append((step(SENDS, jar), World(row, before, jar, _with(wire, jar), received, *rest)))
    for message in sorted(set(wire)):
        left = _without(wire, message)
        lost = World(row, before, jar, left, received, *rest)
        if message == DELETION:
            moves.append((step(DELETED), World(row, before, GONE, left, received, *rest)))
            moves.append((step(DELETED_TWICE), World(row, before, GONE, wire, received, *rest)))
            moves.append((step(NOT_DELETED), lost))
        elif message >= ANSWER:
            given = message - ANSWER
            had = received | 1 << given
            moves.append((step(ARRIVES, given), World(row, before, given, left, had, *rest)))
            moves.append((step(DOUBLED, given), World(row, before, given, wire, had, *rest)))
            moves.append((step(LOST, given), lost))
        else:
            moves.append((step(DIES_BEFORE, message), lost))
            for verdict, committed, answer in _outcomes(world, message, rules):
                after = lost
                if committed is not None:
                    if committed.generation > bounds.generations:
                        continue
                    blame = _blamed(world, message) if committed.revoked else world.blame
                    after = _commit(lost, committed, blame)
                moves.append(
                    (step(SERVED, message, verdict, answer), _answered(after, left, answer))
                )
                if committed is not None:
                    moves.append((step(DIES_AFTER, message, verdict), after))
    return moves + _seen(world, rules, received, SEEN, world.blame)


def _thief(world: World, rules: Rules, bounds: Bounds) -> list[Move]:
    moves: list[Move] = []
    row, before, jar, wire, received, issued, falls, _ = world
    for presented in _generations(issued):
        for verdict, committed, answer in _outcomes(world, presented, rules):
            now, past = row, before
            if committed is not None:
                if committed.generation > bounds.generations:
                    continue
                now, past = committed, (row, *before[:1])
            got = issued if answer is None or answer == GONE else issued | 1 << answer
            after = World(now, past, jar, wire, received, got, falls, THIEF)
            moves.append((step(STOLEN, presented, verdict, answer), after))
            if committed is not None:
                after = World(now, past, jar, wire, received, issued, falls, THIEF)
                moves.append((step(STOLEN_DIES, presented, verdict), after))
    return moves + _seen(world, rules, issued, STOLEN_SEEN, THIEF)


def _seen(world: World, rules: Rules, held: int, what: str, blame: int) -> list[Move]:
    """An access token's use at a protected field is written. Generation 0's never is."""
    moves: list[Move] = []
    row = world.row
    for generation in _generations(held & ~1):
        newest = generation == row.generation
        if newest or not rules.confirms_newest_only:
            after = row._replace(confirmed=True, used=row.used or newest)
            if after != row:
                moves.append((step(what, generation), _commit(world, after, blame)))
    return moves


def _outcomes(world: World, presented: int, rules: Rules) -> list[Outcome]:
    """What the server may make of a token."""
    if rules.conditional or not world.before:
        return rules.serve(world.row, presented)
    return rules.serve(world.row, presented) + rules.serve(world.before[0], presented)


def _blamed(world: World, presented: int) -> int:
    """Whom an honest request that ends the session is put down to: the network, where it was
    overtaken too far. See `tests.rotation_explorer.the_browser_stays`."""
    outgrown = world.received >> (presented + 1)
    too_far = world.row.generation - presented >= 2 or not world.row.inside
    return NETWORK if world.blame == NOBODY and outgrown and too_far else world.blame


def _commit(world: World, committed: Row, blame: int) -> World:
    row, before, jar, wire, received, issued, falls, _ = world
    return World(committed, (row, *before[:1]), jar, wire, received, issued, falls, blame)


def _answered(world: World, left: tuple[int, ...], answer: int | None) -> World:
    if answer is None:
        return world
    row, before, jar, _, received, issued, falls, blame = world
    if answer == GONE:
        return World(row, before, jar, _with(left, DELETION), received, issued, falls, blame)
    wire = _with(left, ANSWER + answer)
    return World(row, before, jar, wire, received, issued | 1 << answer, falls, blame)


@cache
def _with(wire: tuple[int, ...], message: int) -> tuple[int, ...]:
    return tuple(sorted((*wire, message)))


@cache
def _without(wire: tuple[int, ...], message: int) -> tuple[int, ...]:
    at = wire.index(message)
    return wire[:at] + wire[at + 1 :]


@cache
def _generations(bits: int) -> tuple[int, ...]:
    return tuple(each for each in range(bits.bit_length()) if bits >> each & 1)
