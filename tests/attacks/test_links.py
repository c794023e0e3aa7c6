"""Attacks on the links in mails and on who asks for them, across the HTTP edge."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlmodel import select

from gql_auth import GraphQLAuth, Settings
from gql_auth.app import create_app
from gql_auth.features.links.tables import LinkRow
from gql_auth.features.mail.tables import MailRow
from gql_auth.kernel.parsing import rate
from tests.database import look, tamper
from tests.mailbox import (
    CHANGE,
    CONFIRM,
    ENTER,
    FORGOT,
    MAGIC,
    RESEND,
    RESET,
    VERIFY,
    Mailbox,
    reset,
    text_of,
)
from tests.support import LOGIN, PASSWORD, SIGNUP, GraphQLClient, SettableClock, reason_of

ADA, EVE = "ada@example.com", "eve@example.com"
NEW = "another fine password"
SPEND = {
    "verify-email": VERIFY,
    "reset-password": RESET,
    "magic-link": ENTER,
    "change-email": CONFIRM,
}


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def auth(
    sqlite_settings: Settings, clock: SettableClock, box: Mailbox
) -> AsyncIterator[GraphQLAuth]:
    """One database: what PostgreSQL could do otherwise is in tests/features."""
    made = GraphQLAuth(sqlite_settings, clock=clock, mail=box)
    async with made.running():
        yield made


def serving(settings: Settings, box: Mailbox, clock: SettableClock, **more: Any) -> Any:
    """A server with settings of its own, and what makes its clients."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def run() -> AsyncIterator[Callable[[], GraphQLClient]]:
        made = GraphQLAuth(replace(settings, **more), clock=clock, mail=box)
        transport = httpx.ASGITransport(create_app(made))
        url = made.settings.public_url
        async with (
            made.running(),
            httpx.AsyncClient(transport=transport, base_url=url) as http,
        ):
            yield lambda: GraphQLClient(http, url)

    return run()


async def tokens_of(client: GraphQLClient, box: Mailbox) -> dict[str, str]:
    """A fresh token for each action, of the client's account."""
    found = {"verify-email": await box.token(ADA, "verify-email")}
    await client.field(FORGOT, {"email": ADA})
    await client.field(MAGIC, {"email": ADA})
    await client.field(CHANGE, {"newEmail": "new@example.com", "password": PASSWORD})
    found["reset-password"] = await box.token(ADA, "reset-password")
    found["magic-link"] = await box.token(ADA, "magic-link")
    found["change-email"] = await box.token("new@example.com", "change-email")
    return found


async def test_a_token_does_what_it_was_made_for_alone(client: GraphQLClient, box: Mailbox) -> None:
    """No token is taken by another mutation than its own, and none is worn out by the try."""
    await client.signup()
    tokens = await tokens_of(client, box)
    for action, token in tokens.items():
        for other, mutation in SPEND.items():
            if other != action:
                sent = {"token": token, "newPassword": NEW, "confirmed": True}
                wanted = {name: value for name, value in sent.items() if f"${name}" in mutation}
                answer = await client.field(mutation, wanted)
                assert (answer["__typename"], answer["reason"]) == ("MailTokenRejected", "INVALID")
    assert (await reset(client, tokens["reset-password"], NEW))["endedSessions"] == 1


@pytest.mark.parametrize(
    "token", ["", "x" * 43, "x" * 42, "x" * 44, "x" * 100_000, "é" * 43, "\x00" * 43, "' OR 1=1 --"]
)
async def test_garbage_is_no_token(client: GraphQLClient, token: str) -> None:
    """Whatever else is sent is invalid, and no defect."""
    for mutation in SPEND.values():
        sent = {"token": token[:90_000], "newPassword": NEW}
        wanted = {name: value for name, value in sent.items() if f"${name}" in mutation}
        assert (await client.field(mutation, wanted))["reason"] == "INVALID"


async def test_the_database_holds_nothing_to_use(
    client: GraphQLClient, box: Mailbox, auth: GraphQLAuth
) -> None:
    """Who reads all rows finds no token, no address of a mail that waits, and no cookie."""
    await client.signup()
    await client.field(MAGIC, {"email": ADA})
    token = await box.token(ADA, "magic-link")
    binding = client.cookies["magic_link"]
    await client.field(CHANGE, {"newEmail": "secret@example.com", "password": PASSWORD})
    rows = [*look(auth.settings, select(LinkRow)), *look(auth.settings, select(MailRow))]
    whole = b" ".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )
    assert rows
    for secret in (token, binding, "secret@example.com", ADA):
        assert secret.encode() not in whole


async def test_a_sealed_address_cannot_be_moved(
    client: GraphQLClient, box: Mailbox, auth: GraphQLAuth
) -> None:
    """Who may write to the database, but lacks the secret, cannot have a link change an account
    to the address of another link."""
    await client.signup()
    await client.field(CHANGE, {"newEmail": "one@example.com", "password": PASSWORD})
    first = await box.token("one@example.com", "change-email")
    rows = look(auth.settings, select(LinkRow).where(LinkRow.purpose == "change-email"))
    await client.field(CHANGE, {"newEmail": "two@example.com", "password": PASSWORD})
    second = await box.token("two@example.com", "change-email")
    from sqlmodel import update

    stolen = update(LinkRow).where(LinkRow.id != rows[0].id, LinkRow.purpose == "change-email")
    assert tamper(auth.settings, stolen.values(sealed=rows[0].sealed)) == 1
    assert "errors" in await client.post(CONFIRM, {"token": second})
    assert (await client.me())["data"]["me"]["email"] == ADA
    assert (await client.field(CONFIRM, {"token": first}))["reason"] == "REPLACED"


async def test_a_link_of_somebody_else(connect: Callable[..., GraphQLClient], box: Mailbox) -> None:
    """A magic link that an attacker has asked for signs nobody in to the attacker's account, or
    the attacker in with a link that the victim has asked for, unless a person confirms it; a
    cookie of another link does not confirm it."""
    attacker, victim = connect(), connect()
    await attacker.signup(email=EVE)
    await victim.signup()
    await attacker.field(MAGIC, {"email": EVE})
    await victim.field(MAGIC, {"email": ADA})
    hers = await box.token(EVE, "magic-link")
    his = await box.token(ADA, "magic-link")
    for who, token in ((victim, hers), (attacker, his), (connect(), his)):
        before = dict(who.cookies)
        answer = await who.field(ENTER, {"token": token})
        assert answer["__typename"] == "ConfirmationRequired"
        assert who.cookies == before


async def test_another_site_cannot_ask_or_enter(client: GraphQLClient, box: Mailbox) -> None:
    """Cookies are set for our own pages alone."""
    await client.signup()
    await client.field(MAGIC, {"email": ADA})
    token = await box.token(ADA, "magic-link")
    evil = {"Origin": "https://evil.example"}
    for mutation, sent in ((MAGIC, {"email": ADA}), (ENTER, {"token": token, "confirmed": True})):
        assert reason_of(await client.post(mutation, sent, **evil)) == "CROSS_SITE_REQUEST"
    assert (
        reason_of(
            await client.post('mutation { deleteAccount(password: "x") { __typename } }', **evil)
        )
        == "CROSS_SITE_REQUEST"
    )


async def test_a_disabled_account_is_opened_by_no_link(
    client: GraphQLClient, box: Mailbox, auth: GraphQLAuth
) -> None:
    """Neither a link from before nor one asked for afterwards."""
    from gql_auth.features.signin.core import SignIn
    from gql_auth.features.users.core import Users

    await client.signup()
    tokens = await tokens_of(client, box)
    async with auth.system.units.read() as unit:
        user = await unit.get(Users).require(ADA)
    await auth.system.part(SignIn).disable(user.id)
    assert (await client.field(ENTER, {"token": tokens["magic-link"], "confirmed": True}))[
        "reason"
    ] == "INVALID"
    assert (await reset(client, tokens["reset-password"], NEW))["reason"] == "INVALID"
    assert (await client.field(CONFIRM, {"token": tokens["change-email"]}))["reason"] == "INVALID"
    box.mails.clear()
    for mutation in (FORGOT, MAGIC, RESEND):
        client.access_token = None
        await client.field(mutation, {"email": ADA})
    await auth.system.deliver()
    assert box.mails == []


async def test_answers_do_not_tell_who_has_an_account(
    sqlite_settings: Settings, box: Mailbox, clock: SettableClock
) -> None:
    """Known and unknown addresses get the same bytes and the same headers; too many mails to
    either are refused alike."""
    limits = {"throttle_mail_address": None, "require_verified_email": True}
    async with serving(sqlite_settings, box, clock, **limits) as connect:
        client = connect()
        await client.signup()
        await client.field(VERIFY, {"token": await box.token(ADA, "verify-email")})
        signup = {"input": {"email": "", "password": PASSWORD}}

        async def ask(mutation: str, email: str) -> tuple[bytes, list[str]]:
            sent: dict[str, Any] = {"email": email}
            if mutation is SIGNUP:
                sent = {"input": signup["input"] | sent}
            who = connect()
            await who.post(mutation, sent)
            names = sorted(name for name, _ in who.last.headers.items())
            return who.last.content, names

        for mutation in (FORGOT, MAGIC, RESEND, SIGNUP):
            for _ in range(7):
                known = await ask(mutation, ADA)
                unknown = await ask(mutation, f"nobody{mutation[9:20]}@example.com")
            assert known[1] == unknown[1]
        login = {"input": {"email": ADA, "password": "x"}}
        nobody = {"input": {"email": "nobody@example.com", "password": "x"}}
        assert await connect().post(LOGIN, login) == await connect().post(LOGIN, nobody)


async def test_nobody_floods_an_inbox(
    sqlite_settings: Settings, box: Mailbox, clock: SettableClock
) -> None:
    """An address gets five mails an hour that strangers ask for, whatever they ask for and from
    wherever; a host's own limit for one source holds as well."""
    async with serving(sqlite_settings, box, clock, throttle_mail_address=None) as connect:
        client = connect()
        await client.signup()
        found = Counter()
        for number in range(12):
            answer = await connect().field((FORGOT, MAGIC, RESEND)[number % 3], {"email": EVE})
            found[answer["__typename"]] += 1
        assert found == {"MailRequested": 5, "TooManyAttempts": 7}
    limits = {"throttle_mail_address": rate("3/1h"), "data_dir": sqlite_settings.data_dir}
    async with serving(sqlite_settings, box, clock, **limits) as connect:
        kinds = [
            (await connect().field(FORGOT, {"email": f"n{number}@example.com"}))["__typename"]
            for number in range(4)
        ]
        assert kinds == ["MailRequested"] * 3 + ["TooManyAttempts"]


async def test_an_account_made_with_a_strangers_address_floods_nobody(
    sqlite_settings: Settings, box: Mailbox, clock: SettableClock
) -> None:
    """Notices to an address that nobody has verified share one bucket with all other mails."""
    async with serving(sqlite_settings, box, clock) as connect:
        await connect().signup()
        for number in range(12):
            agent = f"Browser {'abcdefghijkl'[number]}"
            sent = {"input": {"email": ADA, "password": PASSWORD}}
            answer = await connect().field(LOGIN, sent, User_Agent=agent)
            assert answer["__typename"] == "AuthPayload"
        async with asyncio.timeout(10):
            while len(box.mails) < 5:
                await box._came.wait()
                box._came.clear()
    assert len(box.mails) == 5


async def test_a_stranger_cannot_use_up_the_owners_mails(
    sqlite_settings: Settings, box: Mailbox, clock: SettableClock
) -> None:
    """From where the account has signed in before, its owner still gets mail."""
    made = GraphQLAuth(sqlite_settings, clock=clock, mail=box)
    app, url = create_app(made), sqlite_settings.public_url
    here, there = (
        httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 1)), base_url=url)
        for address in ("192.0.2.1", "198.51.100.9")
    )
    async with made.running(), here, there:
        owner, stranger = GraphQLClient(here), GraphQLClient(there)
        await owner.signup()
        for _ in range(20):
            last = await stranger.field(FORGOT, {"email": ADA})
        assert last["__typename"] == "TooManyAttempts"
        box.mails.clear()
        assert (await owner.field(FORGOT, {"email": ADA}))["__typename"] == "MailRequested"
        await box.token(ADA, "reset-password")


async def test_the_names_of_strangers_are_in_no_mail(client: GraphQLClient, box: Mailbox) -> None:
    """What an account is called is not mailed to an address that may be somebody else's."""
    await client.signup(name="Win at http://evil.example", username="evil.example")
    mail = await box.next(ADA)
    assert "evil" not in text_of(mail)
    assert "evil" not in mail.as_string()


async def test_tries_of_tokens_are_counted(
    sqlite_settings: Settings, box: Mailbox, clock: SettableClock
) -> None:
    """A source may try so many tokens, wrong ones too."""
    async with serving(sqlite_settings, box, clock, throttle_link_address=rate("3/1h")) as connect:
        kinds = [
            (await connect().field(VERIFY, {"token": "x" * 43}))["__typename"] for _ in range(4)
        ]
    assert kinds == ["MailTokenRejected"] * 3 + ["TooManyAttempts"]


async def test_a_link_opened_by_a_scanner_changes_nothing(
    client: GraphQLClient, box: Mailbox
) -> None:
    """A GET of the link's page, whoever sends it, leaves the token as it was; the page loads
    nothing from elsewhere and cannot be framed."""
    await client.signup()
    token = await box.token(ADA, "verify-email")
    for action in SPEND:
        page = await client.http.get(f"/graphql/links/{action}", params={"token": token})
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert page.headers["referrer-policy"] == "no-referrer"
    assert (await client.http.get("/graphql/links/anything")).status_code == 404
    got = await client.http.get(
        "/graphql",
        params={"query": f'mutation {{ verifyEmail(token: "{token}") {{ __typename }} }}'},
    )
    assert got.status_code == 405
    assert (await client.field(VERIFY, {"token": token}))["__typename"] == "VerifyEmailPayload"
