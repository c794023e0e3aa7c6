"""Behind the real PgBouncer in transaction mode."""

import asyncio
import time
from pathlib import Path

import psycopg
import pytest

from tests.faults.nursery import Nursery
from tests.faults.pgbouncer import pgbouncer
from tests.faults.test_replicas import kid_of, kids
from tests.live import within
from tests.process import run
from tests.replicas import DEFECT, NETWORK, OUTAGE, replicas, site
from tests.support import SECRET

BROWSERS = 8
SESSIONS = "{ sessions { id current } }"
REVOKE = "mutation($id: ID!) { revokeSession(id: $id) { __typename } }"


@pytest.mark.parametrize("direct", [True, False], ids=["direct URL", "not told"])
async def test_everything_works(
    database_url: str, tmp_path: Path, quick: Nursery, direct: bool
) -> None:
    """Two replicas over two connections of PgBouncer's: migrations, sign-ups, refreshes, lists,
    ends of sessions elsewhere, rotated keys. With DATABASE_DIRECT_URL ends are told within a
    second; a server that was not told of the pooler finds out before it prepares a statement,
    which would make it run statements of others, and says so; then the poll tells of ends."""
    with pgbouncer(database_url, tmp_path) as through:
        place: dict[str, object] = {"secret": SECRET, "revocation_poll": "30s"}
        if direct:
            place["database_direct_url"] = database_url
        else:
            place |= {"database_listen": "off", "revocation_poll": "1s"}
        migrated = run("migrate", database_url=through, **place)
        assert migrated.returncode == 0, migrated.stderr
        with replicas(2, through, tmp_path, how=quick.launch, **place) as running:
            async with site(running) as open_site:
                people = [open_site.browser(f"{number}@example.com") for number in range(BROWSERS)]
                await asyncio.gather(*(each.sign_up() for each in people))
                for _ in range(10):
                    await asyncio.gather(*(each.refreshed() for each in people))
                    await asyncio.gather(*(each.look() for each in people))
                assert open_site.codes.keys() == {"AuthPayload", "data"}, open_site.codes

                owner, device = people[0], open_site.browser(people[0].email)
                await device.sign_in()
                listed = await owner.field(SESSIONS)
                assert [each["current"] for each in listed] == [False, True]
                device.http = open_site.clients[1]
                assert (await device.me())["data"]
                owner.http = open_site.clients[0]
                ended = await owner.field(REVOKE, {"id": listed[0]["id"]})
                assert ended["__typename"] == "RevokeSessionPayload"
                began = time.monotonic()

                async def refused() -> bool:
                    return "SESSION_REVOKED" in str(await device.me())

                await within(10, refused)
                assert time.monotonic() - began < (1 if direct else 3)

                (coming,) = set(kids(running[0])) - {kid_of(owner.access_token)}
                rotated = run("keys", "rotate", database_url=through, **place)
                assert rotated.returncode == 0, rotated.stderr

                async def signed_anew() -> bool:
                    await owner.refreshed()
                    await owner.look()
                    return kid_of(owner.access_token) == coming

                await within(10, signed_anew)
                assert not {DEFECT, OUTAGE, NETWORK} & open_site.codes.keys(), open_site.codes
            for replica in running:
                assert not [line for line in replica.log if line["level"] in {"error", "critical"}]
                assert ("DATABASE_DIRECT_URL" in replica.err) is not direct
        with psycopg.connect(through) as one, psycopg.connect(through) as other:
            for each in (one, other):  # both of its connections, as neither transaction ends
                left = each.execute("SELECT statement FROM pg_prepared_statements", prepare=False)
                assert left.fetchall() == [], "PgBouncer gives these to anybody"
