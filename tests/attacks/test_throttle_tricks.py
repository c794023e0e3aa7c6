"""Ways round the throttles, and ways to turn them against others, that a red team found once."""

import asyncio
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

from gql_auth.app import GraphQLAuth
from gql_auth.features.throttle.core import Throttles
from gql_auth.kernel.addresses import client_of, origin_of
from gql_auth.kernel.caller import Client
from gql_auth.kernel.parsing import Rate, networks
from gql_auth.kernel.settings import Settings
from tests.attacks.test_brute_force import (
    HERE,
    LOGIN,
    REFRESH,
    THERE,
    WRONG,
    calling,
    change,
    limited,
    login,
)
from tests.features.test_throttle import login as attempt
from tests.features.test_throttle import refused
from tests.support import PASSWORD, SettableClock

QUARTER, FIVE = timedelta(minutes=15), timedelta(minutes=5)


async def test_an_old_token_replayed_after_the_period_is_counted(
    settings: Settings, clock: SettableClock
):
    """Replays of the token before are limited like any refresh, however long ago the rotation."""
    auth = GraphQLAuth(replace(settings, throttle_refresh_session=Rate(5, FIVE)), clock=clock)
    async with auth.running(), calling(auth) as call:
        client = call()
        await client.signup()
        old = dict(client.cookies)
        await client.refresh()
        clock.forward(minutes=5)
        kinds = Counter()
        for _ in range(100):
            client.cookies = dict(old)
            kinds[(await client.field(REFRESH))["__typename"]] += 1
        assert kinds["AuthPayload"] <= 5, kinds


async def test_a_racing_refresh_counts_once(settings: Settings, clock: SettableClock):
    """52 refreshes in five minutes are allowed: one and fifty tabs that race are 51. (On
    PostgreSQL the loser of a race is charged in each round of Sessions.refresh.)"""
    auth = GraphQLAuth(replace(settings, throttle_refresh_session=Rate(52, FIVE)), clock=clock)
    async with auth.running(), calling(auth) as call:
        client = call()
        await client.signup()
        await client.refresh()
        tabs = [call() for _ in range(50)]
        for tab in tabs:
            tab.cookies = dict(client.cookies)
        await asyncio.gather(*(client.me(keep_cookies=False) for _ in range(50)))  # warm the pool
        found = await asyncio.gather(*(tab.field(REFRESH) for tab in tabs))
        assert Counter(each["__typename"] for each in found) == {"AuthPayload": 50}


async def test_a_clock_set_back_shuts_nobody_out(settings: Settings, clock: SettableClock):
    """SQLite follows the machine's clock. Attempts made while it ran a day ahead must not refuse
    for a day: no bucket can be fuller than full."""
    auth = GraphQLAuth(settings, clock=clock)
    async with auth.running():
        clock.forward(days=1)
        for _ in range(10):
            await refused(auth, attempt())
        clock.forward(days=-1)
        assert await refused(auth, attempt()) <= 15 * 60


async def test_a_limit_that_is_lowered_in_time_is_lowered(settings: Settings, clock: SettableClock):
    """An operator who shortens a period lets people in after the new one, not the old one."""
    auth = GraphQLAuth(settings, clock=clock)
    async with auth.running():
        week = replace(settings, throttle_signup_address=Rate(1, timedelta(days=7)))

        async def act(throttles: Throttles) -> None:
            await throttles.signup(Client(HERE))

        assert await refused(auth, act, week) == 0
        soon = replace(settings, throttle_signup_address=Rate(100, timedelta(minutes=1)))
        assert await refused(auth, act, soon) <= 60


async def test_short_sessions_do_not_make_the_owner_a_stranger(
    settings: Settings, clock: SettableClock
):
    """The owner signs in each morning, as sessions live eight hours; strangers guess all night."""
    short = replace(
        settings,
        session_max_age=timedelta(hours=8),
        refresh_token_ttl=timedelta(hours=8),
        throttle_login_account=Rate(8, timedelta(hours=1)),
    )
    auth = GraphQLAuth(short, clock=clock)
    async with auth.running() as system, calling(auth) as call:
        owner = call(HERE)
        await owner.signup()
        clock.forward(hours=16)
        await system.clean()
        for number in range(8):
            await login(call(f"198.51.100.{number}"))
        assert (await login(owner, PASSWORD))["__typename"] == "AuthPayload"


async def test_what_was_not_checked_is_not_counted(settings: Settings):
    """Sign-ins that the hash queue turned away are no failed attempts: otherwise a flood of
    strangers uses up the owner's own bucket at the owner's own address."""
    slow = replace(
        limited(settings),
        bcrypt_cost=12,
        hash_queue=1,
        throttle_login_account_address=Rate(20, QUARTER),
    )
    auth = GraphQLAuth(slow)
    async with auth.running(), calling(auth) as call:
        owner = call(HERE)
        await owner.signup()

        async def one() -> str:
            sent = {"input": {"email": "ada@example.com", "password": "guess"}}
            answer = await call(HERE).post(LOGIN, sent)
            return "503" if "errors" in answer else answer["data"]["login"]["__typename"]

        kinds = Counter(await asyncio.gather(*(one() for _ in range(20))))
        assert kinds["503"] > 5
        left = 0
        while (await login(call(HERE))) == WRONG:
            left += 1
        assert left >= kinds["503"], (kinds, left)


def test_a_mapped_network_is_trusted_or_refused():
    """`::ffff:10.0.0.0/104` is accepted as a setting and never matches anybody."""
    try:
        trusted = networks("::ffff:10.0.0.0/104")
    except ValueError:
        return
    found = origin_of("::ffff:10.0.0.1", forwarded_for=[HERE], forwarded=[], trusted=trusted)
    assert found == HERE


async def test_housekeeping_waits_for_nobody(postgres_url: str, sqlite_settings: Settings) -> None:
    """Removing drained buckets neither deadlocks with attempts that fill them nor waits for one:
    what somebody is filling is left alone."""
    auth = GraphQLAuth(replace(sqlite_settings, database_url=postgres_url))
    async with auth.running() as system:
        async with system.units.write() as unit:
            store = unit.get(Throttles)._store
            for key in (b"account", b"address"):
                await store.take(key, drop=1, size=10, level=0, now=1)
        async with system.units.write() as unit:
            held = unit.get(Throttles)._store
            await held.take(b"address", drop=1, size=10, level=0, now=100)
            async with asyncio.timeout(5), system.units.write() as other:
                assert await other.get(Throttles)._store.remove_empty(100, 500) == 1
            await held.take(b"account", drop=1, size=10, level=0, now=100)


async def test_one_address_cannot_take_all_hashing(sqlite_settings: Settings) -> None:
    """Whoever knows a password of their own signs in for ever, as success gives the drop back.
    Still one address holds a quarter of the places for hashing at most: the next one of it is
    refused at once, and others get in."""
    auth = GraphQLAuth(replace(sqlite_settings, hash_queue=10))
    async with auth.running() as system, calling(auth) as call:
        await call(HERE).signup()
        places = system._hashing
        with ExitStack() as flood:
            for _ in range(places._share):
                flood.enter_context(places.place(client_of(THERE)))
            sent = {"input": {"email": "ada@example.com", "password": PASSWORD}}
            answer = await call(THERE).post(LOGIN, sent)
            assert answer["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
            assert (await login(call(HERE), PASSWORD))["__typename"] == "AuthPayload"
        assert (await login(call(THERE), PASSWORD))["__typename"] == "AuthPayload"
        assert places._share < places._room
        assert not places._held


async def test_a_thief_does_not_keep_the_owner_from_changing_the_password(
    settings: Settings, clock: SettableClock
):
    """Three wrong guesses with a stolen access token, and the owner, in a session of their own,
    cannot change the password, which is what ends the thief's session."""
    auth = GraphQLAuth(limited(settings), clock=clock)
    async with auth.running(), calling(auth) as call:
        victim = call(HERE)
        await victim.signup()
        stolen = victim.access_token
        thief = call(THERE)
        thief.access_token = stolen
        for _ in range(3):
            await change(thief, "guess")
        owner = call(HERE)
        await owner.login()
        assert (await change(owner, PASSWORD))["__typename"] == "ChangePasswordPayload"
