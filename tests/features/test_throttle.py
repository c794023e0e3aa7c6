"""Throttles: how many attempts fit, when there is room again, and what is kept of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from typing import Any, cast
from uuid import UUID

import pytest
from sqlmodel import select

from gql_auth.app import GraphQLAuth
from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.throttle.core import Policy, Throttles, ThrottleStore, TooManyAttempts
from gql_auth.features.throttle.tables import KnownAddressRow, ThrottleRow
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.parsing import Rate, rate
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from tests.database import look
from tests.support import SettableClock

ADA, BOB = "email:ada@example.com", "email:bob@example.com"
HERE, THERE = Client("203.0.113.5"), Client("198.51.100.9")
MINUTE = timedelta(minutes=1)

Attempt = Callable[[Throttles], Awaitable[None]]


def login(account: str = ADA, client: Client = HERE) -> Attempt:
    """An attempt to sign in."""
    return partial(Throttles.login, account=account, client=client)


def logged_in(account: str = ADA, client: Client = HERE) -> Attempt:
    """The attempt was the right one."""
    return partial(Throttles.logged_in, tried=account, names=[account], client=client)


def refresh(last: datetime | None, session: int = 7) -> Attempt:
    """A refresh of a session that was refreshed last at an instant, or never."""
    return partial(Throttles.refresh, session_id=UUID(int=session), last=last, rotates=True)


def mail(recipient: str = "ada@example.com", client: Client = HERE) -> Attempt:
    """Somebody asks for a mail."""
    return partial(Throttles.mail, recipient=recipient, client=client)


def attempt(policy: Policy, number: int, last: datetime | None = None) -> Attempt:
    """One of many attempts that all meet in a bucket of this policy and in no other.

    Args:
        last: when a session was refreshed last; where it rested, its row tells of the first.
    """
    return {
        Policy.LOGIN_ACCOUNT_ADDRESS: login(),
        Policy.LOGIN_ADDRESS: login(f"email:{number}@example.com"),
        Policy.LOGIN_ACCOUNT: login(client=Client(f"198.51.{number // 256}.{number % 256}")),
        Policy.SIGNUP_ADDRESS: partial(Throttles.signup, client=HERE),
        Policy.REFRESH_SESSION: refresh(last if number else None),
        Policy.CHANGE_PASSWORD_SESSION: partial(Throttles.change_password, session_id=UUID(int=7)),
        Policy.MAIL_RECIPIENT: mail(client=Client(f"198.51.{number // 256}.{number % 256}")),
        Policy.MAIL_ADDRESS: mail(f"{number}@example.com"),
        Policy.MAIL_ACCOUNT: partial(Throttles.export, account=UUID(int=7)),
        Policy.LINK_ADDRESS: partial(Throttles.link, client=HERE),
    }[policy]


def made_of(store: ThrottleStore, clock: Clock, settings: Settings) -> Throttles:
    """Throttles of any settings on any store."""
    return Throttles(store, clock, MasterSecret(b"one"), settings, Telemetry())


async def refused(auth: GraphQLAuth, act: Attempt, settings: Settings | None = None) -> int:
    """The seconds that an attempt is told to wait; 0 where it is accepted, and counted.

    Args:
        settings: other limits than the system's own.
    """
    try:
        async with auth.system.units.write() as unit:
            throttles = unit.get(Throttles)
            if settings is not None:
                throttles = made_of(throttles._store, throttles._clock, settings)
            await act(throttles)
    except TooManyAttempts as refusal:
        return refusal.retry_after
    return 0


def buckets(settings: Settings) -> dict[bytes, int]:
    """Every bucket, and until when it is not empty."""
    return {bytes(row.key): row.full_until for row in look(settings, select(ThrottleRow))}


def known(settings: Settings) -> dict[bytes, datetime]:
    """Every address that is known, and when it was seen."""
    return {bytes(row.key): row.seen_at for row in look(settings, select(KnownAddressRow))}


@asynccontextmanager
async def another(settings: Settings, clock: SettableClock) -> AsyncIterator[GraphQLAuth]:
    """One more system on the same database."""
    made = GraphQLAuth(settings, clock=clock)
    async with made.running():
        yield made


# ------------------------------------------------------------------------ limits

# Of the defaults: how many fit at once, and the seconds until there is room for one more.
DEFAULTS = {
    Policy.LOGIN_ACCOUNT_ADDRESS: (10, 90),
    Policy.LOGIN_ADDRESS: (100, 9),
    Policy.LOGIN_ACCOUNT: (100, 36),
    Policy.SIGNUP_ADDRESS: (20, 180),
    Policy.REFRESH_SESSION: (300, 1),
    Policy.CHANGE_PASSWORD_SESSION: (10, 90),
    Policy.MAIL_RECIPIENT: (5, 720),
    Policy.MAIL_ADDRESS: (30, 120),
    Policy.MAIL_ACCOUNT: (10, 360),
    Policy.LINK_ADDRESS: (100, 36),
}


@pytest.mark.parametrize("policy", Policy)
async def test_the_last_accepted_and_the_first_refused(
    policy: Policy, auth: GraphQLAuth, clock: SettableClock
) -> None:
    """Of each policy exactly as many attempts fit at once as it says; what has drained is room
    for one more and no two, and after a whole period all of them fit again."""
    limit, wait = DEFAULTS[policy]
    default = policy.rate(auth.settings)
    assert default
    assert default.limit == limit
    for _ in range(2):
        began = clock.now()
        for number in range(limit):
            assert await refused(auth, attempt(policy, number, began)) == 0
        assert await refused(auth, attempt(policy, limit, began)) == wait
        clock.forward(seconds=wait)
        assert await refused(auth, attempt(policy, limit + 1, began)) == 0
        assert await refused(auth, attempt(policy, limit + 2, began)) == wait
        clock.instant += default.period


async def test_the_wait_is_true_to_the_second(auth: GraphQLAuth, clock: SettableClock) -> None:
    """Whoever waits as long as told is let in; a second earlier the answer is: one second."""
    rates = [rate(text) for text in ("10/15m", "7/1m", "3/1s", "1/1s", "1/7d", "7/3s", "1/90s")]
    for number, (each, offset) in enumerate(product(rates, [0, 0.4, 0.999999, 0.000001])):
        assert each
        limits = replace(auth.settings, throttle_signup_address=each)
        act = partial(Throttles.signup, client=Client(f"203.0.113.{number}"))
        for _ in range(each.limit):
            assert await refused(auth, act, limits) == 0
        clock.forward(seconds=offset)
        waits = 0
        for _ in range(each.limit + 2):
            if wait := await refused(auth, act, limits):
                clock.forward(seconds=wait - 1)
                assert await refused(auth, act, limits) == 1
                clock.forward(seconds=1)
                assert await refused(auth, act, limits) == 0
                waits += 1
        assert waits


async def test_of_several_full_buckets_the_longest_wait_is_told(
    auth: GraphQLAuth, clock: SettableClock
) -> None:
    """Whoever is told to wait finds room everywhere when the time is over."""
    limits = replace(
        auth.settings,
        throttle_login_account_address=Rate(2, 2 * MINUTE),
        throttle_login_address=Rate(2, 6 * MINUTE),
        throttle_login_account=Rate(2, 4 * MINUTE),
    )
    for _ in range(2):
        assert await refused(auth, login(), limits) == 0
    assert await refused(auth, login(), limits) == 180
    clock.forward(seconds=179)
    assert await refused(auth, login(), limits) == 1
    clock.forward(seconds=1)
    assert await refused(auth, login(), limits) == 0


async def test_refused_attempts_count_nowhere(auth: GraphQLAuth, clock: SettableClock) -> None:
    """A refused attempt leaves no drop in any bucket, makes none, and puts nothing off."""
    for _ in range(10):
        await refused(auth, login())
    for number in range(90):
        await refused(auth, attempt(Policy.LOGIN_ADDRESS, number))
    before = buckets(auth.settings)
    clock.forward(seconds=8)
    for number in range(50):
        assert await refused(auth, login()) == 82  # by account and address, and by address
        assert await refused(auth, login(f"email:new{number}@example.com")) == 1
    assert buckets(auth.settings) == before
    clock.forward(seconds=1)
    assert await refused(auth, login(BOB)) == 0
    clock.forward(seconds=81)
    assert await refused(auth, login()) == 0
    # What was refused here did not count against the account elsewhere: 11 of 100 are gone, and
    # of those 2 have drained.
    spent = [await refused(auth, attempt(Policy.LOGIN_ACCOUNT, each)) for each in range(92)]
    assert [bool(wait) for wait in spent] == [False] * 91 + [True]


async def test_buckets_are_apart(auth: GraphQLAuth, clock: SettableClock) -> None:
    """A full bucket is full for its own subject alone: not for another account, address, session
    or kind of name, and not for another policy that has the same subject."""
    for policy in (Policy.REFRESH_SESSION, Policy.CHANGE_PASSWORD_SESSION):
        for number in range(DEFAULTS[policy][0]):
            assert await refused(auth, attempt(policy, number, clock.now())) == 0
    assert await refused(auth, refresh(clock.now(), session=8)) == 0
    for _ in range(10):
        assert await refused(auth, login()) == 0
    assert await refused(auth, login()) == 90
    others = [BOB, "username:ada@example.com", "email:ada@example.com ", f"{ADA} {HERE.ip_address}"]
    for other in others:
        assert await refused(auth, login(other)) == 0
    assert await refused(auth, login(client=THERE)) == 0
    assert await refused(auth, login(client=Client(f"{HERE.ip_address}0"))) == 0
    for number in range(20):
        assert await refused(auth, attempt(Policy.SIGNUP_ADDRESS, number)) == 0


async def test_a_policy_that_is_off(auth: GraphQLAuth, clock: SettableClock) -> None:
    """What is off refuses nobody and writes nothing; the others go on."""
    free = replace(auth.settings, **{f"throttle_{policy.name.lower()}": None for policy in Policy})
    for policy in Policy:
        for number in range(DEFAULTS[policy][0] + 1):
            assert await refused(auth, attempt(policy, number, clock.now()), free) == 0
    assert await refused(auth, logged_in(), free) == 0
    assert not buckets(auth.settings)
    some = replace(auth.settings, throttle_login_account_address=None)
    waits = [await refused(auth, login(client=THERE), some) for _ in range(101)]
    assert waits == [0] * 100 + [36]


async def test_a_session_at_rest_costs_no_write(auth: GraphQLAuth, clock: SettableClock) -> None:
    """The first refresh of a session, and one after a whole period, write nothing here; from
    then on they count as the session's own row tells."""
    for last in (None, clock.now() - 5 * MINUTE, clock.now() - 500 * MINUTE):
        assert await refused(auth, refresh(last)) == 0
    assert not buckets(auth.settings)
    two = replace(auth.settings, throttle_refresh_session=Rate(2, 5 * MINUTE))
    last = clock.now() - 5 * MINUTE + timedelta(microseconds=1)
    waits = [await refused(auth, refresh(each), two) for each in (last, clock.now(), clock.now())]
    assert waits == [0, 0, 150]
    one = replace(auth.settings, throttle_refresh_session=Rate(1, 5 * MINUTE))
    assert await refused(auth, refresh(clock.now(), session=8), one) == 300
    assert await refused(auth, refresh(last, session=8), one) == 1
    assert await refused(auth, refresh(clock.now() - 5 * MINUTE, session=8), one) == 0


# ------------------------------------------------------------------------ success


async def test_success_gives_the_drop_back(auth: GraphQLAuth) -> None:
    """The right password is no failed attempt: it counts against no account, however often."""
    for _ in range(30):
        assert await refused(auth, login()) == 0
        assert await refused(auth, logged_in()) == 0
    for _ in range(10):
        assert await refused(auth, login()) == 0
    assert await refused(auth, login()) == 90
    change, changed = (
        partial(each, session_id=UUID(int=7))
        for each in (Throttles.change_password, Throttles.changed_password)
    )
    for _ in range(30):
        assert await refused(auth, change) == 0
        assert await refused(auth, changed) == 0
    waits = [await refused(auth, change) for _ in range(11)]
    assert waits == [0] * 10 + [90]


async def test_success_from_a_new_address_counts_against_no_account(auth: GraphQLAuth) -> None:
    """An owner on the move does not use up what the account has for strangers' guesses."""
    for number in range(150):
        here = Client(f"198.51.{number // 256}.{number % 256}")
        assert await refused(auth, login(client=here)) == 0
        assert await refused(auth, logged_in(client=here)) == 0
    waits = [
        await refused(auth, login(client=Client(f"192.0.2.{number}"))) for number in range(101)
    ]
    assert waits == [0] * 100 + [36]


async def test_success_counts_against_the_address(auth: GraphQLAuth) -> None:
    """Signing in to accounts of one's own buys a guesser no more guesses from an address."""
    for number in range(99):
        await refused(auth, login(f"email:{number}@example.com"))
    assert await refused(auth, login()) == 0
    assert await refused(auth, logged_in()) == 0
    assert await refused(auth, login(BOB)) == 9
    assert await refused(auth, login()) == 0


async def test_a_drop_that_is_given_back_late_is_no_credit(
    auth: GraphQLAuth, clock: SettableClock
) -> None:
    """A check that took so long that its drop has drained buys nothing more than an empty
    bucket."""
    assert await refused(auth, login()) == 0
    clock.forward(minutes=15)
    assert await refused(auth, logged_in()) == 0
    waits = [await refused(auth, login()) for _ in range(11)]
    assert waits == [0] * 10 + [90]


async def test_what_was_turned_away_is_undone(auth: GraphQLAuth, clock: SettableClock) -> None:
    """An attempt that was counted and then found no place to be checked is taken out of every
    bucket that it was put into, and of no other."""

    async def turned_away(throttles: Throttles, act: Attempt) -> None:
        await throttles.undo(await cast(Any, act(throttles)))

    acts = [login(), attempt(Policy.SIGNUP_ADDRESS, 0), attempt(Policy.CHANGE_PASSWORD_SESSION, 0)]
    for act in acts:
        for _ in range(150):
            assert await refused(auth, partial(turned_away, act=act)) == 0
    assert set(buckets(auth.settings).values()) == {clock.now().timestamp() * 1_000_000}
    await refused(auth, logged_in())
    for _ in range(150):
        assert await refused(auth, partial(turned_away, act=login())) == 0
    for number in range(100):
        assert await refused(auth, attempt(Policy.LOGIN_ADDRESS, number)) == 0
    assert await refused(auth, login(BOB)) == 9


# ------------------------------------------------------------------------ known addresses


async def test_strangers_do_not_fill_what_the_owner_has(
    auth: GraphQLAuth, clock: SettableClock
) -> None:
    """From an address that the account has signed in from, neither what strangers guess
    elsewhere nor what others guess on other accounts from there keeps it out."""
    assert await refused(auth, login()) == 0
    assert await refused(auth, logged_in()) == 0
    for number in range(100):
        assert await refused(auth, attempt(Policy.LOGIN_ACCOUNT, number)) == 0
        await refused(auth, attempt(Policy.LOGIN_ADDRESS, number))
    assert await refused(auth, login(client=THERE)) == 36
    assert await refused(auth, login(BOB)) == 9
    before = buckets(auth.settings)
    waits = [await refused(auth, login()) for _ in range(11)]
    assert waits == [0] * 10 + [90]
    assert len(buckets(auth.settings)) == len(before)  # one bucket alone was touched
    clock.forward(seconds=90)
    assert await refused(auth, login()) == 0


async def test_every_name_of_the_account_is_known(auth: GraphQLAuth) -> None:
    """Signing in by one name makes the address known for the others too."""
    names = ["email:ada@example.com", "username:ada"]
    await refused(auth, login())
    await refused(auth, partial(Throttles.logged_in, tried=ADA, names=names, client=HERE))
    for number in range(100):
        await refused(auth, attempt(Policy.LOGIN_ADDRESS, number))
    assert await refused(auth, login("username:bob")) == 9
    assert [await refused(auth, login(name)) for name in names] == [0, 0]
    assert len(known(auth.settings)) == 2


async def test_an_address_is_known_for_as_long_as_sessions_live(
    auth: GraphQLAuth, clock: SettableClock
) -> None:
    """An address from which an account has not signed in for longer than a session can live is
    forgotten; signing in renews it."""
    keep = auth.settings.session_max_age
    for _ in range(2):
        await refused(auth, logged_in())
        await refused(auth, logged_in(BOB))
        clock.instant += keep
        await auth.system.clean()
        assert len(known(auth.settings)) == 2
    await refused(auth, logged_in())
    clock.forward(seconds=1)
    await auth.system.clean()
    (seen,) = known(auth.settings).values()
    assert seen == clock.instant - timedelta(seconds=1)


# ------------------------------------------------------------------------ the database


async def test_a_hundred_at_once_on_two_systems(settings: Settings, clock: SettableClock) -> None:
    """Of a hundred attempts at the same instant at two systems on one database exactly as many
    get through as the limit says."""
    async with another(settings, clock) as one, another(settings, clock) as two:
        waits = await asyncio.gather(*(refused((one, two)[n % 2], login()) for n in range(100)))
        assert sorted(waits) == [0] * 10 + [90] * 90
        given = await asyncio.gather(*(refused((one, two)[n % 2], logged_in()) for n in range(4)))
        assert given == [0] * 4
        waits = await asyncio.gather(*(refused((one, two)[n % 2], login()) for n in range(100)))
        assert sorted(waits) == [0] * 4 + [90] * 96


async def test_a_restart_empties_no_bucket(settings: Settings, clock: SettableClock) -> None:
    """What was counted, and which addresses are known, outlives the process."""
    async with another(settings, clock) as auth:
        await refused(auth, logged_in(BOB))
        for number in range(100):
            await refused(auth, attempt(Policy.LOGIN_ADDRESS, number))
    clock.forward(seconds=4)
    async with another(settings, clock) as auth:
        assert await refused(auth, login()) == 5
        assert await refused(auth, login(BOB)) == 0


async def test_drained_buckets_are_removed(auth: GraphQLAuth, clock: SettableClock) -> None:
    """A bucket that has drained says nothing: housekeeping removes it, however many there are,
    and no other; what it removes changes no answer."""
    for _ in range(10):
        await refused(auth, login())
    keeping = buckets(auth.settings)
    free = replace(auth.settings, throttle_login_address=None, throttle_login_account=None)
    async with auth.system.units.write() as unit:
        throttles = unit.get(Throttles)
        other = made_of(throttles._store, clock, free)
        for number in range(1_200):
            await other.login(f"email:{number}@example.com", HERE)
    assert len(buckets(auth.settings)) == 1_203
    clock.forward(seconds=90)
    await auth.system.clean()  # full until this very instant: still there
    assert len(buckets(auth.settings)) == 1_203
    clock.forward(microseconds=1)
    await auth.system.clean()
    left = buckets(auth.settings)
    assert len(left) == 2
    assert left.items() < keeping.items()
    waits = [await refused(auth, login()) for _ in range(2)]
    assert waits == [0, 90]


async def test_the_tables_tell_nothing(settings: Settings, clock: SettableClock) -> None:
    """Who reads the database learns neither who tried what nor from where: rows are keyed hashes
    and instants, and not the same under another secret."""
    seen = []
    for secret in (settings.secret, settings.secret[::-1]):
        async with another(settings, clock) as auth, auth.system.units.write() as unit:
            store = unit.get(Throttles)._store
            each = Throttles(store, clock, MasterSecret(secret.encode()), settings, Telemetry())
            await each.login(ADA, HERE)
            await each.logged_in(ADA, [ADA], HERE)
        seen.append((set(buckets(settings)), set(known(settings))))
    assert [len(each) for pair in seen for each in pair] == [3, 1, 6, 2]
    for key in seen[1][0] | seen[1][1]:
        assert len(key) == 16
    columns = {
        column.name for row in (ThrottleRow, KnownAddressRow) for column in row.__table__.columns
    }
    assert columns == {"key", "full_until", "seen_at"}


# ------------------------------------------------------------------------ the stores


class Buckets:
    """What a store shall do, told as buckets that drain."""

    def __init__(self) -> None:
        self.levels: dict[bytes, int] = {}
        self.known: dict[bytes, datetime] = {}

    def drain(self, span: int) -> None:
        """Time passes."""
        self.levels = {key: max(level - span, 0) for key, level in self.levels.items()}

    def take(self, key: bytes, drop: int, size: int, least: int) -> int:
        """Put a drop in, or say what is missing; it holds `least` already."""
        level = max(self.levels.get(key, 0), least)
        if level + drop > size:
            return level + drop - size
        self.levels[key] = level + drop
        return 0


async def does_what_buckets_do(store: ThrottleStore, seed: int) -> None:
    """Whatever the order of attempts, successes and housekeeping."""
    chance, model = random.Random(seed), Buckets()
    measures = {b"one": (10, 10), b"two": (10, 100), b"three": (7, 21)}
    now = 1_767_323_045_000_000
    for _ in range(300):
        key = chance.choice(list(measures))
        drop, size = measures[key]
        match chance.randrange(6):
            case 0:
                await store.give_back(key, drop=drop)
                model.levels[key] = max(model.levels.get(key, 0) - drop, 0)
            case 1:
                span = chance.choice([1, 3, 10, 40])
                now += span
                model.drain(span)
            case 2 if chance.random() < 0.2:
                await store.remove_empty(now, chance.choice([1, 10]))
            case _:
                least = chance.choice([0, drop, drop // 2]) if size > drop else 0
                level = now + least if least else chance.choice([0, now - 20])
                found = await store.take(key, drop=drop, size=size, level=level, now=now)
                assert found == model.take(key, drop, size, least)
    assert await store.remove_empty(now + 101, 2) <= 2
    await store.remove_empty(now + 101, 10)
    assert await store.remove_empty(now + 101, 10) == 0


async def keeps_addresses(store: ThrottleStore, clock: SettableClock) -> None:
    """What was seen is known until it was not seen for a while, from when it was seen last."""
    assert not await store.knows(b"one")
    await store.remember([b"one", b"two"], clock.now())
    clock.forward(seconds=1)
    await store.remember([b"two", b"three"], clock.now())
    assert [await store.knows(key) for key in (b"one", b"two", b"three")] == [True] * 3
    assert await store.remove_unseen(clock.now() - timedelta(seconds=1), 10) == 0
    assert await store.remove_unseen(clock.now(), 10) == 1
    assert [await store.knows(key) for key in (b"one", b"two")] == [False, True]
    assert await store.remove_unseen(clock.now() + MINUTE, 1) == 1
    assert await store.remove_unseen(clock.now() + MINUTE, 10) == 1


async def test_the_store_in_a_database(auth: GraphQLAuth, clock: SettableClock) -> None:
    """Each database answers as buckets do that are filled by drops and drain with time, and
    keeps addresses for as long as it shall."""
    async with auth.system.units.write() as unit:
        store = unit.get(Throttles)._store
        for seed in range(8):
            await does_what_buckets_do(store, seed)
        await keeps_addresses(store, clock)
