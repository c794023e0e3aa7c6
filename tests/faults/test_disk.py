"""SQLite's disk is full."""

import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.faults.nursery import Nursery
from tests.replicas import OUTAGE, Replica, replicas, site
from tests.support import LOGIN, PASSWORD, REFRESH, SIGNUP

Fault = Callable[[Replica], None]
MOUNT = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs"]


@contextmanager
def small_disk(folder: Path) -> Iterator[tuple[Path, Fault, Fault]]:
    """A file system of 3 MB, to be filled up by somebody else's file."""
    place = folder / "disk"
    place.mkdir()
    subprocess.run([*MOUNT, place], check=True)
    others = place / "others"

    def fill(_: Replica) -> None:
        with others.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    try:
        yield place, fill, lambda _: others.unlink()
    finally:
        subprocess.run(["umount", place], check=True)


@contextmanager
def quota(folder: Path) -> Iterator[tuple[Path, Fault, Fault]]:
    """No file of the server's may grow any more: what anybody's process can be made to meet."""

    def limit(replica: Replica) -> None:
        size = (folder / "gql_auth.sqlite3-wal").stat().st_size
        hard = resource.prlimit(replica.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(replica.process.pid, resource.RLIMIT_FSIZE, (size, hard))

    def lift(replica: Replica) -> None:
        hard = resource.prlimit(replica.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(replica.process.pid, resource.RLIMIT_FSIZE, (hard, hard))

    yield folder, limit, lift


def may_mount() -> bool:
    """Whether this user may mount a file system."""
    if os.geteuid() != 0:
        return False
    inside = ["unshare", "--mount", *MOUNT, "/mnt"]  # in a name space that ends with it
    return subprocess.run(inside, capture_output=True, check=False).returncode == 0


DISKS = [quota, small_disk] if may_mount() else [quota]


@pytest.mark.parametrize("disk", DISKS, ids=lambda disk: disk.__name__)
async def test_a_full_disk(disk: Callable[[Path], object], tmp_path: Path, quick: Nursery) -> None:
    """Without room requests that write are refused with SERVICE_UNAVAILABLE and the log says why;
    nothing is damaged, nobody is signed out, and with room again all goes on by itself."""
    with disk(tmp_path) as (place, fill, free):  # type: ignore[attr-defined]
        with replicas(1, "", place, how=quick.launch) as (server,):
            async with site([server]) as open_site:
                person = open_site.browser("ada@example.com")
                await person.sign_up()
                await person.refreshed()
                await person.look()

                fill(server)
                held = dict(person.cookies)
                given = {"input": {"email": "bob@example.com", "password": PASSWORD}}
                for _ in range(50):  # what room there is in the pages that are open already
                    code, value = await person.ask("refreshToken", REFRESH)
                    if code == OUTAGE:
                        break
                    person._took(value)
                assert code == OUTAGE
                refused = open_site.answers[-1]
                assert refused.status == 503
                assert int(refused.headers["retry-after"]) >= 1
                assert "set-cookie" not in refused.headers
                assert "disk" not in refused.body
                assert "I/O" not in refused.body
                newcomer = open_site.browser("bob@example.com")
                assert (await newcomer.ask("signup", SIGNUP, given))[0] == OUTAGE
                causes = [line["cause"] for line in server.log if line["event"] == "unavailable"]
                assert len(causes) == 2
                assert all("SQLITE_FULL" in each or "SQLITE_IOERR" in each for each in causes)
                assert "Traceback" not in server.err
                assert held.keys() == person.cookies.keys()

                free(server)
                await person.refreshed()
                await person.look()
                await newcomer.sign_up()
                assert (await newcomer.ask("login", LOGIN, given))[0] == "AuthPayload"
        with closing(sqlite3.connect(place / "gql_auth.sqlite3")) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert file.execute("PRAGMA foreign_key_check").fetchall() == []
