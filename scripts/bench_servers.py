"""What is measured: servers as processes of their own on one core, and `gql-auth serve` among
them with accounts and sessions made beforehand."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.passwords.core import PasswordHasher, Passwords
from gql_auth.features.sessions.core import Session, Sessions
from gql_auth.features.signin.core import SignIn
from gql_auth.features.signin.granting import Grant
from gql_auth.features.tokens.core import RefreshTokens
from gql_auth.features.users.core import Users
from gql_auth.features.users.naming import checked_profile
from gql_auth.kernel.caller import Client
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Presented, Transport
from gql_auth.preparing import prepare
from gql_auth.storage.migrate import migrate
from gql_auth.system import System

ROOT: Final = Path(__file__).resolve().parents[1]
PASSWORD: Final = "correct horse battery"
_SERVE: Final = [sys.executable, "-c", "from gql_auth.cli import main; main()", "serve"]
_START: Final = 60.0  # seconds
_GRACE: Final = 15.0  # seconds

# The server has a core to itself where there are two.
_cores: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER_CORE: Final = _cores[0] if len(_cores) > 1 else None
LOAD_CORE: Final = _cores[1] if len(_cores) > 1 else None


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Stay on one core, with all that is started meanwhile."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Running:
    """A process that serves, and the seconds from its start to its first answer."""

    process: subprocess.Popen[bytes]
    start_seconds: float

    @property
    def memory(self) -> float:
        """Resident MiB; NaN where the system does not tell (only Linux does)."""
        with suppress(OSError):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            return int(status.split("VmRSS:")[1].split()[0]) / 1024
        return nan

    @property
    def cpu_seconds(self) -> float:
        """CPU time the process has used; NaN where the system does not tell."""
        with suppress(OSError):
            after_name = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
            ticks = sum(map(int, after_name.split()[11:13]))  # proc_pid_stat(5): utime, stime
            return ticks / os.sysconf("SC_CLK_TCK")
        return nan


@contextmanager
def running(
    command: Sequence[str | Path], port: int, log: Path, **environment: str
) -> Iterator[Running]:
    """Run a server on the server's core; its end is asked for by its process id."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GQL_AUTH_")}
    kept |= {"PYTHONPATH": str(ROOT), **environment}
    with log.open("wb") as output, on_core(SERVER_CORE):
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=kept)
    try:
        while not _ready(port):
            if process.poll() is not None or time.perf_counter() - began > _START:
                raise RuntimeError(f"no server on port {port}:\n{log.read_text()[-3000:]}")
            time.sleep(0.005)
        yield Running(process, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(port: int) -> bool:
    """Whether `/readyz` answers that all is well."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return connection.recv(100).startswith(b"HTTP/1.1 200 ")
    return False


@dataclass
class Site:
    """One database, the settings of its server, and the server while it runs."""

    settings: Settings
    grants: list[Grant] = field(default_factory=list)
    server: Running = field(init=False)

    @classmethod
    def prepared(
        cls, folder: Path, *, database_url: str = "", bcrypt_cost: int, users: int
    ) -> "Site":
        """A migrated database with accounts, all of one password, each with a session. No
        bcrypt beyond the first: what signs them up is not measured."""
        settings = Settings(
            port=free_port(),
            data_dir=folder,
            database_url=database_url,
            secret=secrets.token_urlsafe(48),
            bcrypt_cost=bcrypt_cost,
        )
        migrate(settings) if database_url else prepare(settings)
        site = cls(settings)
        site.grants = asyncio.run(site._sign_up(users))
        return site

    @property
    def owner(self) -> str:
        """The id of the first account, which `open_sessions` is about."""
        return str(self.grants[0].user.id)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """`gql-auth serve` on this database."""
        settings = self.settings
        settings.data_dir.mkdir(exist_ok=True)
        with running(
            [*_SERVE, "--port", str(settings.port)],
            settings.port,
            settings.data_dir / "server.log",
            GQL_AUTH_DATA_DIR=str(settings.data_dir),
            GQL_AUTH_DATABASE_URL=settings.database_url,
            GQL_AUTH_SECRET=settings.secret,
            GQL_AUTH_BCRYPT_COST=str(settings.bcrypt_cost),
        ) as self.server:
            yield

    def open_sessions(self, count: int) -> list[tuple[Session, str]]:
        """New sessions of the first account, each with its refresh token."""
        return asyncio.run(self._open_sessions(count))

    def generation(self, session: Session) -> int:
        """How often it was rotated, by the database."""
        return asyncio.run(self._generation(session))

    @asynccontextmanager
    async def _system(self) -> AsyncIterator[tuple[System, RefreshTokens]]:
        async with System(self.settings) as system:
            yield system, RefreshTokens(system.part(MasterSecret))

    async def _sign_up(self, count: int) -> list[Grant]:
        async with self._system() as (system, tokens):
            hasher = PasswordHasher(system.part(MasterSecret), self.settings.bcrypt_cost)
            stored = hasher.hash(PASSWORD)
            opened = []
            async with system.units.write() as unit:
                for number in range(count):
                    profile, _ = checked_profile(
                        email=f"user-{number}@example.com", username=None, name=None
                    )
                    user = await unit.get(Users).create(profile)
                    await unit.get(Passwords).add(user.id, stored)
                    opened.append(await unit.get(Sessions).open(user.id, Client()))
            flows = system.part(SignIn)
            return [
                await flows.refresh(
                    Presented(tokens.sign(session.refresh_claims), Transport.COOKIE), Client()
                )
                for session in opened
            ]

    async def _open_sessions(self, count: int) -> list[tuple[Session, str]]:
        owner = self.grants[0].user.id
        async with self._system() as (system, tokens):
            async with system.units.write() as unit:
                opened = [await unit.get(Sessions).open(owner, Client()) for _ in range(count)]
            return [(session, tokens.sign(session.refresh_claims)) for session in opened]

    async def _generation(self, session: Session) -> int:
        async with self._system() as (system, _), system.units.read() as unit:
            found = await unit.get(Sessions).find(session.id)
        return found.generation if found else -1


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """A new, empty database of a PostgreSQL server; dropped afterwards."""
    name = f"gql_auth_bench_{secrets.token_hex(8)}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
