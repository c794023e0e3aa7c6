"""A running system: the long-lived parts, made from settings, and the tasks that keep them true."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from filelock import FileLock

from gql_auth.catalog import FEATURES
from gql_auth.features.audit.core import Listeners
from gql_auth.features.keys.core import KeyRings, Keys, MasterSecret
from gql_auth.features.passwords.core import HashingThreads, PasswordHasher
from gql_auth.features.passwords.factor import PasswordFactor
from gql_auth.features.sessions.core import SessionLimits, Sessions
from gql_auth.features.sessions.memory import Confirmations, EndedSessions
from gql_auth.features.signin.core import ClaimsHook, SignIn
from gql_auth.features.tokens.access import AccessRules, TokenExpired
from gql_auth.features.tokens.core import AccessTokens, RefreshTokens
from gql_auth.features.tokens.jws import NotOurs
from gql_auth.kernel.caller import Caller
from gql_auth.kernel.clock import Clock, SystemClock
from gql_auth.kernel.entropy import random_name
from gql_auth.kernel.errors import Unauthenticated, Unavailable
from gql_auth.kernel.settings import SECRET_BYTES, Settings, SettingsError
from gql_auth.kernel.unit import Units
from gql_auth.serving.cookies import CookieRules
from gql_auth.storage.engine import Database, sqlite_path
from gql_auth.storage.migrate import HEAD, current, migrate, require_current
from gql_auth.storage.unit import SqlUnits

_log = logging.getLogger("gql_auth.system")
S = TypeVar("S")

# What others ended is asked for with this much overlap: their clocks may differ, and a commit
# may show after the instant it carries.
_OVERLAP: Final = timedelta(seconds=120)
_RETRY: Final = 1.0  # seconds between tries of a background task that met an outage
_LAST_STEP: Final = 5.0  # seconds a background task has to finish what it is at


def master_secret(settings: Settings) -> bytes:
    """The master secret: from the settings, or from its file, made once with mode 0600.

    Raises:
        OSError: the file cannot be made or read.
        SettingsError: it holds too little to be a secret.
    """
    if settings.secret:
        return settings.secret.encode()
    path = secret_path(settings)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with preparation_lock(settings):
        if not path.exists():
            fresh = path.with_suffix(".new")
            descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(random_name(48))
                file.flush()
                os.fsync(descriptor)
            fresh.replace(path)
    if path.stat().st_mode & 0o077:
        _log.warning("the secret could be read by others; its mode is 0600 again")
        path.chmod(0o600)
    return kept_secret(settings)


def kept_secret(settings: Settings) -> bytes:
    """The master secret as its file holds it; changes nothing.

    Raises:
        OSError: the file is not there or cannot be read.
        SettingsError: it holds too little to be a secret (a full disk, an editor's slip).
    """
    path = secret_path(settings)
    secret = path.read_bytes().strip()
    if len(secret) < SECRET_BYTES:
        raise SettingsError(
            [f"{path} holds less than {SECRET_BYTES} characters: it is damaged. Put the secret "
             "that the database was made with back from a backup"]
        )  # fmt: skip
    return secret


def secret_path(settings: Settings) -> Path:
    """Where the master secret is kept on the embedded default."""
    return settings.data_dir / "secret"


def preparation_lock(settings: Settings) -> FileLock:
    """Held while secret, schema and first keys are made, so that processes started together
    make one of each."""
    return FileLock(settings.data_dir / "preparing.lock", mode=0o600)


def prepare(settings: Settings) -> None:
    """Make what must be there before serving: on SQLite folder, secret and schema.

    Raises:
        SchemaOutdated: PostgreSQL is not migrated; `gql-auth migrate` does it.
        Unavailable: the database cannot be reached.
    """
    if not settings.embedded:
        require_current(settings)
        return
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = sqlite_path(settings)
    assert path is not None  # noqa: S101 - embedded means SQLite
    with preparation_lock(settings):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # before SQLite makes it with the umask; -wal and -shm follow it
        if current(settings) != HEAD:
            migrate(settings)


class System:
    """The parts, by type, and the tasks behind them. Open it once a process."""

    def __init__(
        self,
        settings: Settings,
        *,
        listeners: Listeners | None = None,
        claims_hook: ClaimsHook | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        secret = MasterSecret(master_secret(settings))
        self.settings = settings
        self.cookie_rules = CookieRules(settings, clock)
        self.database = Database(settings)
        self._parts: dict[Any, Any] = {}
        services = {kind: make for each in FEATURES for kind, make in each.services.items()}
        self.units: Units = SqlUnits(self.database, self, services)
        self._rings = KeyRings()
        rules = AccessRules(
            issuer=settings.issuer,
            audience=settings.audience,
            max_life=settings.access_token_ttl,
            clock_leeway=settings.clock_leeway,
        )
        self._access_tokens = AccessTokens(self._rings, clock, rules, settings.access_token_ttl)
        self._ended = EndedSessions(clock, settings.access_token_ttl + 2 * settings.clock_leeway)
        self._confirmations = Confirmations()
        self._listeners = listeners or Listeners()
        self._hashing = HashingThreads(settings.hash_queue)
        hasher = PasswordHasher(secret, settings.bcrypt_cost)
        self._parts |= {
            Settings: settings,
            Clock: clock,
            MasterSecret: secret,
            Listeners: self._listeners,
            KeyRings: self._rings,
            EndedSessions: self._ended,
            SessionLimits: SessionLimits(
                settings.refresh_token_ttl, settings.session_max_age, settings.refresh_race_window
            ),
            SignIn: SignIn(
                self.units,
                PasswordFactor(self.units, self._hashing, hasher),
                self._access_tokens,
                RefreshTokens(secret),
                password_min_length=settings.password_min_length,
                claims_hook=claims_hook,
            ),
        }
        self._something_to_confirm = asyncio.Event()
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def part(self, kind: type[S]) -> S:
        """The part of that type."""
        found: S = self._parts[kind]
        return found

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys, as `/.well-known/jwks.json` serves them."""
        return dict(self._rings.ring.jwks)

    def authenticate(self, token: str) -> Caller:
        """Who an access token speaks for; no database read.

        Raises:
            Unauthenticated: expired, invalid, or its session has ended.
        """
        try:
            caller = self._access_tokens.verify(token)
        except TokenExpired:
            raise Unauthenticated(Unauthenticated.Reason.EXPIRED) from None
        except NotOurs:
            raise Unauthenticated(Unauthenticated.Reason.INVALID) from None
        self.require_alive(caller)
        if self._confirmations.seen(caller.session_id, caller.generation):
            self._something_to_confirm.set()
        return caller

    def require_alive(self, caller: Caller) -> None:
        """Come back if the caller's session has not ended; no database read.

        Raises:
            Unauthenticated: it has ended.
        """
        if caller.session_id in self._ended:
            raise Unauthenticated(Unauthenticated.Reason.REVOKED)

    async def __aenter__(self) -> Self:
        """Load keys and ended sessions, start the tasks.

        Raises:
            SecretMismatch: the master secret is not the one of this database.
            Unavailable: the database cannot be reached.
        """
        try:
            async with self.units.write() as unit:
                await unit.get(Keys).ensure()
            await self._learn(self._ended.horizon)
        except BaseException:
            await self.database.close()
            self._hashing.close()
            raise
        self._tasks = [
            asyncio.create_task(self._keep_learning()),
            asyncio.create_task(self._keep_confirming()),
        ]
        return self

    async def examine(self) -> None:
        """Come back if the secret opens the signing keys. Writes nothing, starts nothing and
        closes the system, which is not entered for this.

        Raises:
            SecretMismatch: it does not.
            Unavailable: the database cannot be reached.
        """
        try:
            async with self.units.read() as unit:
                keys = unit.get(Keys)
                if await keys.list():
                    await keys.ring()
        finally:
            await self.database.close()
            self._hashing.close()

    async def __aexit__(self, *_: object) -> None:
        """Write what is pending, stop the tasks, close the database."""
        # Let them finish what they are at: a connection cancelled while it is being made stays
        # open half-way, and PostgreSQL waits a minute for it.
        self._stopping.set()
        self._something_to_confirm.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_STEP)
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        with suppress(Unavailable):
            await self._confirm()
        await self._listeners.drain()
        self._hashing.close()
        await self.database.close()

    async def _learn(self, since: datetime) -> None:
        async with self.units.read() as unit:
            ring = await unit.get(Keys).ring()
            await unit.get(Sessions).learn_ended(since)
        self._rings.swap(ring)
        self._ended.forget_old()

    async def _keep_learning(self) -> None:
        """Look for sessions that other processes ended and for rotated keys."""
        clock = self.part(Clock)
        pause = self.settings.revocation_poll.total_seconds()
        seen = clock.now()
        while not await self._stops_within(pause):
            began = clock.now()
            if await _survives(lambda: self._learn(seen - _OVERLAP)):  # noqa: B023 - awaited here
                seen = began

    async def _keep_confirming(self) -> None:
        """Write confirmations as they come, in batches while one is being written."""
        while not self._stopping.is_set():
            await self._something_to_confirm.wait()
            self._something_to_confirm.clear()
            if not await _survives(self._confirm):
                await self._stops_within(_RETRY)
                self._something_to_confirm.set()

    async def _stops_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _confirm(self) -> None:
        taken = self._confirmations.take()
        if not taken:
            return
        try:
            async with self.units.write() as unit:
                await unit.get(Sessions).confirm(taken)
        except BaseException:
            self._confirmations.give_back(taken)
            raise


async def _survives(act: Callable[[], Any]) -> bool:
    """Run one step of a background task; an outage or a defect is logged and does not end it."""
    try:
        await act()
    except Unavailable:
        _log.warning("the database is out of reach; trying again")
        return False
    except Exception:  # noqa: BLE001 - logged; the task must outlive it
        _log.exception("a background step failed; trying again")
        return False
    return True
