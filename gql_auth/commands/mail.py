"""`gql-auth mail list | retry | test`."""

import asyncio
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from gql_auth.commands.running import (
    NOT_READY,
    REFUSED,
    explained,
    fail,
    load_settings,
    show,
    with_system,
)
from gql_auth.commands.voices import out
from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.keys.sealing import BrokenSeal, Seal
from gql_auth.features.mail.core import Item, MailKind, MailStore
from gql_auth.features.mail.outlets import MailOutlet, TryLater, Undeliverable
from gql_auth.features.mail.smtp import SmtpOutlet
from gql_auth.kernel.clock import Clock, SystemClock
from gql_auth.kernel.entropy import random_bytes
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.posting import composer_of, outlet_of
from gql_auth.storage.revision import Revision
from gql_auth.system import System

app = typer.Typer(help="Mail: what waits, what was given up, and whether it can be sent.",
                  no_args_is_help=True)  # fmt: skip

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_PAGE = 500


@app.command("list")
def list_mails(
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Those that wait, instead of those given up.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the mails that were given up, or those that wait, oldest first. What they say is not
    shown: there are links in them that sign in."""

    async def act(system: System) -> list[dict[str, Any]]:
        seal = Seal(system.part(MasterSecret), "mail")
        return [_row(item, seal) for item in await _all(system, dead=not waiting)]

    show(with_system(act), as_json=as_json, title="mails")


@app.command()
def retry(
    mails: Annotated[list[UUID] | None, typer.Argument(help="Ids, from `mail list`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
) -> None:
    """Have mails sent that were given up, by a server that runs."""
    if bool(mails) == everything:
        raise typer.BadParameter("name mails, or --all")

    async def act(system: System) -> list[UUID]:
        now = system.part(Clock).now()
        chosen = mails or [item.id for item in await _all(system, dead=True)]
        async with system.units.write() as unit:
            return [each for each in chosen if await unit.get(MailStore).revive(each, now)]

    revived = with_system(act)
    lacking = set(mails or ()) - set(revived)
    out.print(f"{len(revived)} will be tried again.")
    if lacking:
        fail(f"Not among those given up: {', '.join(map(str, sorted(lacking)))}", REFUSED)


@app.command("test")
def try_out(
    address: Annotated[str, typer.Argument(help="Where to.")],
    locale: Annotated[str | None, typer.Option(help="The language, as `de`.")] = None,
) -> None:
    """Send a mail now, to see whether it arrives."""
    with explained():
        settings = load_settings()
        outlet = outlet_of(settings)
        if outlet is None:
            fail("GQL_AUTH_MAIL_URL is not set.", NOT_READY)
        now = SystemClock().now()
        try:
            asyncio.run(_send(settings, outlet, address, locale, now))
        except TryLater as trouble:
            fail(f"Not sent, but perhaps later: {trouble.reason}", REFUSED)
        except Undeliverable as trouble:
            fail(f"Not sent: {trouble.reason}", REFUSED)
    out.print("Sent." if settings.mail_url else "Written.", markup=False)


async def _send(
    settings: Settings, outlet: MailOutlet, address: str, locale: str | None, now: datetime
) -> None:
    item = Item(
        id=UUID(bytes=random_bytes(16), version=4),
        kind=MailKind.TEST,
        is_errand=False,
        sealed=b"",
        user_id=None,
        created_at=now,
        due_at=now,
    )
    content: dict[str, Any] = {"to": address, "locale": locale, "words": {}}
    message = composer_of(settings)(item, content)
    recipient = message["To"].addresses[0].addr_spec
    try:
        await outlet.send(message, sender=settings.mail_from, recipient=recipient)
    finally:
        if isinstance(outlet, SmtpOutlet):
            await outlet.close()


async def _all(system: System, *, dead: bool) -> list[Item]:
    if not system.part(Revision).is_current:
        raise Unavailable("There is no outbox yet. Run: gql-auth migrate")
    found: list[Item] = []
    while True:
        async with system.units.read() as unit:
            after = found[-1].id if found else None
            page = await unit.get(MailStore).page(after, _PAGE, dead=dead)
        found += page
        if not page:
            return found


def _row(item: Item, seal: Seal) -> dict[str, Any]:
    try:
        content = seal.open(item.sealed, item.id)
    except BrokenSeal:
        content = {}
    return {
        "id": str(item.id),
        "what": item.kind,
        "to": content.get("to") or content.get("email"),
        "account": str(item.user_id) if item.user_id else None,
        "created": item.created_at.isoformat(timespec="seconds"),
        "tries": item.attempts,
        "next": item.due_at.isoformat(timespec="seconds") if item.due_at else None,
        "given up": item.dead_at.isoformat(timespec="seconds") if item.dead_at else None,
        "reason": item.last_error,
    }
