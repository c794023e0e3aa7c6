"""A PostgreSQL server of a test's own: stopped, restarted, killed, followed by a standby.

The shared server of tests/postgres.py must outlive every test; this one is there to be broken.
Its folder and its processes go with the test run however that ends: a warden, a shell, waits for
the far end of its standard input to close, which a crash of the run does too.
"""

import contextlib
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psycopg

from tests import postgres

STOP_SECONDS = 30

# Standbys can follow; what is committed is answered when it is in the log, not on a disk.
OPTIONS = postgres.OPTIONS | {
    "wal_level": "replica",
    "max_wal_senders": "4",
    "synchronous_commit": "local",
    "hot_standby": "on",
    "wal_receiver_status_interval": "1",
    "dynamic_shared_memory_type": "mmap",  # in the folder, so that it goes with it
}

# $1 holds the folders of all servers. Whatever of them still runs is ended at once.
WARDEN = """
read -r _
for file in "$1"/*/postmaster.pid; do
    [ -e "$file" ] || continue
    read -r pid <"$file"
    kill -QUIT "$pid"
    for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" || break; sleep 0.2; done
done 2>/dev/null
rm -rf "$1" ${2:+"$2"}
"""


class Cluster:
    """One server, at most one process of it at a time."""

    def __init__(self, home: "_Home", name: str, options: dict[str, str]) -> None:
        self._home = home
        self.folder = home.folder / name
        self.port = _free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.was_killed = False

    @property
    def url(self) -> str:
        """The URL of its superuser."""
        return self.url_at(self.port)

    def url_at(self, port: int, database: str = "postgres") -> str:
        """The same through a port that leads here."""
        return f"postgresql://postgres:{self._home.password}@127.0.0.1:{port}/{database}"

    @property
    def log(self) -> str:
        """All that it said."""
        return self._home.log.read_text(errors="replace")

    def start(self, *, wait: bool = True) -> None:
        """Start it on its port, recovering from whatever ended it."""
        options = [f"--{name}={value}" for name, value in self._options.items()]
        self.was_killed = False
        self._process = self._home.run(
            "postgres", "-D", self.folder, f"--port={self.port}", *options
        )
        if wait:
            self.await_start()

    def await_start(self) -> None:
        """Come back as soon as it takes connections."""
        assert self._process
        deadline = time.monotonic() + postgres.START_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it in order, connections broken off (pg_ctl's mode "fast")."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End every process of it as a power cut does."""
        assert self._process
        children = _children(self._process.pid)
        self._process.kill()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        self._process = None
        deadline = time.monotonic() + STOP_SECONDS
        while any(_is_alive(pid) for pid in children):
            assert time.monotonic() < deadline, children
            time.sleep(0.01)
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        self.was_killed = True

    def database(self, name: str) -> str:
        """The URL of a new, empty database."""
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 STRATEGY FILE_COPY')
        return self.url_at(self.port, name)

    @contextlib.contextmanager
    def standby(self, *, through: int) -> Iterator["Cluster"]:
        """A running standby that follows asynchronously, by the connection through a port that
        leads here: when that is cut, it misses what is committed from then on."""
        other = Cluster(self._home, f"standby-{secrets.token_hex(4)}", self._options)
        copying = self._home.run(
            "pg_basebackup", "--pgdata", other.folder, "--dbname", self.url_at(through),
            "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream",
        )  # fmt: skip
        assert copying.wait(postgres.START_SECONDS) == 0, self.log
        other.start()
        try:
            yield other
        finally:
            other.stop(signal.SIGQUIT)

    def await_follower(self) -> None:
        """Come back when every standby has replayed all that is committed here."""
        query = (
            "SELECT count(*) > 0 AND bool_and(replay_lsn >= pg_current_wal_lsn()) "
            "FROM pg_stat_replication WHERE state = 'streaming'"
        )
        deadline = time.monotonic() + STOP_SECONDS
        with psycopg.connect(self.url, autocommit=True) as admin:
            while admin.execute(query).fetchone() != (True,):
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)

    def promote(self) -> None:
        """Make a standby the primary, with what it has."""
        with psycopg.connect(self.url, autocommit=True) as admin:
            assert admin.execute("SELECT pg_promote()").fetchone() == (True,)


class _Home:
    """Where the servers of one primary live, and how their programs are run: as `nobody` where
    the tests are root, whom PostgreSQL refuses."""

    def __init__(self, folder: Path, binaries: Path, user: int | None, log: IO[bytes]) -> None:
        self.folder = folder
        self.password = secrets.token_hex(16)
        self.log = Path(log.name)
        self._binaries = binaries
        self._user = user
        self._to_log = log

    def run(self, program: str, *arguments: object) -> "subprocess.Popen[bytes]":
        """Start a program of PostgreSQL's."""
        return subprocess.Popen(
            [self._binaries / program, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=self._to_log,
            stderr=self._to_log,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=self._user,
            start_new_session=True,  # Ctrl-C is for pytest alone
        )


@contextlib.contextmanager
def cluster(*, fsync: bool = False, **options: object) -> Iterator[Cluster]:
    """Run a primary.

    Args:
        fsync: wait for the disk, and keep the data there.
        options: of postgresql.conf, over those of OPTIONS.
    """
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    binaries, copy = postgres._binaries(), None
    if not postgres._may_run(binaries / "postgres", user):
        copy = postgres._folder(user)
        binaries = postgres._copy(binaries, copy)
    folder = postgres._folder(user) if fsync else postgres._data_folder(user)
    chosen = OPTIONS | ({"fsync": "on"} if fsync else {})
    chosen |= {name: str(value) for name, value in options.items()}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            ["/bin/sh", "-c", WARDEN, "sh", folder, copy or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as warden,
    ):
        primary = None
        try:
            home = _Home(folder, binaries, user, log)
            password = folder / "password"
            password.write_text(home.password)
            if user is not None:
                shutil.chown(password, user)
            primary = Cluster(home, "primary", chosen)
            made = home.run(
                "initdb", "--pgdata", primary.folder, "--username=postgres", "--pwfile", password,
                "--auth=password", "--encoding=UTF8", "--locale=C", "--no-sync",
                "--no-instructions",
            )  # fmt: skip
            assert made.wait(postgres.START_SECONDS) == 0, primary.log
            primary.start()
            yield primary
        finally:
            if primary is not None:
                if primary.was_killed:  # a piece of shared memory is left; the next start takes it
                    primary.start()
                primary.stop(signal.SIGQUIT)
            warden.communicate(b"\n")


def _free_port() -> int:
    """A port that nobody has. One below those that the system gives to clients: while the server
    is down, no outgoing connection may take its port."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _children(parent: int) -> list[int]:
    return [
        int(task)
        for file in Path(f"/proc/{parent}/task").glob("*/children")
        for task in file.read_text().split()
    ]


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
