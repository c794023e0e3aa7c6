"""SIGTERM while people are using the server."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from tests.live import within
from tests.process import STOP
from tests.replicas import NETWORK, Browser, replicas, site
from tests.support import LOGIN, PASSWORD

DELAY = 2  # seconds
LOGINS = 6


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_rolling_restart_goes_unnoticed(
    database_url: str, tmp_path: Path, workers: int
) -> None:
    """On SIGTERM readiness goes first while requests are served on; those in flight at the end
    are answered; then connections are refused and the exit code is 0."""
    with replicas(
        1, database_url, tmp_path, workers=workers, shutdown_delay=DELAY, bcrypt_cost=12
    ) as (server,):
        async with site([server]) as open_site, httpx.AsyncClient(
            base_url=server.url, verify=False
        ) as probe:  # fmt: skip
            people = [open_site.browser(f"{number}@example.com") for number in range(4)]
            await asyncio.gather(*(each.sign_up() for each in people))

            over = asyncio.Event()

            async def live(browser: Browser) -> None:
                while not over.is_set():
                    await browser.refreshed()
                    await asyncio.sleep(0.01)

            lives = [asyncio.create_task(live(each)) for each in people]
            await asyncio.sleep(0.3)
            server.process.terminate()
            began = time.monotonic()

            async def not_ready() -> bool:
                # Each time on a new connection, as a load balancer asks; of several workers any
                # may answer.
                answer = await probe.get("/readyz", headers={"Connection": "close"})
                return answer.status_code == 503

            await within(DELAY - 0.5, not_ready)
            assert (await probe.get("/healthz")).status_code == 200

            await asyncio.sleep(began + DELAY - 0.5 - time.monotonic())
            assert server.process.poll() is None
            over.set()
            await asyncio.gather(*lives)
            served = [each for each in open_site.answers if each.at > began]
            assert len(served) > LOGINS
            assert {each.code for each in served} == {"AuthPayload"}, "all that was asked until now"

            await asyncio.sleep(began + DELAY - 0.2 - time.monotonic())
            given = {"input": {"email": people[0].email, "password": PASSWORD}}
            visitors = [open_site.browser(people[0].email) for _ in range(LOGINS)]
            flying = [asyncio.create_task(each.ask("login", LOGIN, given)) for each in visitors]
            await within(STOP, lambda: _refused(server.url))
            if workers == 1:  # of several, the process that keeps them listens to the end
                assert not all(task.done() for task in flying), "nothing was in flight"
            assert {code for code, _ in await asyncio.gather(*flying)} == {"AuthPayload"}
            assert await asyncio.to_thread(server.process.wait, STOP) == 0
            assert NETWORK not in open_site.codes


async def _refused(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionRefusedError:
        return True
    writer.close()
    return False
