"""The database goes away, comes back, comes back with less, or has no time."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import httpx
import psycopg

from tests.cluster import Cluster
from tests.faults.cable import Cable
from tests.faults.nursery import Nursery
from tests.live import within
from tests.replicas import DEFECT, OUTAGE, Answer, Browser, Site, replicas, site
from tests.support import REFRESH

BROWSERS = 6
DRIVERS_WORDS = ("psycopg", "sqlalchemy", "server", "127.0.0.1", "SSL", "socket", "SELECT")
POOL_WAIT = 11  # seconds


async def live(browser: Browser, over: asyncio.Event) -> None:
    """Use the site without a rest."""
    while not over.is_set():
        await browser.refreshed()
        await browser.look()


def assert_clean(answers: Sequence[Answer]) -> None:
    """Outages are told as the contract says, and nothing else goes wrong."""
    for answer in answers:
        assert answer.code in {"AuthPayload", "data", OUTAGE}, answer
        if answer.code == OUTAGE:
            assert answer.status == 503, answer
            assert int(answer.headers["retry-after"]) >= 1, answer
            assert not [word for word in DRIVERS_WORDS if word in answer.body], answer
            assert "set-cookie" not in answer.headers, "an outage signs nobody out"


async def seconds_to_recover(open_site: Site, people: Sequence[Browser]) -> float:
    """How long until every browser has got new tokens."""
    began, before = time.monotonic(), {each: each.refreshes for each in people}
    await within(30, lambda: all(each.refreshes > before[each] for each in people))
    return time.monotonic() - began


def _more_outages(open_site: Site, before: int) -> bool:
    return open_site.codes[OUTAGE] > before


async def test_the_database_is_restarted(
    server: Cluster,
    database_url: str,
    tmp_path: Path,
    quick: Nursery,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """While PostgreSQL is down requests are refused cleanly; when it is back, after a stop or a
    crash, the same replicas serve the same sessions within seconds."""
    with replicas(2, database_url, tmp_path, how=quick.launch) as running:
        async with site(running) as open_site:
            over = asyncio.Event()
            people = [open_site.browser(f"{number}@example.com") for number in range(BROWSERS)]
            await asyncio.gather(*(each.sign_up() for each in people))
            async with asyncio.TaskGroup() as lives:
                for each in people:
                    lives.create_task(live(each, over))
                for how in (server.stop, server.kill):
                    await asyncio.sleep(0.5)
                    before = open_site.codes[OUTAGE]
                    await asyncio.to_thread(how)
                    await within(20, partial(_more_outages, open_site, before))
                    async with httpx.AsyncClient(verify=False, timeout=15) as probe:
                        for replica in running:
                            assert (await probe.get(f"{replica.url}/readyz")).status_code == 503
                            assert (await probe.get(f"{replica.url}/healthz")).status_code == 200
                    await asyncio.to_thread(server.start)
                    seconds = await seconds_to_recover(open_site, people)
                    record_testsuite_property(
                        f"recovered after {how.__name__}, seconds", round(seconds, 2)
                    )
                over.set()
            assert_clean(open_site.answers)
            assert [replica.process.poll() for replica in running] == [None, None]
            for replica in running:
                replica.await_ready()
                assert "Traceback" not in replica.err


async def test_the_last_commits_are_lost(
    server: Cluster, database: str, tmp_path: Path, quick: Nursery
) -> None:
    """A standby that had missed the last refreshes takes over: the browsers that have those
    tokens stay signed in, by the same replicas, which find the new primary themselves."""
    generations = "SELECT generation FROM gql_auth_sessions ORDER BY id"
    with Cable.to(server.port) as cable, server.standby(through=cable.port) as standby:
        url = server.url_at(server.port, database).replace(
            f":{server.port}/", f":{server.port},127.0.0.1:{standby.port}/"
        )
        url += "?target_session_attrs=read-write"
        with replicas(2, url, tmp_path, how=quick.launch) as running:
            async with site(running) as open_site:
                people = [open_site.browser(f"{number}@example.com") for number in range(BROWSERS)]
                await asyncio.gather(*(each.sign_up() for each in people))
                await asyncio.gather(*(each.refreshed() for each in people))
                await asyncio.to_thread(server.await_follower)
                cable.cut()
                for number, each in enumerate(people):
                    for _ in range(1 + number % 3):
                        await each.refreshed()
                        await each.look()
                late = open_site.browser("late@example.com")
                await late.sign_up()
                await asyncio.to_thread(server.kill)
                try:
                    with psycopg.connect(standby.url_at(standby.port, database)) as sql:
                        assert sql.execute(generations).fetchall() == [(1,)] * BROWSERS
                    await asyncio.to_thread(standby.promote)
                    known = len(open_site.answers)
                    for each in people:
                        await each.look()
                        await each.refreshed()
                        await each.look()
                    assert_clean(open_site.answers[known:])
                    with psycopg.connect(standby.url_at(standby.port, database)) as sql:
                        found = sorted(row[0] for row in sql.execute(generations))
                        assert found == sorted(3 + number % 3 for number in range(BROWSERS))
                        ahead = sql.execute(
                            "SELECT count(*) FROM gql_auth_events WHERE tag LIKE '%ahead%'"
                        ).fetchone()
                        assert ahead == (BROWSERS,), "an operator can see what was lost"
                    code, _ = await late.insist("refreshToken", REFRESH)
                    assert code == "RefreshTokenRejected:REVOKED", "that account never was"
                    await late.sign_up()
                finally:
                    await asyncio.to_thread(server.start)


async def test_no_connection_is_left(database_url: str, tmp_path: Path, quick: Nursery) -> None:
    """Requests wait a bounded time for one of two connections that a lock of others holds up,
    then get 503; readiness and what other replicas tell are not held up."""
    with (
        replicas(1, database_url, tmp_path, how=quick.launch, database_pool_size=2) as small,
        replicas(1, database_url, tmp_path, how=quick.launch) as large,
    ):
        async with site(small) as here, site(large) as elsewhere:
            people = [here.browser(f"{number}@example.com") for number in range(BROWSERS)]
            await asyncio.gather(*(each.sign_up() for each in people))
            guest = here.browser("guest@example.com")
            await guest.sign_up()
            with psycopg.connect(database_url) as sql:
                sql.execute(
                    "SELECT 1 FROM gql_auth_sessions s JOIN gql_auth_users u ON u.id = s.user_id "
                    "WHERE u.email <> 'guest@example.com' FOR UPDATE OF s"
                )
                known = len(here.answers)
                asking = [asyncio.create_task(each.ask("refreshToken", REFRESH)) for each in people]
                await _is_held_up(small[0].url, guest, elsewhere)
                assert not any(task.done() for task in asking)
                await within(POOL_WAIT, lambda: sum(task.done() for task in asking) >= 4)
                sql.rollback()
            await asyncio.gather(*asking)
            refused = [each for each in here.answers[known:] if each.code == OUTAGE]
            assert len(refused) == BROWSERS - 2
            assert all(8 < each.seconds < POOL_WAIT for each in refused), refused
            assert_clean([each for each in here.answers[known:] if each.asked == "refreshToken"])
            for each in people:
                await each.refreshed()
                await each.look()
            assert DEFECT not in here.codes


async def _is_held_up(url: str, guest: Browser, elsewhere: Site) -> None:
    """For a while the replica is ready each time it is asked, and learns of an end elsewhere."""
    same_guest = elsewhere.browser(guest.email)
    same_guest.cookies = dict(guest.cookies)
    async with httpx.AsyncClient(base_url=url, verify=False) as probe:
        for _ in range(10):
            await asyncio.sleep(0.1)
            began = time.monotonic()
            assert (await probe.get("/readyz")).status_code == 200
            assert time.monotonic() - began < 1
    assert (await same_guest.post("mutation { logout { sessionEnded } }"))["data"]

    async def refused() -> bool:
        code, _ = await guest.ask("me", "{ me { email } }")
        return code == "UNAUTHENTICATED"

    await within(1, refused)
