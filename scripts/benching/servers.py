"""Our server, as `gql-auth serve` or within a host's application, with accounts and sessions made
beforehand."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
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
from scripts.benching.machine import SERVER_CORE, Running, free_port, running

PASSWORD: Final = "correct horse battery"
_SERVE: Final = (sys.executable, "-c", "from gql_auth.cli import main; main()", "serve", "--port")
_HOST: Final = (sys.executable, "-m", "scripts.benching.host")


@dataclass
class Site:
    """One database, its accounts and what they were granted, and servers on it. Tokens are good at
    any of them, as all say the same public URL."""

    settings: Settings
    jwks: dict[str, Any] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)

    @classmethod
    def prepared(
        cls,
        folder: Path,
        *,
        users: int,
        database_url: str = "",
        bcrypt_cost: int = 12,
        **settings: Any,
    ) -> "Site":
        """A migrated database with accounts, all of one password, each with a session. No
        bcrypt beyond the first: what signs them up is not measured."""
        made = Settings(
            port=free_port(),
            data_dir=folder,
            database_url=database_url,
            secret=secrets.token_urlsafe(48),
            bcrypt_cost=bcrypt_cost,
            **settings,
        )
        migrate(made) if database_url else prepare(made)
        site = cls(made)
        asyncio.run(site._sign_up(users))
        return site

    @property
    def owner(self) -> str:
        """The id of the first account, which `open_sessions` is about."""
        return str(self.grants[0].user.id)

    @property
    def tokens(self) -> list[str]:
        """The accounts' access tokens."""
        return [grant.access.token for grant in self.grants]

    def serving(
        self,
        *,
        cores: frozenset[int] = SERVER_CORE,
        workers: int = 1,
        mounted: bool = False,
        **environment: str,
    ) -> AbstractContextManager[Running]:
        """`gql-auth serve` on this database, or a host's application.

        Args:
            environment: further settings, as GQL_AUTH_… without that prefix.
        """
        settings, port = self.settings, free_port()
        settings.data_dir.mkdir(exist_ok=True)
        given = {
            "DATA_DIR": str(settings.data_dir),
            "DATABASE_URL": settings.database_url,
            "SECRET": settings.secret,
            "BCRYPT_COST": str(settings.bcrypt_cost),
            "SIGNING_ALGORITHM": settings.signing_algorithm,
            "PUBLIC_URL": settings.public_url,
            "WORKERS": str(workers),
            "SHUTDOWN_DELAY": "0",
            **environment,
        }
        return running(
            [*(_HOST if mounted else _SERVE), str(port)],
            port,
            settings.data_dir / f"server-{port}.log",
            cores=cores,
            **{f"GQL_AUTH_{name}": value for name, value in given.items()},
        )

    def renew(self) -> None:
        """Refresh every session, so that the access tokens live anew."""
        asyncio.run(self._renew())

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

    async def _sign_up(self, count: int) -> None:
        async with self._system() as (system, tokens):
            self.jwks = system.jwks
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
            held = [tokens.sign(session.refresh_claims) for session in opened]
            self.grants = await _refreshed(system, held)

    async def _renew(self) -> None:
        async with self._system() as (system, _):
            self.grants = await _refreshed(system, [each.refresh_token for each in self.grants])

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


async def _refreshed(system: System, tokens: list[str]) -> list[Grant]:
    flows = system.part(SignIn)
    return [await flows.refresh(Presented(each, Transport.COOKIE), Client()) for each in tokens]


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
