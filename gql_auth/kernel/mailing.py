"""Mail and the links in it: the settings that say who sends it, how, and what for."""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import PREFIX, problem, setting
from gql_auth.kernel.parsing import Rate, switch

# The envelope's sender is the operator's own: plain ASCII, as every server takes it.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(
    rf"(?=[^@]{{1,64}}@.{{1,255}}$){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*"
)


def mail_domain(host: str) -> str:
    """The domain for mail of who is served as `host`: in ASCII, and a name."""
    try:
        ip_address(host)
    except ValueError:
        with suppress(UnicodeError):
            return host.encode("idna").decode()
        return host
    return "localhost"


class Notice(StrEnum):
    """What owners are told of by mail, unasked; the names are those of the mails."""

    NEW_SIGN_IN = "new-sign-in"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - a notice
    EMAIL_CHANGED = "email-changed"
    TOKEN_REUSED = "token-reused"  # noqa: S105 - a notice
    DELETION_SCHEDULED = "deletion-scheduled"
    DELETION_CANCELLED = "deletion-cancelled"
    DELETION_DONE = "deletion-done"


def notices(text: str) -> tuple[Notice, ...]:
    """Notices with commas or spaces between them, `all` or `off`.

    Raises:
        ValueError: another word.
    """
    words = parsing.words(text.lower())
    if words == ("all",):
        return tuple(Notice)
    if words == ("off",):
        return ()
    try:
        return tuple(dict.fromkeys(Notice(word) for word in words))
    except ValueError:
        raise ValueError(f"wants all, off, or some of {', '.join(Notice)}") from None


@dataclass(frozen=True, slots=True)
class MailServer:
    """An SMTP server, and how it is spoken to."""

    host: str
    port: int
    tls: Literal["implicit", "starttls", "none"]
    username: str | None
    password: str | None

    def __repr__(self) -> str:
        """Names no secret."""
        return f"MailServer({self.host}:{self.port}, tls={self.tls})"


def mail_server(url: str) -> MailServer:
    """What `smtp://` and `smtps://` URLs say.

    Raises:
        ValueError: it is no such URL; the message holds nothing of it.
    """
    wrong = "is no smtp:// or smtps:// URL with a host"
    try:
        parts = urlsplit(url)
        port = parts.port
        tls = parse_qs(parts.query, strict_parsing=bool(parts.query)).get("tls", [])
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path.strip("/"):
        raise ValueError(wrong)
    if parts.scheme == "smtps":
        found: Literal["implicit", "starttls", "none"] = "implicit"
    else:
        found = "none" if tls == ["none"] else "starttls"
    if tls not in ([], ["none"]) or (parts.scheme == "smtps" and tls):
        raise ValueError("has a ?tls= that is not `none` after smtp://")
    return MailServer(
        parts.hostname,
        port or (465 if found == "implicit" else 587),
        found,
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def judge_mail(settings: Any) -> tuple[list[str], list[str]]:
    """What is wrong with the settings of mail, and what is worth a warning."""
    problems: list[str] = []
    notes: list[str] = []
    if settings.mail_url:
        try:
            server = mail_server(settings.mail_url)
        except ValueError as error:
            problems.append(problem(settings, "mail_url", "", str(error)))
        else:
            if server.tls == "none" and not parsing.is_loopback(server.host):
                notes.append(f"{PREFIX}MAIL_URL has tls=none: links that sign in, and its "
                             "password, travel in the open to the mail server")  # fmt: skip
    elif settings.https:
        notes.append(f"{PREFIX}MAIL_URL is not set: mails wait in the database until it is")
    problems += _judge_template(settings)
    template = settings.link_url_template
    if template and not problems and "{token}" not in urlsplit(template).fragment:
        notes.append(f"{PREFIX}LINK_URL_TEMPLATE has {{token}} before the `#`: it will be in the "
                     "logs of whatever serves that page")  # fmt: skip
    if settings.trusted_documents == "strict" and not template:
        notes.append(f"{PREFIX}LINK_URL_TEMPLATE is not set: links in mails lead nowhere, as the "
                     "page of this server cannot be used with strict documents")  # fmt: skip
    if not _ADDRESS.fullmatch(settings.mail_from):
        problems.append(
            problem(settings, "mail_from", settings.mail_from, "is no plain e-mail address")
        )
    if not settings.app_name.isprintable():
        problems.append(
            problem(settings, "app_name", settings.app_name, "holds control characters")
        )
    return problems, notes


def _judge_template(settings: Any) -> list[str]:
    template = settings.link_url_template
    if not template:
        return []
    if template.count("{token}") != 1 or "{action}" not in template:
        why = "does not hold {action} and {token}"
    elif not _is_safe(template):
        why = "is no https URL: links that sign in would travel in the open"
    else:
        return []
    return [problem(settings, "link_url_template", template, why)]


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and parsing.is_loopback(host))
    )


@dataclass(frozen=True, kw_only=True)
class MailSettings:
    """How mail is sent, and what its links allow. Part of `Settings`."""

    app_name: str = setting(
        "", str.strip, "What mails call the service. Default: the host of `PUBLIC_URL`.", "Acme",
    )  # fmt: skip
    mail_url: str = setting(
        "", str.strip, "The SMTP server: `smtps://` (TLS from the start) or `smtp://` (STARTTLS, "
        "which it must offer; with `?tls=none` none). Without it, mails are files in "
        "`DATA_DIR/mail` over plain http on loopback, and wait elsewhere.",
        "smtps://user:password@smtp.example.com:465",
    )  # fmt: skip
    mail_from: str = setting(
        "", str.strip, "The sender's address. Default: `no-reply@` and the host of `PUBLIC_URL`.",
        "accounts@example.com",
    )  # fmt: skip
    mail_templates: Path | None = setting(
        None, lambda text: Path(text).expanduser(), "Folder of templates that take the place of "
        "ours, file by file; see docs/mail-templates.md.", "/etc/gql-auth/mail",
    )  # fmt: skip
    mail_connections: int = setting(
        4, parsing.whole, "Connections to the SMTP server at a time, at most.", "4",
        between=(1, 100),
    )  # fmt: skip
    mail_timeout: timedelta = setting(
        timedelta(seconds=30), parsing.duration, "How long the SMTP server may take for each "
        "answer.", "30s", between=(1, 600),
    )  # fmt: skip
    mail_retry_for: timedelta = setting(
        timedelta(days=2), parsing.duration, "How long a mail is tried again while servers put it "
        "off; then it is kept as undeliverable.", "2d", between=(60, 86400 * 30),
    )  # fmt: skip
    default_locale: str = setting(
        "en", str.strip, "Language of mails to people who have chosen none that there are "
        "templates for.", "de",
    )  # fmt: skip
    link_url_template: str = setting(
        "", str.strip, "Where links in mails lead: a page of the front end, with `{action}` "
        "(`verify-email`, `reset-password`, `magic-link`, `change-email`) and `{token}`, best in "
        "the fragment, which no server sees. Default: a page of this server.",
        "https://app.example.com/account/{action}#token={token}",
    )  # fmt: skip
    require_verified_email: bool = setting(
        False, switch, "`on`: accounts are made by the link in a mail, and nobody signs in to one "
        "whose address is not verified. Then nothing tells whether an address has an account.",
        "on",
    )  # fmt: skip
    magic_links: bool = setting(
        True, switch, "Whether people may sign in by a link in a mail, without a password.", "off"
    )
    verify_email_ttl: timedelta = setting(
        timedelta(days=1), parsing.duration, "Life of a link that verifies an address.", "1d",
        between=(60, 86400 * 30),
    )  # fmt: skip
    reset_password_ttl: timedelta = setting(
        timedelta(hours=1), parsing.duration, "Life of a link that sets a new password.", "1h",
        between=(60, 86400),
    )  # fmt: skip
    magic_link_ttl: timedelta = setting(
        timedelta(minutes=15), parsing.duration, "Life of a link that signs in.", "15m",
        between=(60, 86400),
    )  # fmt: skip
    change_email_ttl: timedelta = setting(
        timedelta(days=1), parsing.duration, "Life of a link that changes the address.", "1d",
        between=(60, 86400 * 30),
    )  # fmt: skip
    deletion_grace: timedelta = setting(
        timedelta(days=14), parsing.duration, "How long after `deleteAccount` a sign-in restores "
        "the account; `0`: not at all.", "14d", between=(0, 86400 * 365),
    )  # fmt: skip
    notices: tuple[Notice, ...] = setting(
        tuple(Notice), notices, "What owners are told of by mail: `all`, `off`, or some of "
        "`new-sign-in`, `password-changed`, `email-changed`, `token-reused`, `deletion-scheduled`, "
        "`deletion-cancelled`, `deletion-done`.",
        "password-changed,email-changed,token-reused",
    )  # fmt: skip
    throttle_mail_recipient: Rate | None = setting(
        Rate(5, timedelta(hours=1)), parsing.rate, "Mails to one address that anybody can ask "
        "for, and notices of each kind to it.", "5/1h",
    )  # fmt: skip
    throttle_mail_account: Rate | None = setting(
        Rate(10, timedelta(hours=1)), parsing.rate, "Mails, and exports of its data, "
        "that a signed-in account can ask for.",
        "10/1h",
    )  # fmt: skip
    throttle_mail_address: Rate | None = setting(
        Rate(30, timedelta(hours=1)), parsing.rate, "Mails that one network address can ask for.",
        "30/1h",
    )  # fmt: skip
    throttle_link_address: Rate | None = setting(
        Rate(100, timedelta(hours=1)), parsing.rate, "Links of mails that one network address can "
        "try.", "100/1h",
    )  # fmt: skip
