"""What is wrong with a set of settings, and what is allowed but worth a warning."""

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import PREFIX, fields_of, problem
from gql_auth.kernel.mailing import judge_mail
from gql_auth.kernel.transports import Transport


def judge(settings: Any) -> tuple[list[str], list[str]]:
    """What is wrong with a set of settings, and what is allowed but worth a warning."""
    problems: list[str] = []
    problems += _judge_ranges(settings)
    if settings.refresh_token_ttl < settings.access_token_ttl:
        problems.append(
            problem(settings, "refresh_token_ttl", settings.refresh_token_ttl,
                     "is shorter than GQL_AUTH_ACCESS_TOKEN_TTL, which it must outlive")
        )  # fmt: skip
    if settings.revocation_staleness <= settings.revocation_poll:
        problems.append(
            problem(settings, "revocation_staleness", settings.revocation_staleness,
                     "is not longer than GQL_AUTH_REVOCATION_POLL: every token would be refused")
        )  # fmt: skip
    if settings.trusted_documents != "off" and settings.trusted_documents_manifest is None:
        problems.append(
            problem(settings, "trusted_documents", settings.trusted_documents,
                    "needs a manifest", mend="trusted_documents_manifest")
        )  # fmt: skip
    if settings.database_direct_url and settings.embedded:
        problems.append(
            problem(settings, "database_direct_url", "",
                    "goes with a PostgreSQL GQL_AUTH_DATABASE_URL", mend="database_url")
        )  # fmt: skip
    if not settings.refresh_transports or not set(settings.refresh_transports) <= set(Transport):
        problems.append(
            problem(settings, "refresh_transports", ",".join(settings.refresh_transports),
                    "wants cookie, body, or both")
        )  # fmt: skip
    for name in ("public_url", *("allowed_origins",) * bool(settings.allowed_origins)):
        value = getattr(settings, name)
        for url in (value,) if isinstance(value, str) else value:
            try:
                parsing.origin(url)
            except ValueError as error:
                problems.append(problem(settings, name, url, str(error)))
    if not problems:
        problems += _judge_reach(settings)
    problems += _judge_secret(settings)
    if settings.database_url and settings.embedded and not _is_sqlite(settings.database_url):
        problems.append(
            problem(settings, "database_url", "", "is neither postgresql:// nor sqlite:///")
        )
    wrong, notes = judge_mail(settings)
    return problems + wrong, _notes(settings) + notes


def _judge_ranges(settings: Any) -> list[str]:
    problems: list[str] = []
    for name, field in fields_of(settings).items():
        if field.metadata["between"] is None:
            continue
        low, high = field.metadata["between"]
        value = getattr(settings, name)
        number = value.total_seconds() if isinstance(value, timedelta) else value
        if not low <= number <= high:
            ends = [
                parsing.spell(timedelta(seconds=end))
                if isinstance(value, timedelta)
                else f"{end:g}"
                for end in (low, high)
            ]
            problems.append(
                problem(settings, name, value, f"is not between {ends[0]} and {ends[1]}")
            )
    return problems


def _notes(settings: Any) -> list[str]:
    """What is allowed, and weakens something."""
    notes: list[str] = []
    if settings.cookie_same_site == "none":
        notes.append("GQL_AUTH_COOKIE_SAME_SITE=none sends the refresh cookie on cross-site "
                     "requests; only origins in GQL_AUTH_ALLOWED_ORIGINS may use it")  # fmt: skip
    if settings.https and not settings.trusted_proxies:
        notes.append("GQL_AUTH_TRUSTED_PROXIES is not set: behind a proxy all clients have its "
                     "address, and throttles by address count them as one")  # fmt: skip
    if settings.https and settings.introspection:
        notes.append("GQL_AUTH_INTROSPECTION is on: anybody can read the whole schema; set it to "
                     "off unless the API is public")  # fmt: skip
    off = [
        name for name in fields_of(settings)
        if name.startswith("throttle_") and getattr(settings, name) is None
    ]  # fmt: skip
    notes += [f"{PREFIX}{name.upper()}=off: nothing limits these attempts" for name in off]
    return notes


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite:///")


def _judge_reach(settings: Any) -> list[str]:
    """Cookies without `Secure` stay on this machine: plain http serves loopback only."""
    problems: list[str] = []
    if not settings.https:
        if not parsing.is_loopback(urlsplit(settings.public_url).hostname or ""):
            problems.append(problem(settings, "public_url", settings.public_url, "is plain http "
                                    "and not loopback: passwords and cookies would travel in "
                                    "the open"))  # fmt: skip
        elif not parsing.is_loopback(settings.host):
            problems.append(problem(settings, "host", settings.host, "is not loopback, and over "
                                     "plain http the server serves loopback only: set "
                                     "GQL_AUTH_PUBLIC_URL to "
                                     "the https address that browsers use",
                                     mend="public_url"))  # fmt: skip
        if settings.cookie_same_site == "none":
            problems.append(problem(settings, "cookie_same_site", "none",
                                     "needs an https GQL_AUTH_PUBLIC_URL",
                                     mend="public_url"))  # fmt: skip
    problems += [
        problem(settings, "allowed_origins", url, "is plain http and not loopback")
        for url in settings.allowed_origins
        if url.startswith("http://") and not parsing.is_loopback(urlsplit(url).hostname or "")
    ]
    return problems


SECRET_BYTES: Final = 32  # 256 bits, the size of the keys derived from it
_EXAMPLE_WORDS: Final = ("changeme", "change-me", "change_me", "secret", "example", "password",
                         "your-", "token_urlsafe", "insecure", "default", "0123456789",
                         "abcdefgh")  # fmt: skip


def _judge_secret(settings: Any) -> list[str]:
    """A default, short or patterned master secret is refused: everything hangs on it."""
    secret = settings.secret
    if not secret:
        if settings.embedded:
            return []
        return [
            problem(
                settings, "secret", "", "is required with PostgreSQL: every replica needs the same"
            )
        ]
    try:
        size = len(secret.encode())
    except UnicodeEncodeError:  # bytes in the environment that are no text
        return [problem(settings, "secret", "", "is not text in UTF-8")]
    if size < SECRET_BYTES:
        return [problem(settings, "secret", "", "is shorter than 32 characters")]
    if len(set(secret)) < 12 or any(word in secret.lower() for word in _EXAMPLE_WORDS):  # noqa: PLR2004
        return [
            problem(
                settings, "secret", "", "looks like an example or a pattern, not like randomness"
            )
        ]
    return []
