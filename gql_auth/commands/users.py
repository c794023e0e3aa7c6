"""`gql-auth users create | list | disable | enable | set-roles | sessions | story | events |
revoke`."""

import sys
from datetime import datetime
from operator import itemgetter
from typing import Annotated, Any
from uuid import UUID

import typer

from gql_auth.commands.running import REFUSED, fail, show, with_system
from gql_auth.commands.voices import out
from gql_auth.features.audit.core import Audit, Event
from gql_auth.features.life.core import Life
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.refusals import EndReason, SessionNotFound
from gql_auth.features.sessions.rotation import Session
from gql_auth.features.signin.core import SignIn
from gql_auth.features.users.core import User, Users
from gql_auth.kernel.clock import SystemClock
from gql_auth.system import System

app = typer.Typer(help="Accounts: make, list, disable, give roles, end sessions.",
                  no_args_is_help=True)  # fmt: skip

Who = Annotated[str, typer.Argument(help="E-mail address, username or id.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    email: Annotated[str, typer.Argument(help="The e-mail address.")],
    username: Annotated[str | None, typer.Option(help="A second name to log in with.")] = None,
    name: Annotated[str | None, typer.Option(help="What the person is called.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role; may be repeated.")] = None,
    verified: Annotated[
        bool, typer.Option("--verified", help="The address is known to reach the person.")
    ] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make an account. The password is asked for, or read from standard input; it never appears
    among the arguments, which other users of the machine can see."""
    if password_stdin:
        # Bytes, so that the locale does not decide what the password is.
        try:
            password = sys.stdin.buffer.readline().decode().rstrip("\r\n")
        except UnicodeDecodeError:
            fail("The password on standard input is not UTF-8.", REFUSED)
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)

    async def act(system: System) -> User:
        return await system.part(SignIn).create_account(
            email=email,
            password=password,
            username=username,
            name=name,
            roles=tuple(role or ()),
            verified=verified,
        )

    show([_row(with_system(act))], as_json=as_json, title="users")


@app.command()
def delete(
    user: Who,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Without a grace in which a sign-in keeps it.")
    ] = False,
) -> None:
    """Have an account deleted after its grace; its sessions end now, and its owner is told."""

    async def act(system: System) -> datetime:
        async with system.units.read() as unit:
            found = await unit.get(Users).require(user)
        return await system.part(Life).delete_for(found.id, at_once=at_once)

    at = with_system(act)
    out.print(f"It will be deleted at {at:%Y-%m-%d %H:%M} UTC, once the last access token is over.")


@app.command("list")
def list_users(as_json: Json = False) -> None:
    """List the accounts, oldest first."""

    async def act(system: System) -> list[User]:
        found: list[User] = []
        while True:
            async with system.units.read() as unit:
                page = await unit.get(Users).page(found[-1].id if found else None)
            found += page
            if not page:
                return found

    show([_row(user) for user in with_system(act)], as_json=as_json, title="users")


@app.command()
def disable(user: Who) -> None:
    """Keep an account from signing in and end its sessions at once."""

    async def act(system: System) -> int:
        async with system.units.read() as unit:
            found = await unit.get(Users).require(user)
        return await system.part(SignIn).disable(found.id)

    out.print(f"Disabled; {_count(with_system(act))} ended.")


@app.command()
def enable(user: Who) -> None:
    """Let a disabled account sign in again."""

    async def act(system: System) -> None:
        async with system.units.write() as unit:
            users = unit.get(Users)
            await users.enable((await users.require(user)).id)

    with_system(act)
    out.print("Enabled.")


@app.command("set-roles")
def set_roles(
    user: Who,
    roles: Annotated[list[str] | None, typer.Argument(help="All its roles; none clears.")] = None,
) -> None:
    """Replace an account's roles. Tokens carry them from the next refresh on."""

    async def act(system: System) -> User:
        async with system.units.write() as unit:
            users = unit.get(Users)
            found = await users.require(user)
            await users.set_roles(found.id, roles or [])
            return await users.require(str(found.id))

    changed = with_system(act)
    out.print(f"Roles: {', '.join(changed.roles) or 'none'}. They count from the next refresh on.")


@app.command()
def sessions(
    user: Who,
    alive: Annotated[bool, typer.Option("--alive", help="Only those that have not ended.")] = False,
    as_json: Json = False,
) -> None:
    """List an account's sessions, newest first, with why and when each ended. `gql-auth users
    story` tells what happened to one of them."""

    async def act(system: System) -> list[Session]:
        async with system.units.read() as unit:
            found = await unit.get(Users).require(user)
            return await unit.get(Sessions).of_user(found.id, ended_too=not alive)

    now = SystemClock().now()
    rows = [_session_row(session, now) for session in with_system(act)]
    show(rows, as_json=as_json, title="sessions")


@app.command()
def story(
    session: Annotated[UUID, typer.Argument(help="The session's id, from `users sessions`.")],
    as_json: Json = False,
) -> None:
    """Tell what happened to one session, from sign-in to end: why somebody was logged out."""

    async def act(system: System) -> tuple[Session | None, list[Event]]:
        async with system.units.read() as unit:
            return await unit.get(Sessions).find(session), await unit.get(Audit).story_of_session(
                session
            )

    found, events = with_system(act)
    if found is None and not events:
        fail(
            "There is no such session, or it ended so long ago that it is kept no longer.", REFUSED
        )
    rows = [(event.at, _event_row(event)) for event in events]
    if found is not None:
        rows += _chapters(found, SystemClock().now())
    told = [row for _, row in sorted(rows, key=itemgetter(0))]
    show(told, as_json=as_json, title="events")


@app.command()
def events(
    user: Who,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 100,
    as_json: Json = False,
) -> None:
    """List what happened to an account, newest first."""

    async def act(system: System) -> list[Event]:
        async with system.units.read() as unit:
            found = await unit.get(Users).require(user)
            return await unit.get(Audit).story(found.id, limit)

    show([_event_row(event) for event in with_system(act)], as_json=as_json, title="events")


@app.command()
def revoke(
    user: Who,
    session: Annotated[str | None, typer.Option(help="One session's id; else all.")] = None,
) -> None:
    """End an account's sessions, or one of them, at once."""

    async def act(system: System) -> int:
        async with system.units.write() as unit:
            found = await unit.get(Users).require(user)
            service = unit.get(Sessions)
            if session is None:
                return await service.end_all(found.id, EndReason.REVOKED_BY_OPERATOR)
            try:
                wanted = UUID(session)
            except ValueError:
                raise SessionNotFound from None
            ended = await service.end(wanted, EndReason.REVOKED_BY_OPERATOR, user_id=found.id)
            if ended is None:
                raise SessionNotFound
            return 1

    out.print(f"{_count(with_system(act))} ended.")


def _count(ended: int) -> str:
    return "1 session" if ended == 1 else f"{ended} sessions"


def _row(user: User) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "email": user.email,
        "username": user.username,
        "name": user.name,
        "roles": list(user.roles),
        "created": _spelled(user.created_at),
        "disabled": _spelled(user.disabled_at),
    }


def _session_row(session: Session, now: datetime) -> dict[str, Any]:
    ended, why = _end_of(session, now)
    return {
        "id": str(session.id),
        "created": _spelled(session.created_at),
        "last used": _spelled(session.rotated_at),
        "refreshes": session.generation,
        "expires": _spelled(session.expires_at),
        "ended": _spelled(ended),
        "why": why,
        "ip": session.client.ip_address,
        "user agent": session.client.user_agent,
    }


def _end_of(session: Session, now: datetime) -> tuple[datetime | None, str | None]:
    """When and why it ended; expiry leaves no trace but the time itself."""
    if session.revoked_at is not None:
        return session.revoked_at, session.end_reason
    return (session.expires_at, "expired") if now >= session.expires_at else (None, None)


def _event_row(event: Event) -> dict[str, Any]:
    detail = {name: value for name, value in event.detail.items() if value is not None}
    return {
        "at": _spelled(event.at),
        "what": event.tag.value,
        "detail": ", ".join(f"{name}: {value}" for name, value in detail.items()) or None,
        "session": str(event.session_id) if event.session_id else None,
        "ip": event.client.ip_address,
        "user agent": event.client.user_agent,
    }


def _chapters(session: Session, now: datetime) -> list[tuple[datetime, dict[str, Any]]]:
    """What the session's row tells beside its events: refreshes are no events, there are too
    many; nor is it one when nobody comes back until it expires."""
    told = []
    if session.generation:
        detail = f"refreshed {session.generation} times; the last from here"
        told.append((session.rotated_at, "session:refresh:last", detail))
    if _end_of(session, now)[1] == "expired":
        told.append((session.expires_at, "session:end:expired", "not refreshed in time"))
    return [
        (at, {"at": _spelled(at), "what": what, "detail": detail, "session": str(session.id),
              "ip": session.client.ip_address, "user agent": session.client.user_agent})
        for at, what, detail in told
    ]  # fmt: skip


def _spelled(instant: datetime | None) -> str | None:
    return instant.isoformat(timespec="seconds") if instant else None
