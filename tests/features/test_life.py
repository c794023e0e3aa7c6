"""Another address, another name, one's data, the end of an account, across the HTTP edge."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest
from sqlmodel import select

from gql_auth import GraphQLAuth, Settings
from gql_auth.app import create_app
from gql_auth.features.audit.tables import EventRow
from gql_auth.features.mail.tables import MailRow
from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.mailing import Notice
from gql_auth.tables import TABLES
from tests.database import look
from tests.live import within
from tests.mailbox import CHANGE, CONFIRM, DELETE, EXPORT, FORGOT, PROFILE, Mailbox, reset, text_of
from tests.support import PASSWORD, GraphQLClient, SettableClock, reason_of

ADA = "ada@example.com"
NEW = "ada@elsewhere.example"


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def auth(
    settings: Settings, clock: SettableClock, box: Mailbox
) -> AsyncIterator[GraphQLAuth]:
    """The standalone server's parts with an outlet of the test's own."""
    made = GraphQLAuth(settings, clock=clock, mail=box)
    async with made.running():
        yield made


async def test_another_address(connect: Callable[..., GraphQLClient], box: Mailbox) -> None:
    """The new address proves itself by a link, from whatever browser; the other sessions end, the
    old address is told, and signs in no more."""
    client, other, mail_program = connect(), connect(), connect()
    await client.signup()
    await other.login()
    wrong = await client.field(CHANGE, {"newEmail": NEW, "password": "wrong"})
    assert wrong["__typename"] == "InvalidCredentials"
    asked = await client.field(CHANGE, {"newEmail": NEW, "password": PASSWORD})
    assert asked["__typename"] == "MailRequested"
    assert (await client.me())["data"]["me"]["email"] == ADA
    token = await box.token(NEW, "change-email")
    done = await mail_program.field(CONFIRM, {"token": token})
    assert (done["user"]["email"], done["user"]["emailVerified"]) == (NEW, True)
    assert done["endedSessions"] == 1
    assert (await client.me())["data"]["me"]["email"] == NEW
    assert reason_of(await other.me()) == "SESSION_REVOKED"
    told = text_of(await box.next(ADA, "address was changed"))
    assert NEW not in told
    assert (await other.login())["__typename"] == "InvalidCredentials"
    assert (await other.login(email=NEW))["__typename"] == "AuthPayload"
    assert (await other.field(CONFIRM, {"token": token}))["reason"] == "USED"


async def test_an_address_that_is_taken(
    connect: Callable[..., GraphQLClient], box: Mailbox
) -> None:
    """Whoever asks for a taken address is answered like any; its owner is told. One that is taken
    while the link is on its way says so to whom has the link."""
    client, owner = connect(), connect()
    await client.signup()
    await owner.signup(email=NEW)
    taken = await client.field(CHANGE, {"newEmail": NEW.upper(), "password": PASSWORD})
    third = {"newEmail": "third@example.com", "password": PASSWORD}
    assert taken == await client.field(CHANGE, third)
    assert "nothing has changed" in text_of(await box.next(NEW, "already has"))
    token = await box.token("third@example.com", "change-email")
    await connect().signup(email="third@example.com")
    assert (await client.field(CONFIRM, {"token": token}))["__typename"] == "EmailTaken"


async def test_a_new_password_stops_a_change_of_address(
    client: GraphQLClient, box: Mailbox
) -> None:
    """Who got in and asked for an address of theirs has lost when the owner resets the password."""
    await client.signup()
    await client.field(CHANGE, {"newEmail": NEW, "password": PASSWORD})
    token = await box.token(NEW, "change-email")
    await client.field(FORGOT, {"email": ADA})
    await reset(client, await box.token(ADA, "reset-password"), "owners new password")
    assert (await client.field(CONFIRM, {"token": token}))["reason"] == "INVALID"


async def test_the_profile(connect: Callable[..., GraphQLClient]) -> None:
    """What is given changes, null clears, what is left out stays; what breaks rules names them."""
    client, other = connect(), connect()
    await client.signup(username="ada", name="Ada")
    await other.signup(email="bob@example.com", username="bob")

    async def change(**given: object) -> dict[str, object]:
        found: dict[str, object] = await client.field(PROFILE, {"input": given})
        return found

    changed = (await change(name="  Ada L. ", locale="de-AT"))["user"]
    assert changed == {
        "id": changed["id"],
        "email": ADA,
        "emailVerified": False,
        "username": "ada",
        "name": "Ada L.",
        "locale": "de-AT",
    }
    assert (await change(username=None))["user"]["username"] is None
    assert (await change(username="BOB"))["__typename"] == "UsernameTaken"
    assert (await change())["user"]["name"] == "Ada L."
    wrong = await change(username="x", name="a\u202eb", locale="not a tag")
    assert [each["field"] for each in wrong["violations"]] == ["username", "name", "locale"]
    assert (await client.login(username="ada"))["__typename"] == "InvalidCredentials"


async def test_deletion_and_second_thoughts(
    connect: Callable[..., GraphQLClient], box: Mailbox, auth: GraphQLAuth, clock: SettableClock
) -> None:
    """Deletion ends every session and is announced; a sign-in within the grace keeps the account;
    after it, nobody signs in, and nothing is left but one bare event."""
    client, other = connect(), connect()
    await client.signup()
    await other.login()
    assert (await client.field(DELETE, {"password": "x"}))["__typename"] == "InvalidCredentials"
    deleted = await client.field(DELETE, {"password": PASSWORD})
    at = datetime.fromisoformat(deleted["deletesAt"])
    assert at == clock.now() + timedelta(days=14)
    assert not client.cookies
    assert reason_of(await other.me()) == "SESSION_REVOKED"
    await box.next(ADA, "will be deleted")
    clock.forward(days=14, seconds=-1)
    await auth.system.clean()
    assert (await client.login())["__typename"] == "AuthPayload"
    await box.next(ADA, "will be kept")
    clock.forward(seconds=2)
    await auth.system.clean()
    user_id = (await client.me())["data"]["me"]["id"]

    await client.field(DELETE, {"password": PASSWORD})
    clock.forward(days=14)
    assert (await client.login())["__typename"] == "InvalidCredentials"
    await auth.system.clean()  # other processes learn of ended sessions from their rows
    assert look(auth.settings, select(UserRow.id))
    clock.forward(minutes=20)
    await auth.system.clean()
    await box.next(ADA, "was deleted")
    await within(5, lambda: look(auth.settings, select(MailRow.id)) == [])
    assert look(auth.settings, select(UserRow.id)) == []
    events = look(auth.settings, select(EventRow.tag, EventRow.ip_address, EventRow.detail))
    mine = [each for each in events if each[0] != "user:login:failed"]
    assert [tuple(each) for each in mine if each[0].startswith(("user:", "session:"))] == [
        ("user:deletion:done", None, {})
    ]
    for table in TABLES:
        if "user_id" in table.c and table.name != EventRow.__tablename__:
            # The last mail may not be noted as sent yet; it names no account.
            assert {tuple(row) for row in look(auth.settings, select(table.c.user_id))} <= {
                (None,)
            }, table.name
    assert (await client.signup())["user"]["id"] != user_id


async def test_all_that_is_held(client: GraphQLClient, box: Mailbox) -> None:
    """The export holds the account, its sessions and events, and no secret."""
    await client.signup(name="Ada")
    await box.token(ADA, "verify-email")
    answer = await client.field(EXPORT)
    data = answer["data"]
    assert data["account"]["email"] == ADA
    assert len(data["sessions"]) == 1
    assert [each["tag"] for each in data["events"]] == ["user:signup:succeeded"]
    assert [each["purpose"] for each in data["links"]] == ["verify-email"]
    assert not {"hash", "token"} & set(str(data).lower().replace("'", " ").split())
    assert "h1:" not in str(data)


async def test_a_sign_in_from_elsewhere_is_told(
    connect: Callable[..., GraphQLClient], box: Mailbox
) -> None:
    """The owner is told of a device that was not seen before; not of the same one, a newer
    release of its browser, or one that still has a cookie of the account."""
    client = connect()
    await client.signup()
    firefox = {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0"}

    async def login(who: GraphQLClient, **headers: str) -> None:
        from tests.support import LOGIN

        sent = {"input": {"email": ADA, "password": PASSWORD}}
        assert (await who.field(LOGIN, sent, **headers))["__typename"] == "AuthPayload"

    await login(connect(), **firefox)
    mail = text_of(await box.next(ADA, "New sign-in"))
    assert "Device: Firefox, Linux" in mail
    await login(connect(), User_Agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/131.2")
    await login(client, User_Agent="curl")
    await login(connect(), User_Agent="Mozilla/5.0 (Windows NT) Edg/1 http://evil.example")
    last = text_of(await box.next(ADA, "New sign-in"))
    assert "Device: Edge, Windows" in last
    assert "evil" not in last
    assert box.subjects(ADA) == ["Confirm your e-mail address"]


async def test_notices_can_be_turned_off(
    sqlite_settings: Settings, clock: SettableClock, box: Mailbox
) -> None:
    """What the operator has turned off is not sent; the rest is."""
    settings = replace(sqlite_settings, notices=(Notice.DELETION_SCHEDULED,))
    made = GraphQLAuth(settings, clock=clock, mail=box)
    transport = httpx.ASGITransport(create_app(made))
    async with (
        made.running(),
        httpx.AsyncClient(transport=transport, base_url=settings.public_url) as http,
    ):
        client = GraphQLClient(http, settings.public_url)
        await client.signup()
        await GraphQLClient(http).login()
        await client.field(DELETE, {"password": PASSWORD})
        await box.next(ADA, "will be deleted")
    assert box.subjects(ADA) == ["Confirm your e-mail address"]
