"""Guessing: more tries than the settings allow, locking others out, learning from refusals."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import bcrypt
import httpx
import pytest
from sqlmodel import func, select

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.features.audit.core import Tag
from gql_auth.features.audit.tables import EventRow
from gql_auth.features.signin.core import SignIn
from gql_auth.features.throttle.tables import KnownAddressRow, ThrottleRow
from gql_auth.kernel.parsing import Rate, networks
from gql_auth.kernel.settings import Settings
from tests.database import confirmed, events, look, only_session
from tests.features.test_throttle import buckets
from tests.lines import opened
from tests.live import within
from tests.process import serving
from tests.support import PASSWORD, SECRET, GraphQLClient, SettableClock, reason_of

GRAPHQL_RESPONSE = "application/graphql-response+json"
TOO_MANY = "... on TooManyAttempts { message retryAfter }"
ANSWER = f"__typename {TOO_MANY} ... on AuthError {{ message }}"
LOGIN = f"mutation($input: LoginInput!) {{ login(input: $input) {{ {ANSWER} }} }}"
SIGNUP = f"mutation($input: SignupInput!) {{ signup(input: $input) {{ {ANSWER} }} }}"
REFRESH = f"mutation {{ refreshToken {{ {ANSWER} ... on RefreshTokenRejected {{ reason }} }} }}"
CHANGE = (
    f"mutation($input: ChangePasswordInput!) {{ changePassword(input: $input) {{ {ANSWER} }} }}"
)
WRONG = {"__typename": "InvalidCredentials", "message": "Invalid credentials"}
HERE, THERE, PROXY = "203.0.113.5", "198.51.100.9", "10.0.0.1"

Call = Callable[..., GraphQLClient]


def too_many(seconds: int) -> dict[str, Any]:
    """What a throttled attempt is answered."""
    text = f"{seconds} seconds" if seconds < 120 else f"{-(-seconds // 60)} minutes"
    message = f"Too many attempts, try again in {text}"
    return {"__typename": "TooManyAttempts", "message": message, "retryAfter": seconds}


def limited(settings: Settings) -> Settings:
    """Limits that are soon reached: what drips is a drop each 5, 2, 7½, 20, 5 minutes."""
    quarter, hour = timedelta(minutes=15), timedelta(hours=1)
    return replace(
        settings,
        throttle_login_account_address=Rate(3, quarter),
        throttle_login_address=Rate(6, timedelta(minutes=12)),
        throttle_login_account=Rate(8, hour),
        throttle_signup_address=Rate(3, hour),
        throttle_change_password_session=Rate(3, quarter),
    )


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Each kind of database, with limits that are soon reached."""
    return limited(settings)


@asynccontextmanager
async def calling(auth: GraphQLAuth) -> AsyncIterator[Call]:
    """Makes clients that call from any address, each on a connection of its own."""
    app = create_app(auth)
    async with AsyncExitStack() as stack:
        base_url = auth.settings.public_url

        def call(ip: str = HERE, **headers: str) -> GraphQLClient:
            transport = httpx.ASGITransport(app, client=(ip, 40_000))
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            http = httpx.AsyncClient(transport=transport, base_url=base_url, headers=sent)
            stack.push_async_callback(http.aclose)
            return GraphQLClient(http)

        yield call


@pytest.fixture
async def call(auth: GraphQLAuth) -> AsyncIterator[Call]:
    """Makes clients that call from any address."""
    async with calling(auth) as made:
        yield made


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What bcrypt was asked for, in order."""
    done: list[str] = []
    for name in ("checkpw", "hashpw"):
        act = getattr(bcrypt, name)

        def counted(*given: bytes, act: Any = act, name: str = name) -> Any:
            done.append(name)
            return act(*given)

        monkeypatch.setattr(bcrypt, name, counted)
    return done


async def login(client: GraphQLClient, password: str = "guess", **who: str) -> dict[str, Any]:
    """What signing in answers."""
    who = who or {"email": "ada@example.com"}
    answer: dict[str, Any] = await client.field(LOGIN, {"input": {"password": password} | who})
    return answer


async def change(client: GraphQLClient, current: str, new: str = "qzxwvkjyq") -> dict[str, Any]:
    """What changing the password answers."""
    sent = {"input": {"currentPassword": current, "newPassword": new}}
    answer: dict[str, Any] = await client.field(CHANGE, sent)
    return answer


def rows(settings: Settings, table: Any) -> int:
    """How many there are."""
    ((count,),) = look(settings, select(func.count()).select_from(table))
    return int(count)


# ------------------------------------------------------------------------ the limits


async def test_guesses_on_one_account_from_one_address(
    call: Call, settings: Settings, clock: SettableClock
) -> None:
    """The third guess is checked, the fourth is not, the right password neither; after exactly
    the time that was told there is room for one more."""
    await call(THERE).signup()
    guesser = call()
    for _ in range(3):
        assert await login(guesser) == WRONG
    before = rows(settings, EventRow)
    for password in ("guess", PASSWORD):
        assert await login(guesser, password) == too_many(300)
        assert "set-cookie" not in guesser.last.headers
    clock.forward(seconds=299)
    assert await login(guesser, PASSWORD) == {
        "__typename": "TooManyAttempts",
        "message": "Too many attempts, try again in 1 second",
        "retryAfter": 1,
    }
    assert rows(settings, EventRow) == before  # what was not checked is no failed sign-in
    clock.forward(seconds=1)
    assert await login(guesser) == WRONG
    assert await login(guesser) == too_many(300)
    clock.forward(seconds=300)
    assert (await login(guesser, PASSWORD))["__typename"] == "AuthPayload"


async def test_one_password_tried_on_many_accounts(call: Call, clock: SettableClock) -> None:
    """From one address six sign-ins are tried, whatever the accounts; successes count too."""
    owner = call(HERE)
    await owner.signup()
    guesser = call(THERE)
    assert (await login(guesser, PASSWORD))["__typename"] == "AuthPayload"
    for number in range(5):
        assert await login(guesser, email=f"{number}@example.com") == WRONG
    assert await login(guesser, email="new@example.com") == too_many(120)
    assert await login(guesser, username="new") == too_many(120)
    assert await login(call("198.51.100.10"), email="new@example.com") == WRONG
    clock.forward(seconds=120)
    assert await login(guesser, email="new@example.com") == WRONG


async def test_one_account_guessed_from_many_addresses(call: Call, clock: SettableClock) -> None:
    """All addresses together have eight guesses on an account."""
    for number in range(8):
        assert await login(call(f"198.51.100.{number}")) == WRONG
    assert await login(call("198.51.100.8")) == too_many(450)
    assert await login(call("198.51.100.8"), email="bob@example.com") == WRONG
    clock.forward(seconds=450)
    assert await login(call("198.51.100.8")) == WRONG


async def test_who_knows_the_password_may_sign_in_often(call: Call) -> None:
    """A success gives its drop back: scripts and tabs that sign in all day are not refused."""
    client = call()
    await client.signup()
    assert await login(client) == WRONG
    assert await login(client) == WRONG
    for _ in range(10):
        assert (await login(client, PASSWORD))["__typename"] == "AuthPayload"
    assert await login(client) == WRONG
    assert await login(client) == too_many(300)


async def test_accounts_made_from_one_address(call: Call, clock: SettableClock) -> None:
    """Three sign-ups an hour from one address, made or refused as taken; input that breaks the
    rules is none."""
    client = call()

    async def signup(email: str, password: str = PASSWORD) -> dict[str, Any]:
        answer: dict[str, Any] = await client.field(
            SIGNUP, {"input": {"email": email, "password": password}}
        )
        return answer

    for _ in range(5):
        assert (await signup("ada@example.com", "short"))["__typename"] == "InvalidInput"
    kinds = [(await signup(each))["__typename"] for each in ("a@b.test", "a@b.test", "c@d.test")]
    assert kinds == ["AuthPayload", "EmailTaken", "AuthPayload"]
    for email in ("a@b.test", "e@f.test"):  # taken or free: the refusal tells neither
        assert await signup(email) == too_many(1200)
    client = call(THERE)
    assert (await signup("e@f.test"))["__typename"] == "AuthPayload"
    client = call()
    clock.forward(seconds=1200)
    assert (await signup("a@b.test"))["__typename"] == "EmailTaken"


async def test_a_stolen_access_token_is_no_way_to_the_password(
    auth: GraphQLAuth, call: Call, clock: SettableClock
) -> None:
    """The old password is guessed three times a quarter of an hour in one session, whatever the
    address and the connection; the right one is as good as any guess then."""
    client = call()
    await client.signup()
    other = call(THERE)
    other.access_token = client.access_token
    sent = {"input": {"currentPassword": "guess", "newPassword": "qzxwvkjyq"}}
    assert await change(client, "guess") == WRONG
    assert await change(other, "guess") == WRONG
    async with opened(create_app(auth), client.access_token) as wire:
        assert (await wire.ask(CHANGE, sent))["data"]["changePassword"] == WRONG
        assert (await wire.ask(CHANGE, sent))["data"]["changePassword"] == too_many(300)
    for each in (client, other):
        assert await change(each, PASSWORD) == too_many(300)
    clock.forward(seconds=300)
    assert (await change(client, PASSWORD))["__typename"] == "ChangePasswordPayload"
    for old, new in (("qzxwvkjyq", "yqzxwvkjy"), ("yqzxwvkjy", "qzxwvkjyq")) * 2:
        assert (await change(client, old, new))["__typename"] == "ChangePasswordPayload"


async def test_a_hundred_guesses_at_once_on_two_systems(
    settings: Settings, clock: SettableClock
) -> None:
    """Of a hundred guesses at the same instant at two systems on one database exactly as many
    are checked as the settings allow."""
    async with AsyncExitStack() as stack:
        calls = []
        for _ in range(2):
            auth = GraphQLAuth(settings, clock=clock)
            await stack.enter_async_context(auth.running())
            calls.append(await stack.enter_async_context(calling(auth)))
        guesses = [login(calls[n % 2](), email="Ada@Example.com") for n in range(100)]
        found = Counter(each["__typename"] for each in await asyncio.gather(*guesses))
    assert found == {"InvalidCredentials": 3, "TooManyAttempts": 97}
    assert len(events(settings, Tag.LOGIN_FAILED)) == 3


async def test_two_servers_count_together(postgres_url: str, tmp_path: Path) -> None:
    """Two server processes on one database, hit by a hundred guesses on as many connections,
    check as many as one would; a restart changes nothing."""
    shared = {"data_dir": tmp_path, "database_url": postgres_url, "secret": SECRET}
    with serving(**shared) as one, serving(**shared) as two:
        async with (
            httpx.AsyncClient(base_url=one.url, timeout=60) as here,
            httpx.AsyncClient(base_url=two.url, timeout=60) as there,
        ):
            guesses = [login(GraphQLClient((here, there)[n % 2])) for n in range(100)]
            found = Counter(each["__typename"] for each in await asyncio.gather(*guesses))
    assert found == {"InvalidCredentials": 10, "TooManyAttempts": 90}
    with serving(**shared) as again:
        async with again.client() as client:
            answer = await login(client)
    assert answer["__typename"] == "TooManyAttempts"
    assert 1 <= answer["retryAfter"] <= 90


# ------------------------------------------------------------------------ ways round


SPELLINGS = {
    "capitals": ["ada@example.com", "ADA@example.com", "Ada@EXAMPLE.COM", "aDA@eXample.com"],
    "domain": ["ada@b\u00fccher.example", "ada@xn--bcher-kva.example",
               "ada@bu\u0308cher.example", "ADA@B\u00dcCHER.EXAMPLE"],
    "full width": ["ada@example.com", "ada@\uff45xample.com", "ada@example\uff0ecom",
                   "ada@EXAMPLE\u3002com"],
    "letters": ["\u00e9va@example.com", "e\u0301va@example.com", "\u00e9VA@example.com",
                "e\u0301VA@EXAMPLE.com"],
}  # fmt: skip


@pytest.mark.parametrize("kind", SPELLINGS)
async def test_an_address_in_every_spelling_is_one(kind: str, call: Call) -> None:
    """Whatever spelling finds an account counts against it as every other does."""
    first, *others = SPELLINGS[kind]
    await call(THERE).signup(first)
    guesser = call()
    for email in others:
        assert (await login(call(THERE), PASSWORD, email=email))["__typename"] == "AuthPayload"
        assert await login(guesser, email=email) == WRONG
    for email in SPELLINGS[kind]:
        assert await login(guesser, PASSWORD, email=email) == too_many(300)


async def test_a_username_in_every_spelling_is_one(call: Call) -> None:
    """Capitals are no other username; what only resembles it finds nobody."""
    await call(THERE).signup(username="Ada.L")
    guesser = call()
    for name in ("ada.l", "ADA.L", "aDA.l"):
        assert await login(guesser, username=name) == WRONG
    assert await login(guesser, PASSWORD, username="Ada.L") == too_many(300)
    for name in ("ada.l ", "ada.\uff4c", "ada.l\0"):
        assert await login(guesser, PASSWORD, username=name) == WRONG


async def test_what_is_no_attempt_is_not_counted_and_not_checked(
    auth: GraphQLAuth, call: Call, settings: Settings, hashes: list[str]
) -> None:
    """Operations that break off before a password is checked count for nothing, and check
    nothing: broken input, a GET, a socket, another site's page, no token."""
    client = call()
    await client.signup()
    hashes.clear()
    before = rows(settings, ThrottleRow)
    guess = {"password": "guess"}
    for sent in (
        {}, {"email": None}, {"email": ""}, {"username": ""}, {"email": "", "username": "ada"},
        {"email": "ada@example.com", "username": "ada"}, {"email": None, "username": None},
    ):  # fmt: skip
        answer = await client.field(LOGIN, {"input": guess | sent})
        assert answer["__typename"] == "InvalidInput"
    assert (await login(client, ""))["__typename"] == "InvalidInput"
    assert (await login(client, "x" * 1025))["__typename"] == "InvalidInput"
    variables = '{"input": {"email": "ada@example.com", "password": "guess"}}'
    answer = await client.http.get("/graphql", params={"query": LOGIN, "variables": variables})
    assert answer.status_code == 405
    sent = {"input": {"email": "ada@example.com", "password": "guess"}}
    async with opened(create_app(auth)) as wire:
        assert (await wire.ask(LOGIN, sent))["errors"][0]["extensions"]["reason"] == "POST_REQUIRED"
    await client.post(LOGIN, sent, Origin="https://evil.example")
    assert client.last.status_code == 403
    client.access_token = None
    sent = {"input": {"currentPassword": "guess", "newPassword": "qzxwvkjyq"}}
    assert reason_of(await client.post(CHANGE, sent)) == "ACCESS_TOKEN_MISSING"
    assert hashes == []
    assert rows(settings, ThrottleRow) == before


@pytest.mark.parametrize("sent", [
    {"X_Forwarded_For": "192.0.2.{n}"},
    {"Forwarded": "for=192.0.2.{n}"},
    {"X_Forwarded_For": "192.0.2.{n}", "Forwarded": "for=192.0.2.{n}"},
    {"X_Real_IP": "192.0.2.{n}", "True_Client_IP": "192.0.2.{n}", "CF_Connecting_IP": "192.0.2.{n}",
     "X_Client_IP": "192.0.2.{n}", "Client_IP": "192.0.2.{n}", "Via": "1.1 192.0.2.{n}",
     "X_Forwarded": "for=192.0.2.{n}", "X_Cluster_Client_IP": "192.0.2.{n}"},
    {"User_Agent": "guesser/{n}", "Cookie": "refresh_token=x{n}", "Host": "h{n}.example.com",
     "Authorization": "Bearer {n}", "X_Forwarded_Host": "h{n}"},
])  # fmt: skip
async def test_a_made_up_address_is_no_new_one(sent: dict[str, str], call: Call) -> None:
    """By default nobody is believed where a request comes from, and no other header makes a new
    guesser of an old one."""
    kinds = []
    for number in range(5):
        headers = {name: value.format(n=number) for name, value in sent.items()}
        kinds.append((await login(call(**headers)))["__typename"])
    assert kinds == ["InvalidCredentials"] * 3 + ["TooManyAttempts"] * 2


async def test_behind_a_trusted_proxy_clients_count_by_themselves(
    settings: Settings, clock: SettableClock
) -> None:
    """Through trusted hops alone the address of the client counts; what the client wrote into the
    header before gives it no second one, and somebody who comes round the proxy is not believed."""
    trusting = replace(settings, trusted_proxies=networks(f"{PROXY}, 192.0.2.0/24"))
    auth = GraphQLAuth(trusting, clock=clock)
    async with auth.running(), calling(auth) as call:
        for forged in ("", "8.8.8.8, ", f"{THERE}, {PROXY}, "):
            guesser = call(PROXY, X_Forwarded_For=f"{forged}{HERE}, 192.0.2.7")
            assert await login(guesser) == WRONG
        assert events(trusting, Tag.LOGIN_FAILED)[-1].ip_address == HERE
        for forged in ("", "9.9.9.9, ", "unknown, "):
            for headers in (
                {"X_Forwarded_For": f"{forged}{HERE}"},
                {"Forwarded": f"for=1.1.1.1, for={HERE};proto=https"},
                {"X_Forwarded_For": f"{forged}::ffff:{HERE}"},
                {"X_Forwarded_For": f"{forged}{HERE}", "Forwarded": "for=8.8.8.8"},
            ):
                assert await login(call(PROXY, **headers)) == too_many(300)
        assert await login(call(HERE, X_Forwarded_For="8.8.4.4")) == too_many(300)
        assert await login(call(PROXY, X_Forwarded_For=THERE)) == WRONG
        # Garbage: the proxy's own address counts, which is one more.
        for headers in (
            {"X_Forwarded_For": "unknown", "Forwarded": "for=8.8.8.8"},
            {"X_Forwarded_For": "garbage"},
            {"Forwarded": "for=_hidden"},
        ):
            assert await login(call(PROXY, **headers)) == WRONG
        assert await login(call(PROXY, X_Forwarded_For="")) == too_many(300)


async def test_only_the_header_that_the_proxy_writes_counts(
    settings: Settings, clock: SettableClock
) -> None:
    """Where the operator says which header the proxies write, the other one gives a client no
    address of its choice."""
    trusting = replace(settings, trusted_proxies=networks(PROXY))
    for number, (header, told, forged) in enumerate(
        [
            ("forwarded", {"Forwarded": f"for={HERE}"}, {"X_Forwarded_For": "8.8.8.{n}"}),
            ("x-forwarded-for", {"X_Forwarded_For": HERE}, {"Forwarded": "for=8.8.8.{n}"}),
        ]
    ):
        auth = GraphQLAuth(replace(trusting, proxy_header=header), clock=clock)
        async with auth.running(), calling(auth) as call:
            kinds = []
            for n in range(4):
                sent = told | {name: value.format(n=n) for name, value in forged.items()}
                guess = await login(call(PROXY, **sent), email=f"{number}@example.com")
                kinds.append(guess["__typename"])
        assert kinds == ["InvalidCredentials"] * 3 + ["TooManyAttempts"]
        clock.forward(hours=1)


async def test_a_network_of_ipv6_is_one_guesser(call: Call) -> None:
    """Of the 2^64 addresses that one customer has, all count as one; so do the two ways to write
    an IPv4 address."""
    for ip in ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2:a:b:c:d"):
        assert await login(call(ip)) == WRONG
    assert await login(call("2001:db8:1:2::9")) == too_many(300)
    assert await login(call("2001:db8:1:3::1")) == WRONG
    for ip in ("192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"):
        assert await login(call(ip), email="bob@example.com") == WRONG
    assert await login(call("192.0.2.1"), email="bob@example.com") == too_many(300)
    assert await login(call("::ffff:192.0.2.2"), email="bob@example.com") == WRONG


# ------------------------------------------------------------------------ the owner


async def test_a_thousand_guesses_do_not_keep_the_owner_out(
    sqlite_settings: Settings, clock: SettableClock
) -> None:
    """Whatever strangers try on an account, from wherever, and on other accounts from the very
    address: the owner signs in from where the account has signed in before, by any name."""
    auth = GraphQLAuth(limited(sqlite_settings), clock=clock)
    async with auth.running(), calling(auth) as call:
        owner = call(HERE)
        await owner.signup("Ada@B\u00fccher.Example", username="Ada")
        names = [{"email": "ada@b\u00fccher.example"}, {"username": "ada"}]
        strangers = [call(f"198.51.100.{number}") for number in range(50)]
        for number in range(6):
            await login(owner, email=f"{number}@example.com")
        kinds: Counter[str] = Counter()
        for number in range(1000):
            answer = await login(strangers[number % 50], **names[number // 50 % 2])
            kinds[answer["__typename"]] += 1
        assert kinds == {"InvalidCredentials": 16, "TooManyAttempts": 984}
        assert (await login(owner, email="new@example.com"))["__typename"] == "TooManyAttempts"
        for who in (
            {"email": "ADA@xn--bcher-kva.example"}, {"email": "ada@bu\u0308cher.example"},
            {"username": "ADA"},
        ):  # fmt: skip
            assert (await login(call(HERE), PASSWORD, **who))["__typename"] == "AuthPayload"
            stranger = await login(call(THERE), PASSWORD, **who)
            assert stranger["__typename"] == "TooManyAttempts"


async def test_an_address_is_known_by_success_alone(call: Call) -> None:
    """Guessing wrong makes no address known, and an address that is known for one account is
    for no other."""
    guesser = call()
    await guesser.signup("mallory@example.com")
    await call(THERE).signup()
    for number in range(6):
        await login(guesser, email=f"{number}@example.com")
    assert (await login(guesser, PASSWORD))["__typename"] == "TooManyAttempts"
    assert (await login(guesser, PASSWORD, email="mallory@example.com"))["__typename"] == (
        "AuthPayload"
    )


async def test_an_address_is_known_for_every_name(call: Call) -> None:
    """An owner who has signed in somewhere by e-mail is not kept out there by username, and the
    other way round."""
    await call(HERE).signup(username="ada")
    names = {"email": "ada@example.com"}, {"username": "ada"}
    for ip, (first, second) in zip((THERE, "192.0.2.1"), (names, names[::-1]), strict=True):
        assert (await login(call(ip), PASSWORD, **first))["__typename"] == "AuthPayload"
        for number in range(6):
            await login(call(ip), email=f"{number}@example.com")
        assert (await login(call(ip), username="bob"))["__typename"] == "TooManyAttempts"
        assert (await login(call(ip), PASSWORD, **second))["__typename"] == "AuthPayload"


# ------------------------------------------------------------------------ what is learnt


async def test_refusals_tell_nothing_of_accounts(auth: GraphQLAuth, call: Call) -> None:
    """Known, unknown and disabled accounts, by address and by username, answer every attempt
    alike: checked, refused, the wait and the words."""
    owner = call(THERE)
    await owner.signup(username="ada")
    bob = await owner.signup("bob@example.com", username="bob")
    await auth.system.part(SignIn).disable(UUID(bob["user"]["id"]))
    told = []
    whos = [{"email": f"{name}@example.com"} for name in ("ada", "bob", "nobody")]
    whos += [{"username": name} for name in ("ada", "nobody")]
    for number, who in enumerate(whos):
        guesser = call(f"192.0.2.{number}")
        story = [await login(guesser, **who) for _ in range(5)]
        story += [await login(call(f"198.51.{number}.{each}"), **who) for each in range(7)]
        story.append(await login(guesser, PASSWORD, **who))
        told.append(story)
    assert told[0] == [WRONG] * 3 + [too_many(300)] * 2 + [WRONG] * 5 + [too_many(450)] * 3
    assert all(each == told[0] for each in told)


async def test_a_full_address_tells_nothing_of_accounts(call: Call) -> None:
    """Once an address has used up its attempts, accounts that are there and accounts that are
    not are refused alike."""
    await call(THERE).signup(username="ada")
    guesser = call()
    for number in range(6):
        await login(guesser, email=f"{number}@example.com")
    whos = [{"email": "ada@example.com"}, {"email": "nobody@example.com"}, {"username": "ada"}]
    for who in whos:
        for password in ("guess", PASSWORD):
            assert await login(guesser, password, **who) == too_many(120)


# ------------------------------------------------------------------------ what it costs


async def test_what_is_throttled_is_not_hashed(
    call: Call, settings: Settings, hashes: list[str]
) -> None:
    """A refused attempt works out no hash, makes no row and is no event, for login, signup and
    changePassword alike."""
    client, other = call(), call()
    await client.signup()
    for email in ("two@example.com", "three@example.com"):
        await other.signup(email)
    for _ in range(3):
        await login(client)
        await change(client, "guess")
    before = rows(settings, ThrottleRow), rows(settings, KnownAddressRow), rows(settings, EventRow)
    hashes.clear()
    for number in range(20):
        sent = {"input": {"email": f"{number}@example.com", "password": PASSWORD}}
        assert await login(client, PASSWORD) == too_many(300)
        assert await other.field(SIGNUP, sent) == too_many(1200)
        assert await change(client, PASSWORD) == too_many(300)
    assert hashes == []
    after = rows(settings, ThrottleRow), rows(settings, KnownAddressRow), rows(settings, EventRow)
    assert after == before


async def test_a_full_queue_is_told_at_once(settings: Settings) -> None:
    """While all hashing slots and their queue are taken, one more sign-in is refused in
    milliseconds, counts for nothing, and protected queries are answered as ever."""
    slow = replace(settings, bcrypt_cost=13, hash_queue=8)
    auth = GraphQLAuth(slow)
    async with auth.running() as system, calling(auth) as call:
        owner = call()
        await owner.signup()
        hashing = system.part(SignIn)._factor._threads
        flood = [
            asyncio.create_task(login(call(f"198.51.100.{n}"), email=f"{n}@example.com"))
            for n in range(8 + hashing._threads)
        ]
        await within(10, lambda: hashing.waiting == 8)
        before = buckets(settings)
        excess, protected = [], []
        while hashing.waiting == 8:
            await asyncio.sleep(0)  # no socket lies between, so nobody else would get a turn
            began = time.perf_counter()
            answer = await call(THERE).post(
                LOGIN, {"input": {"email": "ada@example.com", "password": "guess"}}
            )
            if hashing.waiting < 8:
                break
            excess.append(time.perf_counter() - began)
            assert buckets(settings) == before
            assert answer["errors"][0]["extensions"] == {
                "code": "SERVICE_UNAVAILABLE",
                "retryAfter": 2,
            }
            began = time.perf_counter()
            answer = await owner.me()
            assert "errors" not in answer, answer
            assert answer["data"]["me"]["email"] == "ada@example.com"
            protected.append(time.perf_counter() - began)
        assert len(excess) > 2
        assert median(excess) < 0.05
        assert median(protected) < 0.1
        assert all(each == WRONG for each in await asyncio.gather(*flood))
        assert await login(call(THERE)) == WRONG


async def test_who_finds_no_place_is_not_counted(settings: Settings, clock: SettableClock) -> None:
    """Without a place for hashing nothing is counted and nothing made: login, signup and
    changePassword are told to come again, and find all their attempts when they do."""
    auth = GraphQLAuth(replace(settings, hash_queue=4), clock=clock)
    async with auth.running() as system, calling(auth) as call:
        client = call()
        await client.signup()
        before = buckets(settings), rows(settings, EventRow)
        sent: dict[str, dict[str, str]] = {
            LOGIN: {"email": "ada@example.com", "password": "guess"},
            SIGNUP: {"email": "bob@example.com", "password": PASSWORD},
            CHANGE: {"currentPassword": "guess", "newPassword": "qzxwvkjyq"},
        }
        with ExitStack() as others:
            for number in range(system._hashing._room):
                others.enter_context(system._hashing.place(f"192.0.2.{number}"))
            for query, given in sent.items():
                for _ in range(4):
                    answer = await client.post(query, {"input": given})
                    assert reason_of(answer) == "SERVICE_UNAVAILABLE"
                    assert client.last.headers["retry-after"] == "2"
        assert (buckets(settings), rows(settings, EventRow)) == before
        for query, given in sent.items():
            if query == SIGNUP:
                continue
            kinds = [(await client.field(query, {"input": given}))["__typename"] for _ in range(4)]
            assert kinds == ["InvalidCredentials"] * 3 + ["TooManyAttempts"]


async def test_a_full_queue_in_http(settings: Settings) -> None:
    """The excess of a flood is a 503 with `Retry-After` for clients that read statuses, and no
    more passwords are checked than were accepted; the others are told to come again."""
    slow = replace(settings, bcrypt_cost=12, hash_queue=1)
    auth = GraphQLAuth(slow)
    async with auth.running(), calling(auth) as call:
        kinds: Counter[str] = Counter()

        async def guess(number: int) -> None:
            client = call(f"198.51.100.{number}")
            sent = {"input": {"email": f"{number}@example.com", "password": "guess"}}
            answer = await client.post(LOGIN, sent, Accept=GRAPHQL_RESPONSE)
            if "errors" in answer:
                assert client.last.status_code == 503
                assert client.last.headers["retry-after"] == "2"
                assert reason_of(answer) == "SERVICE_UNAVAILABLE"
            kinds["errors" if "errors" in answer else answer["data"]["login"]["__typename"]] += 1

        await asyncio.gather(*map(guess, range(60)))
    assert set(kinds) == {"errors", "InvalidCredentials"}
    assert kinds["InvalidCredentials"] == len(events(settings, Tag.LOGIN_FAILED))
    assert kinds["errors"] > 30


# ------------------------------------------------------------------------ sessions


async def test_a_session_that_is_hammered(
    settings: Settings, clock: SettableClock, auth: GraphQLAuth
) -> None:
    """So many refreshes of one session and no more; the one that is refused keeps its cookie and
    its session, and succeeds when the time is over. Other sessions are not concerned."""
    few = replace(settings, throttle_refresh_session=Rate(5, timedelta(minutes=5)))
    auth = GraphQLAuth(few, clock=clock)
    async with auth.running(), calling(auth) as call:
        client, other = call(), call()
        await client.signup()
        await other.login()
        clock.forward(hours=1)
        for _ in range(2):
            for _ in range(5):
                assert (await client.field(REFRESH))["__typename"] == "AuthPayload"
            kept = client.refresh_token
            for _ in range(3):
                assert await client.field(REFRESH) == too_many(60)
                assert "set-cookie" not in client.last.headers
            clock.forward(seconds=59)
            assert (await client.field(REFRESH))["retryAfter"] == 1
            clock.forward(seconds=1)
            assert client.refresh_token == kept
            assert (await client.refresh())["__typename"] == "AuthPayload"
            assert (await client.me())["data"]["me"]
            assert (await client.field(REFRESH)) == too_many(60)
            assert (await other.refresh())["__typename"] == "AuthPayload"
            clock.forward(minutes=5)


async def test_refreshes_of_one_operation_count_each(
    settings: Settings, clock: SettableClock
) -> None:
    """Twenty aliases of `refreshToken` in one operation are twenty refreshes."""
    few = replace(settings, throttle_refresh_session=Rate(5, timedelta(minutes=5)))
    auth = GraphQLAuth(few, clock=clock)
    async with auth.running(), calling(auth) as call:
        client = call()
        await client.signup()
        fields = " ".join(f"a{n}: refreshToken {{ __typename }}" for n in range(20))
        answer = await client.post(f"mutation {{ {fields} }}")
        kinds = [each["__typename"] for each in answer["data"].values()]
        assert kinds == ["AuthPayload"] * 5 + ["TooManyAttempts"] * 15
        assert (await client.field(REFRESH)) == too_many(60)


async def test_a_hundred_tabs_are_no_attack(call: Call, auth: GraphQLAuth) -> None:
    """By default a hundred tabs that wake up at once all get through, in a session that has been
    refreshed just before."""
    client = call()
    await client.signup()
    for _ in range(3):
        await client.refresh()
    tabs = [call() for _ in range(100)]
    for tab in tabs:
        tab.cookies = dict(client.cookies)
    found = await asyncio.gather(*(tab.refresh() for tab in tabs))
    assert Counter(each["__typename"] for each in found) == {"AuthPayload": 100}
    assert only_session(auth.settings).generation == 4


async def test_a_thief_is_found_out_though_throttled(
    settings: Settings, clock: SettableClock
) -> None:
    """A copied token that turns up late ends its session, however full the session's bucket:
    hammering first does not hide a reuse."""
    few = replace(settings, throttle_refresh_session=Rate(2, timedelta(minutes=5)))
    auth = GraphQLAuth(few, clock=clock)
    async with auth.running(), calling(auth) as call:
        owner, thief = call(), call(THERE)
        await owner.signup()
        thief.cookies = dict(owner.cookies)
        for _ in range(2):
            await owner.refresh()
            await owner.me()
            await confirmed(settings)
        assert (await owner.field(REFRESH)) == too_many(150)
        answer = await thief.field(REFRESH)
        assert (answer["__typename"], answer["reason"]) == ("RefreshTokenRejected", "REUSED")
        assert (await owner.field(REFRESH))["reason"] == "REVOKED"
        assert reason_of(await owner.me()) == "SESSION_REVOKED"
        assert owner.cookies == {}


async def test_refusals_keep_the_cookie(call: Call) -> None:
    """Whoever is signed in and is told to wait, at whatever door, stays signed in."""
    client = call()
    for email in ("ada@example.com", "two@example.com", "three@example.com"):
        await client.signup(email)
    kept = dict(client.cookies)
    for _ in range(4):
        answer = await login(client, email="ada@example.com")
        assert "set-cookie" not in client.last.headers
    assert answer == too_many(300)
    sent = {"input": {"email": "four@example.com", "password": PASSWORD}}
    assert await client.field(SIGNUP, sent) == too_many(1200)
    assert "set-cookie" not in client.last.headers
    for _ in range(4):
        answer = await change(client, "guess")
    assert answer == too_many(300)
    assert client.cookies == kept
    assert (await client.refresh())["__typename"] == "AuthPayload"
