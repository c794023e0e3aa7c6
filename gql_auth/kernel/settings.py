"""Every setting: one declaration carries name, type, default, check and documentation.

`GraphQLAuth()` and the command line read them from `GQL_AUTH_*` environment variables; a host
may pass a `Settings` instead. This is the one module that reads the environment.
"""

import dataclasses
import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from gql_auth.kernel import parsing
from gql_auth.kernel.connections import ConnectionLimits
from gql_auth.kernel.declaring import PREFIX, SettingsError, fields_of, problem, setting
from gql_auth.kernel.federating import Federating
from gql_auth.kernel.judging import judge
from gql_auth.kernel.limits import OperationLimits
from gql_auth.kernel.mailing import MailSettings, mail_domain
from gql_auth.kernel.parsing import Network, Rate, choice, switch
from gql_auth.kernel.speeding import Speeding
from gql_auth.kernel.transports import TransportSettings
from gql_auth.kernel.watching import Watching

# Read by the test and soak scripts, not by the server: known, so that nobody is warned of them.
_ELSEWHERE: Final = {f"{PREFIX}TEST_POSTGRES_URL", f"{PREFIX}TEST_PLANS", f"{PREFIX}SOAK"}

SigningAlgorithm = Literal["ES256", "EdDSA", "RS256", "HS256"]
SameSite = Literal["lax", "strict", "none"]
ProxyHeader = Literal["auto", "x-forwarded-for", "forwarded"]


@dataclass(frozen=True, kw_only=True)
class Settings(
    OperationLimits,
    ConnectionLimits,
    Federating,
    Speeding,
    Watching,
    TransportSettings,
    MailSettings,
):
    """What an operator decides. Spans are `timedelta`; see docs/configuration.md.

    Raises:
        SettingsError: a value is out of its range, or two do not go together.
    """

    host: str = setting(
        "127.0.0.1", str.strip, "Address the server listens on. Anything but loopback needs an "
        "https `PUBLIC_URL`.", "0.0.0.0",
    )  # fmt: skip
    port: int = setting(
        8000,
        parsing.whole,
        "Port the server listens on.",
        "8000",
        between=(0, 65535),
    )
    workers: int = setting(
        1,
        parsing.whole,
        "Server processes on this machine.",
        "4",
        between=(1, 64),
    )
    data_dir: Path = setting(
        Path("data"), lambda text: Path(text).expanduser(), "Folder of the embedded database and "
        "the master secret. Made with mode 0700.", "/var/lib/gql-auth",
    )  # fmt: skip
    database_url: str = setting(
        "", str.strip, "Empty: SQLite in the data directory. Otherwise a PostgreSQL URL.",
        "postgresql://gql_auth:password@localhost:5432/gql_auth",
    )  # fmt: skip
    database_pool_size: int = setting(
        10,
        parsing.whole,
        "Database connections a process holds at most.",
        "10",
        between=(1, 1000),
    )
    database_direct_url: str = setting(
        "", str.strip, "Only where `DATABASE_URL` leads through a pooler (PgBouncer in transaction "
        "mode): the URL of the server itself, for listening and migrations. Prepared statements "
        "are then off.", "postgresql://gql_auth:password@db.internal:5432/gql_auth",
    )  # fmt: skip
    database_listen: bool = setting(
        True, switch, "`off` on engines without LISTEN/NOTIFY: revocations then reach other "
        "processes by `REVOCATION_POLL` alone.", "off",
    )  # fmt: skip
    database_advisory_locks: bool = setting(
        True, switch, "`off` on engines without advisory locks: rows of the table "
        "`gql_auth_leases` take their place.", "off",
    )  # fmt: skip
    migrate_on_start: bool = setting(
        True, switch, "`off` where the server's role may not change the schema: then "
        "`gql-auth migrate` does it, by another role.", "off",
    )  # fmt: skip
    shutdown_delay: timedelta = setting(
        timedelta(seconds=2), parsing.duration, "How long the server goes on serving after a "
        "SIGTERM, with /readyz at 503, so that a load balancer looks elsewhere first.", "10s",
        between=(0, 300),
    )  # fmt: skip
    trusted_proxies: tuple[Network, ...] = setting(
        (), parsing.networks, "Proxies whose `X-Forwarded-For` or `Forwarded` is believed. "
        "By default nobody's: the connection's own address counts.", "10.0.0.0/8,127.0.0.1",
    )  # fmt: skip
    proxy_header: ProxyHeader = setting(
        "auto", choice("auto", "x-forwarded-for", "forwarded"), "Which header the trusted proxies "
        "write; the other one is the client's. `auto`: `X-Forwarded-For`, or `Forwarded` where "
        "that is not there.", "forwarded",
    )  # fmt: skip
    secret: str = setting(
        "", str, "The master secret: passwords are keyed with it, refresh tokens signed, private "
        "keys encrypted. Made by itself on the embedded default; required with PostgreSQL. At "
        "least 32 random characters; losing it ends every session and every password.",
        'the output of: python3 -c "import secrets; print(secrets.token_urlsafe(48))"',
    )  # fmt: skip
    public_url: str = setting(
        "", lambda text: text.strip().rstrip("/"), "Where browsers reach the server. Decides the "
        "cookie's name and `Secure`. Default: `http://localhost` with the port that is served.",
        "https://auth.example.com",
    )  # fmt: skip
    allowed_origins: tuple[str, ...] = setting(
        (), parsing.words, "Other origins whose pages may sign in and refresh (CORS with "
        "credentials, cross-site checks).", "https://app.example.com,https://admin.example.com",
    )  # fmt: skip
    issuer: str = setting(
        "", str.strip, "`iss` of the tokens. Default: `PUBLIC_URL`. Changing it ends the access "
        "tokens in use.", "https://auth.example.com",
    )  # fmt: skip
    audience: str = setting(
        "", str.strip, "`aud` of the access tokens. Default: `PUBLIC_URL`. Changing it ends the "
        "access tokens in use.", "https://api.example.com",
    )  # fmt: skip
    signing_algorithm: SigningAlgorithm = setting(
        "ES256", choice("ES256", "EdDSA", "RS256", "HS256"), "Algorithm of new signing keys. "
        "HS256 has no public key: other services cannot verify.", "EdDSA",
    )  # fmt: skip
    access_token_ttl: timedelta = setting(
        timedelta(minutes=15),
        parsing.duration,
        "Life of an access token.",
        "15m",
        between=(1, 86400),
    )
    refresh_token_ttl: timedelta = setting(
        timedelta(days=7), parsing.duration, "A session ends this long after its last refresh.",
        "7d", between=(1, 86400 * 366),
    )  # fmt: skip
    session_max_age: timedelta = setting(
        timedelta(days=90),
        parsing.duration,
        "A session ends at this age in any case.",
        "90d",
        between=(1, 86400 * 3660),
    )
    refresh_race_window: timedelta = setting(
        timedelta(seconds=10), parsing.duration, "How long after a rotation the token before is "
        "still answered with the same successor, once that one was seen in use.", "10s", between=(1, 300),
    )  # fmt: skip
    clock_leeway: timedelta = setting(
        timedelta(seconds=60), parsing.duration, "How far ahead another replica's clock may be: "
        "`iat` up to this much in the future is accepted. Expiry has no leeway.", "60s", between=(0, 300),
    )  # fmt: skip
    revocation_poll: timedelta = setting(
        timedelta(seconds=5), parsing.duration, "How often a process looks for sessions that "
        "others ended and for rotated keys, should a notification get lost.", "5s",
        between=(1, 30),
    )  # fmt: skip
    revocation_staleness: timedelta = setting(
        timedelta(seconds=60), parsing.duration, "A process that has not reached the database for "
        "longer refuses protected fields (SERVICE_UNAVAILABLE). Longer: an outage of the database "
        "hurts less; shorter: a session revoked during it lives on less.", "60s",
        between=(2, 86400),
    )  # fmt: skip
    cookie_same_site: SameSite = setting(
        "lax", choice("lax", "strict", "none"), "`SameSite` of the refresh cookie. `none` (with "
        "`Partitioned`) is for a front end on another site and needs https.", "none",
    )  # fmt: skip
    password_min_length: int = setting(
        8, parsing.whole, "Characters of a password at least. NIST SP 800-63B-4 asks for 15 where "
        "the password is the only factor.", "15", between=(8, 128),
    )  # fmt: skip
    bcrypt_cost: int = setting(
        12,
        parsing.whole,
        "bcrypt's cost, 10 to 16.",
        "12",
        between=(10, 16),
    )
    hash_queue: int = setting(
        64, parsing.whole, "Password checks that may wait for a hashing thread; past that the "
        "answer is SERVICE_UNAVAILABLE.", "64", between=(1, 10_000),
    )  # fmt: skip
    credential_fields: int = setting(
        1, parsing.whole, "Fields of one operation that may check or set a password (`login`, "
        "`signup`, `changePassword`); more are refused before anything runs.", "1",
        between=(1, 100),
    )  # fmt: skip
    throttle_login_account_address: Rate | None = setting(
        Rate(10, timedelta(minutes=15)), parsing.rate, "Failed sign-ins to one account from one "
        "address (IPv6: /64).", "10/15m",
    )  # fmt: skip
    throttle_login_address: Rate | None = setting(
        Rate(100, timedelta(minutes=15)), parsing.rate, "Sign-ins from one address to accounts "
        "that have not signed in from it before.", "100/15m",
    )  # fmt: skip
    throttle_login_account: Rate | None = setting(
        Rate(100, timedelta(hours=1)), parsing.rate, "Failed sign-ins to one account from all "
        "addresses that it has not signed in from before.", "100/1h",
    )  # fmt: skip
    throttle_signup_address: Rate | None = setting(
        Rate(20, timedelta(hours=1)), parsing.rate, "Accounts made or tried from one address.",
        "20/1h",
    )  # fmt: skip
    throttle_refresh_session: Rate | None = setting(
        Rate(300, timedelta(minutes=5)), parsing.rate, "Refreshes of one session.", "300/5m",
    )  # fmt: skip
    throttle_change_password_session: Rate | None = setting(
        Rate(10, timedelta(minutes=15)), parsing.rate, "Failed password changes of one session.",
        "10/15m",
    )  # fmt: skip
    ended_session_retention: timedelta = setting(
        timedelta(days=30), parsing.duration, "How long ended and expired sessions are kept, with "
        "why and when.", "30d", between=(86400, 86400 * 3660),
    )  # fmt: skip
    event_retention: timedelta = setting(
        timedelta(days=365), parsing.duration, "How long audit events are kept.", "365d",
        between=(86400, 86400 * 3660),
    )  # fmt: skip
    housekeeping_interval: timedelta = setting(
        timedelta(minutes=1), parsing.duration, "How often one of the processes removes what is "
        "kept no longer.", "1m", between=(1, 86400),
    )  # fmt: skip
    warnings: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        set_once: Callable[[str, object], None] = lambda name, value: object.__setattr__(  # noqa: E731
            self, name, value
        )
        if not self.public_url:
            low, high = declared()["port"].metadata["between"]  # wrong, it is one problem, not two
            port = self.port if low <= self.port <= high else 8000
            set_once("public_url", f"http://localhost:{port}")
        set_once("issuer", self.issuer or self.public_url)
        set_once("audience", self.audience or self.public_url)
        host = parsing.host_of(self.public_url)
        set_once("app_name", self.app_name or host)
        set_once("mail_from", self.mail_from or f"no-reply@{mail_domain(host)}")
        problems, notes = judge(self)
        if problems:
            raise SettingsError(problems)
        set_once("warnings", (*self.warnings, *notes))
        set_once("allowed_origins", tuple(parsing.origin(url) for url in self.allowed_origins))

    def __repr__(self) -> str:
        """Names no secret: neither the master secret nor a database password."""
        return f"Settings(public_url={self.public_url!r}, embedded={self.embedded})"

    @property
    def embedded(self) -> bool:
        """Whether the database is the SQLite file in the data directory."""
        return not self.database_url.startswith(("postgresql://", "postgres://"))

    @property
    def mails_are_files(self) -> bool:
        """Whether mails are written down for a developer, instead of sent."""
        return not self.mail_url and not self.https

    @property
    def https(self) -> bool:
        """Whether browsers reach the server by https."""
        return self.public_url.startswith("https://")

    @property
    def origins(self) -> frozenset[str]:
        """Origins whose pages may use the refresh cookie: the server's own and the allowed.

        On plain-http loopback all three spellings of this machine are one origin to a person
        who types the address, and only this machine can answer at any of them.
        """
        own = parsing.origin(self.public_url)
        mine = {own}
        if not self.https:
            mine |= parsing.loopback_origins(urlsplit(own).port or 80)
        return frozenset(mine | set(self.allowed_origins))

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **chosen: object
    ) -> Self:
        """The settings of `GQL_AUTH_*` variables.

        Args:
            environment: instead of the process's own.
            chosen: fields that win over the environment (command-line options); `None` means
                "not chosen".

        Raises:
            SettingsError: naming each variable, what is wrong with its value and an example.
        """
        environment = os.environ if environment is None else environment  # noqa: TID251 - the one place
        known = {f"{PREFIX}{name.upper()}": name for name in declared()}
        values: dict[str, Any] = {}
        problems: list[str] = []
        warnings: list[str] = []
        for variable in sorted(environment):
            if not variable.startswith(PREFIX) or variable in _ELSEWHERE:
                continue
            if variable not in known:
                near = difflib.get_close_matches(variable, known, n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]}?" if near else ""
                warnings.append(f"{variable} is no setting and was ignored{hint}")
                continue
            text = environment[variable]
            name = known[variable]
            if not text.strip():
                continue
            try:
                values[name] = declared()[name].metadata["parse"](text)
            except ValueError as error:
                problems.append(problem(cls, name, text, str(error)))
        values |= {name: value for name, value in chosen.items() if value is not None}
        try:
            made = cls(**values, warnings=tuple(warnings))
        except SettingsError as error:
            problems += error.problems
        if problems:
            # A misspelt name may be what the problems come from, so it is told with them.
            raise SettingsError(problems + warnings)
        return made


def declared() -> dict[str, dataclasses.Field[Any]]:
    """The settings by field name, in the order of the documentation."""
    return fields_of(Settings)
