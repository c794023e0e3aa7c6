"""Replicas are killed at random moments while browsers sign up and refresh."""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.faults.nursery import Nursery
from tests.replicas import DEFECT, NETWORK, Browser, Replica, Site, replicas, site
from tests.support import PASSWORD, SIGNUP

DWELLERS, NEWCOMERS = 4, 2  # browsers at a time
CHECKED = 12  # accounts that are signed up again and signed in to, at the end

HALF_MADE = """
SELECT count(*) FROM gql_auth_users u
WHERE NOT EXISTS (SELECT 1 FROM gql_auth_passwords p WHERE p.user_id = u.id)
"""
REUSED = "SELECT count(*) FROM gql_auth_sessions WHERE end_reason = 'token-reused'"


@dataclass(frozen=True)
class Outcome:
    """What happened; that nothing was lost for good has been seen to."""

    kills: int
    refreshes: int
    accounts: int
    lost: Counter[str]  # requests without an answer, by what was asked

    def __str__(self) -> str:
        lost = ", ".join(f"{number} of {asked}" for asked, number in self.lost.most_common())
        return (
            f"{self.kills} kills, {self.accounts} accounts, {self.refreshes} refreshes; "
            f"answers lost: {lost or 'none'}; users signed out: none"
        )


async def survive(kills: int, how: Nursery, url: str, data_dir: Path) -> Outcome:
    """Kill one of two replicas so many times, and see that every promise was kept."""
    with replicas(2, url, data_dir, how=how.launch) as running:
        async with site(running) as open_site:
            over = asyncio.Event()
            people = [open_site.browser(f"first{number}@example.com") for number in range(DWELLERS)]
            async with asyncio.TaskGroup() as lives:
                for browser in list(people):
                    lives.create_task(_dwell(browser, over))
                for number in range(NEWCOMERS):
                    lives.create_task(_come(open_site, people, number, over))
                await _kill(running, kills)
                over.set()
            await _all_are_still_there(open_site, people)
            assert DEFECT not in open_site.codes
            lost = Counter(each.asked for each in open_site.answers if each.code == NETWORK)
    assert _counted(url, data_dir, HALF_MADE) == 0
    assert _counted(url, data_dir, REUSED) == 0
    return Outcome(kills, sum(each.refreshes for each in people), len(people), lost)


async def _kill(running: Sequence[Replica], kills: int) -> None:
    """One at a time, so that there is always another one to go to."""
    for _ in range(kills):
        victim = random.choice(running)
        await asyncio.sleep(random.uniform(0.02, 0.2))
        victim.kill()
        await asyncio.to_thread(victim.start_again)


async def _dwell(browser: Browser, over: asyncio.Event) -> None:
    """Signed in throughout, now and then in two tabs."""
    await browser.sign_up()
    while not over.is_set():
        tabs = random.choice((1, 1, 2))
        await asyncio.gather(*(browser.refreshed() for _ in range(tabs)))
        if random.random() < 0.7:
            await browser.look()


async def _come(open_site: Site, people: list[Browser], number: int, over: asyncio.Event) -> None:
    """One new account after another."""
    while not over.is_set():
        browser = open_site.browser(f"new{number}-{len(people)}@example.com")
        people.append(browser)
        await browser.sign_up()
        await browser.look()
        await browser.refreshed()


async def _all_are_still_there(open_site: Site, people: Sequence[Browser]) -> None:
    """Every browser is signed in still; every account is whole: its name is taken, its password
    opens it."""
    for browser in people:
        await browser.refreshed()
        await browser.look()
    for browser in random.sample(people, min(CHECKED, len(people))):
        given = {"input": {"email": browser.email, "password": PASSWORD}}
        visitor = open_site.browser(browser.email)
        assert (await visitor.insist("signup", SIGNUP, given))[0] == "EmailTaken"
        await visitor.sign_in()
        await visitor.look()


def _counted(url: str, data_dir: Path, query: str) -> int:
    found: Any
    if url:
        with psycopg.connect(url) as sql:
            found = sql.execute(query).fetchone()
    else:
        with closing(sqlite3.connect(data_dir / "gql_auth.sqlite3")) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = file.execute(query).fetchone()
    return int(found[0])
