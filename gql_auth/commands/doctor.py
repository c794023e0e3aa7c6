"""`gql-auth doctor`: what is misconfigured, with the mend."""

import asyncio
import json
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from gql_auth.commands.running import REFUSED, outage, own_words
from gql_auth.commands.voices import out
from gql_auth.features.keys.core import SecretMismatch
from gql_auth.features.mail.outlets import TryLater
from gql_auth.features.mail.smtp import SmtpOutlet
from gql_auth.kernel.declaring import SettingsError
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.mailing import mail_server
from gql_auth.kernel.settings import Settings
from gql_auth.posting import outlet_of
from gql_auth.preparing import kept_secret, secret_path
from gql_auth.storage.migrate import HEAD, SchemaOutdated, require_usable
from gql_auth.storage.places import sqlite_path
from gql_auth.system import System

_RECOMMENDED_LENGTH = 15


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `ok`, `warning` (works, could be better) or `problem`."""

    about: str
    state: str
    text: str


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look for what is misconfigured and say how to mend it. Changes nothing. Exits with 1
    where there is a problem."""
    findings = list(_examine())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        marks = {"ok": "[green]ok     [/]", "warning": "[yellow]warning[/]"}
        for finding in findings:
            out.print(marks.get(finding.state, "[red]problem[/]"), end=" ")
            out.print(f"{finding.about}: {finding.text}", markup=False, soft_wrap=True)
    if any(finding.state == "problem" for finding in findings):
        raise typer.Exit(REFUSED)


def _examine() -> Iterator[Finding]:
    try:
        settings = Settings.from_environment()
    except SettingsError as error:
        for problem in error.problems:
            yield Finding("settings", "problem", problem)
        return
    for warning in settings.warnings:
        yield Finding("settings", "warning", warning)
    yield Finding("settings", "ok", f"public URL {settings.public_url}")
    yield from _advice(settings)
    yield from _secret(settings)
    yield from _database(settings)
    yield from _mail(settings)


def _advice(settings: Settings) -> Iterator[Finding]:
    if not settings.https:
        yield Finding("public URL", "warning", "plain http: for this machine only. Set "
                      "GQL_AUTH_PUBLIC_URL to the https address in production")  # fmt: skip
    if settings.password_min_length < _RECOMMENDED_LENGTH:
        yield Finding("passwords", "warning", f"GQL_AUTH_PASSWORD_MIN_LENGTH is "
                      f"{settings.password_min_length}; NIST SP 800-63B-4 asks for 15 where the "
                      "password is the only factor")  # fmt: skip
    if settings.embedded and settings.https:
        yield Finding("database", "warning", "SQLite serves one machine; for several replicas "
                      "set GQL_AUTH_DATABASE_URL to a PostgreSQL URL")  # fmt: skip


def _secret(settings: Settings) -> Iterator[Finding]:
    if settings.secret:
        yield Finding("secret", "ok", "from GQL_AUTH_SECRET")
        return
    path = secret_path(settings)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        kept_secret(settings)
    except FileNotFoundError:
        yield Finding("secret", "ok", f"none yet; the first start makes {path.absolute()}")
    except OSError as error:
        yield Finding("secret", "problem", f"{error.strerror}: {path}. It must be readable by the "
                      "user that the server runs as")  # fmt: skip
    except SettingsError as error:
        yield Finding("secret", "problem", error.problems[0])
    else:
        if mode & 0o077:
            yield Finding("secret", "problem", f"others can read {path}. Run: chmod 600 {path}")
        else:
            yield Finding("secret", "ok", f"{path}, mode {mode:04o}")


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        path = sqlite_path(settings)
        if path is not None and not path.exists():  # asking SQLite would make it
            yield Finding("database", "ok", f"none yet; the first start makes {path}")
            return
        found = require_usable(settings)
    except SettingsError as error:
        yield Finding("database", "problem", error.problems[0])
    except SchemaOutdated as error:
        yield Finding("database", "problem", str(error))
    except Unavailable as error:
        yield Finding("database", "problem", outage(error))
    except DBAPIError as error:
        yield Finding("database", "problem", f"it refuses: {own_words(error)}")
    else:
        if found == HEAD:
            yield Finding("database", "ok", f"reached; the schema is at {HEAD}")
        else:
            yield Finding("database", "warning", f"the schema is at {found}, that of the release "
                          "before: no mail is sent. Run: gql-auth migrate")  # fmt: skip
        yield from _keys(settings)


def _keys(settings: Settings) -> Iterator[Finding]:
    """Whether the secret fits; with the secret given, a system makes and mends no file."""
    try:
        secret = settings.secret or kept_secret(settings).decode()
        waiting = asyncio.run(System(replace(settings, secret=secret)).examine())
    except (SecretMismatch, Unavailable) as error:
        yield Finding("keys", "problem", str(error))
    except (OSError, SettingsError):
        yield Finding("keys", "problem", "without the secret that they were encrypted with, the "
                      "signing keys cannot be opened")  # fmt: skip
    else:
        yield Finding("keys", "ok", "the secret opens the signing keys")
        if waiting is not None and (waiting.dead or waiting.all):
            text = f"{waiting.all} wait, {waiting.dead} were given up. See: gql-auth mail list"
            yield Finding("mails", "warning" if waiting.dead else "ok", text)


def _mail(settings: Settings) -> Iterator[Finding]:
    """Whether mail can leave; the server is asked, and nothing is sent."""
    sender = f"as {settings.mail_from}"
    if settings.mail_url:
        server = mail_server(settings.mail_url)
        where = f"{server.host}:{server.port}"
        how = {"starttls": "STARTTLS", "implicit": "TLS", "none": "no TLS"}[server.tls]
        try:
            asyncio.run(_check(settings))
        except TryLater as trouble:
            yield Finding("mail", "problem", f"{where}, {how}: {trouble.reason}. "
                          "Is GQL_AUTH_MAIL_URL right?")  # fmt: skip
        else:
            signed_in = "signed in" if server.username else "without signing in"
            yield Finding("mail", "ok", f"{where} takes mail {sender}, {how}, {signed_in}")
    elif settings.mails_are_files:
        yield Finding("mail", "ok", f"files in {(settings.data_dir / 'mail').absolute()}, for "
                      "developers")  # fmt: skip


async def _check(settings: Settings) -> None:
    outlet = outlet_of(settings)
    assert isinstance(outlet, SmtpOutlet)  # noqa: S101 - there is a URL
    await outlet.check()
