"""Verifying addresses, resetting passwords and signing in by mail, across the HTTP edge."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gql_auth import GraphQLAuth, Settings
from gql_auth.app import create_app
from tests.mailbox import (
    ENTER,
    FORGOT,
    MAGIC,
    RESEND,
    VERIFY,
    Mailbox,
    link_of,
    reset,
    text_of,
)
from tests.support import PASSWORD, GraphQLClient, SettableClock, reason_of

ADA = "ada@example.com"
NEW = "another fine password"


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


@pytest.fixture
async def strict(
    sqlite_settings: Settings, clock: SettableClock, box: Mailbox
) -> AsyncIterator[Callable[..., GraphQLClient]]:
    """Clients of a server that demands verified addresses."""
    made = GraphQLAuth(replace(sqlite_settings, require_verified_email=True), clock=clock, mail=box)
    transport = httpx.ASGITransport(create_app(made))
    async with (
        made.running(),
        httpx.AsyncClient(transport=transport, base_url=made.settings.public_url) as http,
    ):

        def connect() -> GraphQLClient:
            return GraphQLClient(http, made.settings.public_url)

        yield connect


async def test_an_address_is_verified_by_the_mail_that_signing_up_sends(
    client: GraphQLClient, box: Mailbox
) -> None:
    """The link in the mail verifies once; the account shows it."""
    await client.signup()
    token = await box.token(ADA, "verify-email")
    done = await client.field(VERIFY, {"token": token})
    assert done["user"]["emailVerified"] is True
    assert (await client.me())["data"]["me"]["emailVerified"] is True
    again = await client.field(VERIFY, {"token": token})
    assert (again["__typename"], again["reason"]) == ("MailTokenRejected", "USED")


async def test_resending_replaces_the_link(client: GraphQLClient, box: Mailbox) -> None:
    """The newest link works, the one before says so; asked for by address, or for oneself."""
    await client.signup()
    first = await box.token(ADA, "verify-email")
    assert (await client.field(RESEND))["__typename"] == "MailRequested"
    second = await box.token(ADA, "verify-email")
    assert (await client.field(VERIFY, {"token": first}))["reason"] == "REPLACED"
    assert (await client.field(RESEND, {"email": "ADA@example.com"}))["message"]
    third = await box.token(ADA, "verify-email")
    assert (await client.field(VERIFY, {"token": second}))["reason"] == "REPLACED"
    assert (await client.field(VERIFY, {"token": third}))["__typename"] == "VerifyEmailPayload"
    stranger = GraphQLClient(client.http, client.origin)
    assert reason_of(await stranger.post(RESEND)) == "ACCESS_TOKEN_MISSING"


async def test_a_forgotten_password_is_set_anew(
    connect: Callable[..., GraphQLClient], box: Mailbox, clock: SettableClock
) -> None:
    """The link sets a password once, ends every session, verifies the address, and the owner is
    told; the old password is of no use."""
    client, other = connect(), connect()
    await client.signup()
    await other.login()
    assert (await client.field(FORGOT, {"email": ADA}))["__typename"] == "MailRequested"
    token = await box.token(ADA, "reset-password")
    weak = await reset(client, token, "short")
    assert weak["violations"][0]["field"] == "newPassword"
    assert await reset(client, token, NEW) == {
        "__typename": "ResetPasswordPayload",
        "endedSessions": 2,
    }
    assert reason_of(await client.me()) == "SESSION_REVOKED"
    assert (await other.refresh())["reason"] == "REVOKED"
    assert (await client.login())["__typename"] == "InvalidCredentials"
    assert (await client.login(NEW))["user"]["emailVerified"] is True
    assert (await reset(client, token, NEW + "!"))["reason"] == "USED"
    told = text_of(await box.next(ADA, "password was changed"))
    assert "127.0.0.1" in told


async def test_a_reset_link_ends(client: GraphQLClient, box: Mailbox, clock: SettableClock) -> None:
    """It is dead after its time, and after any change of the password."""
    await client.signup()
    for span, reason in ({"hours": 1}, "EXPIRED"), ({"seconds": 3599}, None):
        await client.field(FORGOT, {"email": ADA})
        token = await box.token(ADA, "reset-password")
        clock.forward(**span)
        answer = await reset(client, token, NEW)
        assert answer.get("reason") == reason
    await client.field(FORGOT, {"email": ADA})
    token = await box.token(ADA, "reset-password")
    await client.login(NEW)
    changed = await client.field(
        "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }",
        {"input": {"currentPassword": NEW, "newPassword": PASSWORD}},
    )
    assert changed["__typename"] == "ChangePasswordPayload"
    assert (await reset(client, token, NEW))["reason"] == "INVALID"


async def test_signing_in_by_mail(connect: Callable[..., GraphQLClient], box: Mailbox) -> None:
    """In the browser that asked, the link signs in at once; in another, once the person has
    confirmed; each link once."""
    client, other = connect(), connect()
    await client.signup()
    await client.post("mutation { logout { sessionEnded } }")
    client.access_token = None
    for who, confirmed in (client, False), (other, True):
        await client.field(MAGIC, {"email": ADA})
        assert "magic_link" in client.cookies
        token = await box.token(ADA, "magic-link")
        if who is other:
            asked = await other.field(ENTER, {"token": token})
            assert (asked["__typename"], asked["email"]) == ("ConfirmationRequired", ADA)
        entered = await who.field(ENTER, {"token": token, "confirmed": confirmed})
        assert entered["__typename"] == "AuthPayload"
        assert entered["user"]["emailVerified"] is True
        assert who.cookies["refresh_token"]
        if who is client:
            assert "magic_link" not in client.cookies
        used = await who.field(ENTER, {"token": token, "confirmed": True})
        assert used["reason"] == "USED"
        who.access_token = entered["accessToken"]
        assert (await who.me())["data"]["me"]["email"] == ADA


async def test_only_one_of_many_uses_a_link(
    auth: GraphQLAuth, client: GraphQLClient, box: Mailbox
) -> None:
    """Of ten that use a link at the same moment, from places that no throttle puts in a row, one
    gets in."""
    await client.signup()
    await client.field(MAGIC, {"email": ADA})
    sent = {"token": await box.token(ADA, "magic-link"), "confirmed": True}
    app = create_app(auth)
    async with AsyncExitStack() as stack:
        racers = []
        for number in range(10):
            transport = httpx.ASGITransport(app, client=(f"198.51.100.{number}", 1))
            http = httpx.AsyncClient(transport=transport, base_url=auth.settings.public_url)
            racers.append(GraphQLClient(await stack.enter_async_context(http)))
        answers = await asyncio.gather(*(each.field(ENTER, sent) for each in racers))
    found = Counter(each.get("reason", each["__typename"]) for each in answers)
    assert found == {"AuthPayload": 1, "USED": 9}


async def test_no_account_before_its_address_is_verified(
    strict: Callable[..., GraphQLClient], box: Mailbox
) -> None:
    """Where verified addresses are demanded, signing up sends a link, the link makes the account,
    and every sign-up is answered alike; who has an account is told by mail."""
    client = strict()
    signup = {"username": "ada", "name": "Ada"}
    first = await client.signup(**signup)
    assert first["__typename"] == "EmailNotVerified"
    assert "refresh_token" not in client.cookies
    assert (await client.login())["__typename"] == "InvalidCredentials"
    old = await box.token(ADA, "verify-email")
    await client.field(RESEND, {"email": ADA})
    token = await box.token(ADA, "verify-email")
    assert (await client.field(VERIFY, {"token": old}))["reason"] == "REPLACED"
    made = await client.field(VERIFY, {"token": token})
    assert made["user"]["emailVerified"] is True
    assert (made["user"]["username"], made["user"]["name"]) == ("ada", "Ada")
    assert (await client.login())["__typename"] == "AuthPayload"
    again = await strict().signup()
    assert again == first
    assert "already has an account" in text_of(await box.next(ADA, "already"))


async def test_an_unverified_account_stays_outside(
    strict: Callable[..., GraphQLClient], box: Mailbox, sqlite_settings: Settings
) -> None:
    """An account from before verification was demanded signs in once its address is verified;
    until then the right password is answered so, a wrong one like any."""
    async with GraphQLAuth(sqlite_settings, mail=box).running() as system:
        from gql_auth.features.signin.core import SignIn

        await system.part(SignIn).create_account(
            email=ADA, password=PASSWORD, username=None, name=None
        )
    client = strict()
    assert (await client.login("wrong"))["__typename"] == "InvalidCredentials"
    assert (await client.login())["__typename"] == "EmailNotVerified"
    await client.field(RESEND, {"email": ADA})
    await client.field(VERIFY, {"token": await box.token(ADA, "verify-email")})
    assert (await client.login())["__typename"] == "AuthPayload"


@pytest.mark.parametrize("operation", [FORGOT, MAGIC, RESEND])
async def test_what_is_no_address(client: GraphQLClient, operation: str) -> None:
    """Asking for mail to what is no address names the field."""
    answer = await client.field(operation, {"email": "nobody"})
    assert answer["violations"][0] == {
        "field": "email",
        "code": "MALFORMED",
        "message": answer["violations"][0]["message"],
    }


async def test_the_language_of_mails(client: GraphQLClient, box: Mailbox) -> None:
    """A mail is in the language of the account, or of the browser that asked."""
    await client.post(
        'mutation { signup(input: {email: "ada@example.com", password: "correct horse battery"})'
        " { __typename } }",
        Accept_Language="de-AT, en;q=0.5",
    )
    mail = await box.next(ADA)
    assert mail["Subject"] == "Bestätigen Sie Ihre E-Mail-Adresse"
    assert mail["Content-Language"] == "de"
    assert link_of(mail) is not None


async def test_turned_off(sqlite_settings: Settings, clock: SettableClock, box: Mailbox) -> None:
    """Without magic links nobody is signed in by mail, and no mail is sent for it."""
    made = GraphQLAuth(replace(sqlite_settings, magic_links=False), clock=clock, mail=box)
    transport = httpx.ASGITransport(create_app(made))
    async with (
        made.running(),
        httpx.AsyncClient(transport=transport, base_url=made.settings.public_url) as http,
    ):
        client = GraphQLClient(http, made.settings.public_url)
        answers: list[Any] = [
            await client.post(MAGIC, {"email": ADA}),
            await client.post(ENTER, {"token": "x" * 43}),
        ]
    assert [reason_of(each) for each in answers] == ["MAGIC_LINKS_OFF"] * 2
