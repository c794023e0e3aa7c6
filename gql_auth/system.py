"""A running system: the long-lived parts, made from settings, and the tasks that keep them true."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self, TypeVar

from gql_auth.background import Confirmer, Housekeeper, Learner, Tasks, keep_telling
from gql_auth.catalog import FEATURES
from gql_auth.features.audit.core import Listeners
from gql_auth.features.keys.core import KeyRings, Keys, MasterSecret
from gql_auth.features.life.core import Life
from gql_auth.features.mail.core import Bell, MailStore, Waiting
from gql_auth.features.mail.outlets import MailOutlet
from gql_auth.features.passwords.core import PasswordHasher
from gql_auth.features.passwords.factor import PasswordFactor
from gql_auth.features.passwords.hashing import HashingThreads, fitting_threads
from gql_auth.features.recovery.core import Recovery
from gql_auth.features.sessions.core import SessionLimits
from gql_auth.features.sessions.events import SessionEvents
from gql_auth.features.sessions.memory import Confirmations, EndedSessions, Freshness
from gql_auth.features.signin.core import SignIn
from gql_auth.features.signin.granting import ClaimsHook, Grants
from gql_auth.features.tokens.access import AccessRules, TokenExpired
from gql_auth.features.tokens.core import AccessTokens, RefreshTokens
from gql_auth.features.tokens.jws import NotOurs
from gql_auth.kernel.caller import Caller
from gql_auth.kernel.clock import Clock, SharedClock, SystemClock, monotonic
from gql_auth.kernel.errors import Unauthenticated, Unavailable
from gql_auth.kernel.parsing import Network
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.transports import Transport
from gql_auth.kernel.unit import Units
from gql_auth.posting import Postman
from gql_auth.preparing import master_secret
from gql_auth.serving.connections import Connections, Kind
from gql_auth.serving.cookies import CookieRules
from gql_auth.storage.announcements import Announcements
from gql_auth.storage.engine import Database
from gql_auth.storage.locks import Locks, Turn
from gql_auth.storage.revision import Revision
from gql_auth.storage.unit import SqlUnits

S = TypeVar("S")

_CUT_OFF: Final = "The server has lost touch with its database, try again shortly"


class System:
    """The parts, by type, and the tasks behind them. Open it once a process.

    Args:
        delivers: whether mail is sent from here. A command ends too soon for that.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        listeners: Listeners | None = None,
        claims_hook: ClaimsHook | None = None,
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
        mail: MailOutlet | None = None,
        delivers: bool = True,
    ) -> None:
        if clock is None:
            clock = SystemClock() if settings.embedded else SharedClock()
        self.settings = settings
        self.telemetry = telemetry or Telemetry()
        self.cookie_rules = CookieRules(settings, clock)
        self.connections = Connections(settings, self.telemetry)
        self.database = Database(settings)
        secret = MasterSecret(master_secret(settings))
        self._rings = KeyRings()
        rules = AccessRules(
            issuer=settings.issuer,
            audience=settings.audience,
            max_life=settings.access_token_ttl,
            clock_leeway=settings.clock_leeway,
        )
        self._access_tokens = AccessTokens(
            self._rings,
            clock,
            rules,
            settings.access_token_ttl,
            names_scopes=settings.federation,
            cached=settings.token_cache,
        )
        self._ended = EndedSessions(clock, settings.access_token_ttl + 2 * settings.clock_leeway)
        self._events = SessionEvents(clock)
        self._freshness = Freshness(settings.revocation_staleness, monotonic)
        self._confirmations = Confirmations()
        self._listeners = listeners or Listeners()
        self._hashing = HashingThreads(settings.hash_queue, fitting_threads(settings.workers))
        announcements, revision = Announcements(settings), Revision()
        self._parts: dict[Any, Any] = {
            Settings: settings,
            Clock: clock,
            MasterSecret: secret,
            Listeners: self._listeners,
            KeyRings: self._rings,
            EndedSessions: self._ended,
            SessionEvents: self._events,
            SessionLimits: SessionLimits(
                settings.refresh_token_ttl, settings.session_max_age, settings.refresh_race_window
            ),
            Announcements: announcements,
            Locks: Locks(advisory=settings.database_advisory_locks),
            Revision: revision,
            Telemetry: self.telemetry,
            Bell: Bell(),
        }
        services = {kind: make for each in FEATURES for kind, make in each.services.items()}
        services[Turn] = Turn.of
        glances = {kind: make for each in FEATURES for kind, make in each.glances.items()}
        self.units: Units = SqlUnits(self.database, self, services, glances)
        own_units = SqlUnits(self.database, self, services, spare=True)
        hasher = PasswordHasher(secret, settings.bcrypt_cost)
        factor = PasswordFactor(self.units, self._hashing, hasher)
        grants = Grants(self._access_tokens, RefreshTokens(secret), claims_hook)
        self._parts[Recovery] = Recovery(self.units, factor, grants, clock, settings)
        self._parts[Life] = Life(self.units, factor, clock, settings)
        self._parts[SignIn] = SignIn(
            self.units,
            factor,
            grants,
            password_min_length=settings.password_min_length,
            require_verified_email=settings.require_verified_email,
            clock=clock,
            telemetry=self.telemetry,
        )
        self._learner = Learner(
            own_units,
            self.database,
            announcements,
            clock=clock,
            rings=self._rings,
            ended=self._ended,
            events=self._events,
            confirmations=self._confirmations,
            freshness=self._freshness,
            revision=revision,
            bell=self.part(Bell),
            telemetry=self.telemetry,
            pause=settings.revocation_poll,
        )
        self._confirmer = Confirmer(own_units, self._confirmations)
        self._housekeeper = Housekeeper(
            own_units,
            [make(settings) for feature in FEATURES for make in feature.chores],
            clock=clock,
            revision=revision,
            telemetry=self.telemetry,
            pause=settings.housekeeping_interval,
        )
        self._delivers = delivers
        self._postman = Postman(settings, own_units, self, mail)
        self._tell = partial(keep_telling, self._events, own_units)
        self._tasks = Tasks()

    def part(self, kind: type[S]) -> S:
        """The part of that type."""
        found: S = self._parts[kind]
        return found

    @property
    def refresh_transports(self) -> tuple[Transport, ...]:
        """How refresh tokens may travel."""
        return self.settings.refresh_transports

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """Whose word on where a request comes from is taken."""
        return self.settings.trusted_proxies

    @property
    def proxy_header(self) -> str:
        """Which header they write."""
        return self.settings.proxy_header

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys, as `/.well-known/jwks.json` serves them."""
        return dict(self._rings.ring.jwks)

    def authenticate(self, token: str) -> Caller:
        """Who an access token speaks for; no database read.

        Raises:
            Unauthenticated: expired, invalid, or its session has ended.
            Unavailable: nobody knows whether it has ended; see `require_alive`.
        """
        try:
            caller = self._access_tokens.verify(token)
        except TokenExpired:
            raise Unauthenticated(Unauthenticated.Reason.EXPIRED) from None
        except NotOurs:
            raise Unauthenticated(Unauthenticated.Reason.INVALID) from None
        self.require_alive(caller)
        if self._confirmations.seen(caller.session_id, caller.generation):
            self._confirmer.something_seen.set()
        return caller

    def require_alive(self, caller: Caller) -> None:
        """Come back if the caller's session has not ended; no database read.

        Raises:
            Unauthenticated: it has ended.
            Unavailable: this process has been cut off from the database for so long that it
                could have ended unnoticed.
        """
        if caller.session_id in self._ended:
            raise Unauthenticated(Unauthenticated.Reason.REVOKED)
        if self._freshness.is_lost:
            self._learner.something_new.set()
            raise Unavailable(_CUT_OFF)

    def seconds_left(self, caller: Caller) -> float:
        """Until the caller's token expires; 0 or less when it has."""
        return (caller.expires_at - self.part(Clock).now()).total_seconds()

    def require_valid(self, caller: Caller) -> None:
        """Come back if the caller's token would be taken now as well; no database read.

        Raises:
            Unauthenticated: it has expired, or its session has ended.
            Unavailable: see `require_alive`.
        """
        if self.seconds_left(caller) <= 0:
            raise Unauthenticated(Unauthenticated.Reason.EXPIRED)
        self.require_alive(caller)

    def watch(self, caller: Caller, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` when `require_valid` may have come to say no, but for the token's time;
        what is given back ends the watch."""
        return self._ended.watch(caller.session_id, wake)

    async def __aenter__(self) -> Self:
        """Load keys and ended sessions, start the tasks.

        Raises:
            SecretMismatch: the master secret is not the one of this database.
            Unavailable: the database cannot be reached.
        """
        try:
            clock = self.part(Clock)
            if isinstance(clock, SharedClock):
                await self.database.set_clock(clock)
            async with self.units.write() as unit:
                await unit.get(Keys).ensure()
            await self._learner.learn()
        except BaseException:
            await self.database.close()
            self._hashing.close()
            raise
        self._watch_levels()
        for task in (
            self._learner.keep_learning,
            self._learner.keep_hearing,
            self._learner.keep_doubting,
            self._tell,
            self._confirmer.keep_confirming,
            self._housekeeper.keep_clean,
        ):
            self._tasks.start(task)
        if self._delivers:
            self._tasks.start(self._postman.keep_delivering)
        return self

    def _watch_levels(self) -> None:
        watch = self.telemetry.watch
        watch("hash_queue", lambda: self._hashing.waiting)
        watch("hash_running", lambda: self._hashing.running)
        watch("pool_held", lambda: self.database.usage[0])
        watch("pool_size", lambda: self.database.usage[1])
        watch("pool_waiting", lambda: self.database.usage[2])
        self._postman.watch_levels(self.telemetry)
        for kind in Kind:
            watch(f"open_{kind}", partial(self.connections.count, kind))
        watch("ended_sessions", lambda: len(self._ended))
        watch("staleness_seconds", lambda: self._freshness.age)

    async def learn(self) -> None:
        """Take over now what other processes did; the tasks do it now and then.

        Raises:
            Unavailable: the database cannot be reached.
        """
        await self._learner.learn()

    async def confirm(self) -> None:
        """Write now which refresh tokens were seen to have arrived; the tasks do it as it comes.

        Raises:
            Unavailable: the database cannot be reached.
        """
        await self._confirmer.confirm()

    async def deliver(self) -> None:
        """Run and send now what is due, if no other process is at it; the tasks do it as it comes.

        Raises:
            Unavailable: the database cannot be reached.
        """
        await self._postman.deliverer.deliver(self._tasks.stopping)

    async def clean(self) -> None:
        """Remove now what is kept no longer, if no other process is at it.

        Raises:
            Unavailable: the database cannot be reached.
        """
        await self._housekeeper.clean(self._tasks)

    async def examine(self) -> Waiting | None:
        """Come back if the secret opens the signing keys, with what is in the outbox, if there is
        one. Writes nothing, starts nothing and closes the system, which is not entered for this.

        Raises:
            SecretMismatch: it does not.
            Unavailable: the database cannot be reached.
        """
        try:
            async with self.units.read() as unit:
                keys = unit.get(Keys)
                if await keys.list():
                    await keys.ring()
            async with self.database.reading() as connection:
                await self.part(Revision).look(connection)
            if not self.part(Revision).is_current:
                return None
            async with self.units.read() as unit:
                return await unit.get(MailStore).count()
        finally:
            await self.database.close()
            self._hashing.close()

    async def __aexit__(self, *_: object) -> None:
        """Write what is pending, stop the tasks, close the database."""
        wanted = [
            self._learner.something_new,
            self._confirmer.something_seen,
            self._events.wanted,
            self.part(Bell).rang,
        ]
        await self._tasks.stop(wanted)
        if self._delivers:
            await self._postman.close()
        with suppress(Unavailable):
            await self._confirmer.confirm()
        await self._listeners.drain()
        self._hashing.close()
        await self.database.close()
