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
from typing import Any, Final, Literal, Self, cast
from urllib.parse import urlsplit

from gql_auth.kernel import parsing

PREFIX: Final = "GQL_AUTH_"
# Read by the test and soak scripts, not by the server: known, so that nobody is warned of them.
_ELSEWHERE: Final = {f"{PREFIX}TEST_POSTGRES_URL", f"{PREFIX}SOAK"}

SigningAlgorithm = Literal["ES256", "EdDSA", "RS256", "HS256"]
SameSite = Literal["lax", "strict", "none"]
LogFormat = Literal["auto", "json", "console"]


class SettingsError(ValueError):
    """One or more settings are wrong. Every problem is listed, each with its mend."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _setting(default: Any, parse: Callable[[str], Any], doc: str, example: str) -> Any:
    return field(default=default, metadata={"parse": parse, "doc": doc, "example": example})


def _choice(*allowed: str) -> Callable[[str], str]:
    by_key = {word.lower(): word for word in allowed}

    def parse(text: str) -> str:
        try:
            return by_key[text.strip().lower()]
        except KeyError:
            raise ValueError(f"is none of {', '.join(allowed)}") from None

    return parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator decides. Spans are `timedelta`; see docs/configuration.md.

    Raises:
        SettingsError: a value is out of its range, or two do not go together.
    """

    host: str = _setting(
        "127.0.0.1", str.strip, "Address the server listens on. Anything but loopback needs an "
        "https `PUBLIC_URL`.", "0.0.0.0",
    )  # fmt: skip
    port: int = _setting(8000, parsing.whole, "Port the server listens on.", "8000")
    workers: int = _setting(1, parsing.whole, "Server processes on this machine.", "4")
    data_dir: Path = _setting(
        Path("data"), lambda text: Path(text).expanduser(), "Folder of the embedded database and "
        "the master secret. Made with mode 0700.", "/var/lib/gql-auth",
    )  # fmt: skip
    database_url: str = _setting(
        "", str.strip, "Empty: SQLite in the data directory. Otherwise a PostgreSQL URL.",
        "postgresql://gql_auth:password@localhost:5432/gql_auth",
    )  # fmt: skip
    database_pool_size: int = _setting(
        10, parsing.whole, "Database connections a process holds at most.", "10"
    )
    secret: str = _setting(
        "", str, "The master secret: passwords are keyed with it, refresh tokens signed, private "
        "keys encrypted. Made by itself on the embedded default; required with PostgreSQL. At "
        "least 32 random characters; losing it ends every session and every password.",
        'the output of: python3 -c "import secrets; print(secrets.token_urlsafe(48))"',
    )  # fmt: skip
    public_url: str = _setting(
        "", lambda text: text.strip().rstrip("/"), "Where browsers reach the server. Decides the "
        "cookie's name and `Secure`. Default: `http://localhost` with the port that is served.",
        "https://auth.example.com",
    )  # fmt: skip
    allowed_origins: tuple[str, ...] = _setting(
        (), parsing.words, "Other origins whose pages may sign in and refresh (CORS with "
        "credentials, cross-site checks).", "https://app.example.com,https://admin.example.com",
    )  # fmt: skip
    issuer: str = _setting(
        "", str.strip, "`iss` of the tokens. Default: `PUBLIC_URL`. Changing it ends the access "
        "tokens in use.", "https://auth.example.com",
    )  # fmt: skip
    audience: str = _setting(
        "", str.strip, "`aud` of the access tokens. Default: `PUBLIC_URL`. Changing it ends the "
        "access tokens in use.", "https://api.example.com",
    )  # fmt: skip
    signing_algorithm: SigningAlgorithm = _setting(
        "ES256", _choice("ES256", "EdDSA", "RS256", "HS256"), "Algorithm of new signing keys. "
        "HS256 has no public key: other services cannot verify.", "EdDSA",
    )  # fmt: skip
    access_token_ttl: timedelta = _setting(
        timedelta(minutes=15), parsing.duration, "Life of an access token.", "15m"
    )
    refresh_token_ttl: timedelta = _setting(
        timedelta(days=7), parsing.duration, "A session ends this long after its last refresh.",
        "7d",
    )  # fmt: skip
    session_max_age: timedelta = _setting(
        timedelta(days=90), parsing.duration, "A session ends at this age in any case.", "90d"
    )
    refresh_race_window: timedelta = _setting(
        timedelta(seconds=10), parsing.duration, "How long after a rotation the token before is "
        "still answered with the same successor, once that one was seen in use.", "10s",
    )  # fmt: skip
    clock_leeway: timedelta = _setting(
        timedelta(seconds=60), parsing.duration, "How far ahead another replica's clock may be: "
        "`iat` up to this much in the future is accepted. Expiry has no leeway.", "60s",
    )  # fmt: skip
    revocation_poll: timedelta = _setting(
        timedelta(seconds=1), parsing.duration, "How often a process looks for sessions that "
        "others ended and for rotated keys.", "1s",
    )  # fmt: skip
    cookie_same_site: SameSite = _setting(
        "lax", _choice("lax", "strict", "none"), "`SameSite` of the refresh cookie. `none` (with "
        "`Partitioned`) is for a front end on another site and needs https.", "none",
    )  # fmt: skip
    password_min_length: int = _setting(
        8, parsing.whole, "Characters of a password at least. NIST SP 800-63B-4 asks for 15 where "
        "the password is the only factor.", "15",
    )  # fmt: skip
    bcrypt_cost: int = _setting(12, parsing.whole, "bcrypt's cost, 10 to 16.", "12")
    hash_queue: int = _setting(
        64, parsing.whole, "Password checks that may wait for a hashing thread; past that the "
        "answer is SERVICE_UNAVAILABLE.", "64",
    )  # fmt: skip
    log_format: LogFormat = _setting(
        "auto", _choice("auto", "json", "console"), "`auto`: JSON lines, or coloured text on a "
        "terminal.", "json",
    )  # fmt: skip
    warnings: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        set_once: Callable[[str, object], None] = lambda name, value: object.__setattr__(  # noqa: E731
            self, name, value
        )
        if not self.public_url:
            low, high = _RANGES["port"]  # a wrong port is one problem, not two
            port = self.port if low <= self.port <= high else 8000
            set_once("public_url", f"http://localhost:{port}")
        set_once("issuer", self.issuer or self.public_url)
        set_once("audience", self.audience or self.public_url)
        problems, notes = _judge(self)
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
                problems.append(_problem(name, text, str(error)))
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
    return {each.name: each for each in dataclasses.fields(Settings) if "doc" in each.metadata}


def _problem(name: str, value: object, why: str, *, mend: str | None = None) -> str:
    """One problem; `mend` is the setting whose example helps, where it is another one."""
    text = parsing.spell(value) if isinstance(value, timedelta) else str(value)
    shown = "" if name in {"secret", "database_url"} else f" {text[:80]!r}"
    mend = mend or name
    example = cast(str, declared()[mend].metadata["example"])
    return f"{PREFIX}{name.upper()}{shown} {why}. Example: {PREFIX}{mend.upper()}={example}"


_RANGES: Final[dict[str, tuple[float, float]]] = {
    "port": (0, 65535),
    "workers": (1, 64),
    "database_pool_size": (1, 1000),
    "password_min_length": (8, 128),
    "bcrypt_cost": (10, 16),
    "hash_queue": (1, 10_000),
    "access_token_ttl": (1, 86400),
    "refresh_token_ttl": (1, 86400 * 366),
    "session_max_age": (1, 86400 * 3660),
    "refresh_race_window": (1, 300),
    "clock_leeway": (0, 300),
    "revocation_poll": (1, 60),
}


def _judge(settings: Settings) -> tuple[list[str], list[str]]:
    """What is wrong with a set of settings, and what is allowed but worth a warning."""
    problems: list[str] = []
    notes: list[str] = []
    for name, (low, high) in _RANGES.items():
        value = getattr(settings, name)
        number = value.total_seconds() if isinstance(value, timedelta) else value
        if not low <= number <= high:
            ends = [
                parsing.spell(timedelta(seconds=end))
                if isinstance(value, timedelta)
                else f"{end:g}"
                for end in (low, high)
            ]
            problems.append(_problem(name, value, f"is not between {ends[0]} and {ends[1]}"))
    if settings.refresh_token_ttl < settings.access_token_ttl:
        problems.append(
            _problem("refresh_token_ttl", settings.refresh_token_ttl,
                     "is shorter than GQL_AUTH_ACCESS_TOKEN_TTL, which it must outlive")
        )  # fmt: skip
    for name in ("public_url", *("allowed_origins",) * bool(settings.allowed_origins)):
        value = getattr(settings, name)
        for url in (value,) if isinstance(value, str) else value:
            try:
                parsing.origin(url)
            except ValueError as error:
                problems.append(_problem(name, url, str(error)))
    if not problems:
        problems += _judge_reach(settings)
    problems += _judge_secret(settings)
    if settings.database_url and settings.embedded and not _is_sqlite(settings.database_url):
        problems.append(_problem("database_url", "", "is neither postgresql:// nor sqlite:///"))
    if settings.cookie_same_site == "none":
        notes.append("GQL_AUTH_COOKIE_SAME_SITE=none sends the refresh cookie on cross-site "
                     "requests; only origins in GQL_AUTH_ALLOWED_ORIGINS may use it")  # fmt: skip
    return problems, notes


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite:///")


def _judge_reach(settings: Settings) -> list[str]:
    """Cookies without `Secure` stay on this machine: plain http serves loopback only."""
    problems: list[str] = []
    if not settings.https:
        if not parsing.is_loopback(urlsplit(settings.public_url).hostname or ""):
            problems.append(_problem("public_url", settings.public_url, "is plain http and not "
                                     "loopback: passwords and cookies would travel in the open"))  # fmt: skip
        elif not parsing.is_loopback(settings.host):
            problems.append(_problem("host", settings.host, "is not loopback, and over plain http "
                                     "the server serves loopback only: set GQL_AUTH_PUBLIC_URL to "
                                     "the https address that browsers use",
                                     mend="public_url"))  # fmt: skip
        if settings.cookie_same_site == "none":
            problems.append(_problem("cookie_same_site", "none",
                                     "needs an https GQL_AUTH_PUBLIC_URL",
                                     mend="public_url"))  # fmt: skip
    problems += [
        _problem("allowed_origins", url, "is plain http and not loopback")
        for url in settings.allowed_origins
        if url.startswith("http://") and not parsing.is_loopback(urlsplit(url).hostname or "")
    ]
    return problems


SECRET_BYTES: Final = 32  # 256 bits, the size of the keys derived from it
_EXAMPLE_WORDS: Final = ("changeme", "change-me", "change_me", "secret", "example", "password",
                         "your-", "token_urlsafe", "insecure", "default", "0123456789", "abcdefgh")  # fmt: skip


def _judge_secret(settings: Settings) -> list[str]:
    """A default, short or patterned master secret is refused: everything hangs on it."""
    secret = settings.secret
    if not secret:
        if settings.embedded:
            return []
        return [_problem("secret", "", "is required with PostgreSQL: every replica needs the same")]
    try:
        size = len(secret.encode())
    except UnicodeEncodeError:  # bytes in the environment that are no text
        return [_problem("secret", "", "is not text in UTF-8")]
    if size < SECRET_BYTES:
        return [_problem("secret", "", "is shorter than 32 characters")]
    if len(set(secret)) < 12 or any(word in secret.lower() for word in _EXAMPLE_WORDS):  # noqa: PLR2004
        return [_problem("secret", "", "looks like an example or a pattern, not like randomness")]
    return []
