"""The refresh cookie: its attributes to the letter, and what comes back damaged or doubled."""

from pathlib import Path
from typing import Any

import pytest

from gql_auth.kernel.settings import Settings
from tests.attacks.browser import ask, cookies_of, rows, serving
from tests.attacks.forge import b64
from tests.support import (
    LOGIN,
    ME,
    PASSWORD,
    REFRESH,
    SECRET,
    SIGNUP,
    GraphQLClient,
    SettableClock,
    reason_of,
)

LOGOUT = "mutation { logout { sessionEnded } }"
ADA = {"input": {"email": "ada@example.com", "password": PASSWORD}}
WEEK = 7 * 86400


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """Cookies never reach SQL: one database is enough."""
    return sqlite_settings


def taken_apart(line: str) -> tuple[str, str, dict[str, str]]:
    """Name, value and attributes of a `Set-Cookie` line."""
    pair, *attributes = line.split("; ")
    name, _, value = pair.partition("=")
    found = dict(each.partition("=")[::2] for each in attributes)
    assert len(found) == len(attributes), "an attribute is given twice"
    return name, value, found


LOOPBACK = {"HttpOnly": "", "SameSite": "Lax", "Path": "/"}
HTTPS = LOOPBACK | {"Secure": ""}
KINDS: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "loopback": ({}, "refresh_token", LOOPBACK),
    "loopback-strict": (
        {"cookie_same_site": "strict"},
        "refresh_token",
        LOOPBACK | {"SameSite": "Strict"},
    ),
    "https": ({"public_url": "https://auth.example.com"}, "__Host-refresh_token", HTTPS),
    "https-none": (
        {"public_url": "https://auth.example.com", "cookie_same_site": "none"},
        "__Host-refresh_token",
        HTTPS | {"SameSite": "None", "Partitioned": ""},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_attributes_are_exactly_these(
    kind: str, tmp_path: Path, clock: SettableClock
) -> None:
    """Signing up, in and refreshing set the same attributes, and a deletion repeats them."""
    more, name, attributes = KINDS[kind]
    settings = Settings(data_dir=tmp_path, secret=SECRET, bcrypt_cost=10, **more)
    async with serving(settings, clock) as (_, http):
        for query, variables in ((SIGNUP, ADA), (LOGIN, ADA)):
            (line,) = cookies_of(await ask(http, query, variables))
            got_name, token, got = taken_apart(line)
            assert (got_name, got) == (name, attributes | {"Max-Age": str(WEEK)})
            assert token.count(".") == 2
            assert len(line) < 4096
        sent = {"Cookie": f"{name}={token}"}
        (line,) = cookies_of(await ask(http, REFRESH, headers=sent))
        got_name, _, got = taken_apart(line)
        assert (got_name, got) == (name, attributes | {"Max-Age": str(WEEK)})

        (line,) = cookies_of(await ask(http, LOGOUT, headers=sent))
        got_name, value, got = taken_apart(line)
        assert (got_name, got) == (name, attributes | {"Max-Age": "0"})
        assert value in {"", '""'}


@pytest.mark.parametrize(
    "other", ["refresh_token", "__Secure-refresh_token", "__host-refresh_token"]
)
async def test_on_https_only_the_prefixed_name_counts(
    other: str, tmp_path: Path, clock: SettableClock
) -> None:
    """A cookie that a subdomain or plain http could have set is not looked at."""
    settings = Settings(
        data_dir=tmp_path, secret=SECRET, bcrypt_cost=10, public_url="https://auth.example.com"
    )
    async with serving(settings, clock) as (_, http):
        (line,) = cookies_of(await ask(http, SIGNUP, ADA))
        _, token, _ = taken_apart(line)
        answer = await ask(http, REFRESH, headers={"Cookie": f"{other}={token}"})
        assert answer.json()["data"]["refreshToken"]["reason"] == "MISSING"
        assert cookies_of(answer) == []


async def test_max_age_is_the_remaining_life(
    client: GraphQLClient, clock: SettableClock, settings: Settings
) -> None:
    """The cookie ends with its token: near the session's greatest age that is less than a week."""
    await client.signup()
    for _ in range(14):
        clock.forward(days=6)
        assert (await client.refresh())["__typename"] == "AuthPayload"
    clock.forward(days=3, hours=1)
    await client.refresh()
    (line,) = cookies_of(client.last)
    left = settings.session_max_age.total_seconds() - (14 * 6 + 3) * 86400 - 3600
    assert taken_apart(line)[2]["Max-Age"] == str(int(left))
    assert left < WEEK


async def test_a_replayed_answer_counts_from_now(
    client: GraphQLClient, clock: SettableClock
) -> None:
    """A lost answer that is given again says what is left, not what there was."""
    await client.signup()
    before = dict(client.cookies)
    await client.refresh()
    lost = client.refresh_token
    clock.forward(seconds=100)
    client.cookies = before
    await client.refresh()
    (line,) = cookies_of(client.last)
    assert taken_apart(line)[1] == lost
    assert taken_apart(line)[2]["Max-Age"] == str(WEEK - 100)


async def test_the_refresh_token_is_in_no_body(client: GraphQLClient) -> None:
    """No answer's body and no header but `Set-Cookie` holds the refresh token or a part of it."""
    seen = []
    await client.signup()
    seen.append(client.last)
    await client.login()
    seen.append(client.last)
    await client.refresh()
    seen.append(client.last)
    await client.post("{ me { id } sessions { id userAgent ipAddress } }")
    seen.append(client.last)
    for response in seen[:3]:
        token = taken_apart(cookies_of(response)[0])[1]
        for each in seen:
            everything = each.text + "".join(
                value for name, value in each.headers.multi_items() if name != "set-cookie"
            )
            assert not any(part in everything for part in token.split(".")[1:])


DAMAGED = {
    "empty-jwt": "..",
    "garbage": "garbage",
    "truncated": None,
    "half": None,
    "one-letter-flipped": None,
    "generation-raised": None,
    "joined": None,
    "with-space": None,
    "percent": "%00%0d%0a",
    "latin-1": "\xff\xfe",
    "100-kB": "A" * 100_000,
    "sql": "' OR 1=1 --",
    "none": b64({"alg": "none", "kid": "r1", "typ": "refresh+jwt"}) + "." + b64({}) + ".",
}


def _damage(kind: str, token: str) -> str:
    head, payload, signature = token.split(".")
    turned = "B" if signature[0] == "A" else "A"
    return {
        "truncated": token[:-1],
        "half": token[: len(token) // 2],
        "one-letter-flipped": f"{head}.{payload}.{turned}{signature[1:]}",
        "generation-raised": f"{head}.{b64({'gen': 9})}.{signature}",
        "joined": token + token,
        "with-space": token[:20] + " " + token[20:],
    }.get(kind) or str(DAMAGED[kind])


@pytest.mark.parametrize("kind", DAMAGED)
async def test_a_damaged_cookie_is_invalid_and_changes_nothing(
    kind: str, client: GraphQLClient, settings: Settings
) -> None:
    """A damaged cookie buys nothing, is not deleted, and ends nobody's session."""
    await client.signup()
    token = client.refresh_token
    assert token is not None
    value = _damage(kind, token)
    state = "SELECT generation, revoked_at FROM gql_auth_sessions"
    before = await rows(settings, state)
    cookie: Any = f"refresh_token={value}".encode("latin-1")
    answer = await client.refresh(Cookie=cookie)
    assert (answer["__typename"], answer["reason"]) == ("RefreshTokenRejected", "INVALID")
    assert answer["message"] == "Invalid refresh token"
    assert cookies_of(client.last) == []
    assert await rows(settings, state) == before
    assert (await client.refresh())["__typename"] == "AuthPayload"


@pytest.mark.parametrize("form", ['"{}"', "{} ; b=c", "{}; other=1", "{}; refresh_token={}"])
async def test_spellings_of_one_good_cookie_are_good(form: str, client: GraphQLClient) -> None:
    """Quoted, among others, or twice the same: it is still the one good token."""
    await client.signup()
    cookie = "a=b; refresh_token=" + form.format(client.refresh_token, client.refresh_token)
    assert (await client.refresh(Cookie=cookie))["__typename"] == "AuthPayload"


@pytest.mark.parametrize("in_two_headers", [False, True])
@pytest.mark.parametrize("good_first", [False, True])
async def test_two_different_cookies_are_neither(
    in_two_headers: bool, good_first: bool, client: GraphQLClient
) -> None:
    """Of two cookies of the name, one was planted; which cannot be told, so none is believed."""
    await client.signup("mallory@example.com")
    planted = client.refresh_token
    client.cookies = {}
    await client.signup()
    good = client.refresh_token
    pairs = [f"refresh_token={token}" for token in (good, planted)]
    if not good_first:
        pairs.reverse()
    headers = [("Cookie", pair) for pair in pairs]
    if not in_two_headers:
        headers = [("Cookie", "; ".join(pairs))]
    answer = await ask(client.http, REFRESH, headers=headers)
    assert answer.json()["data"]["refreshToken"]["reason"] == "INVALID"
    assert cookies_of(answer) == []
    assert (await client.refresh())["__typename"] == "AuthPayload"


@pytest.mark.parametrize(
    "sent", [None, "", "other=1", "refresh_token", "refresh_token=", 'refresh_token=""', "=x", ";;"]
)
async def test_no_cookie_is_missing(sent: str | None, client: GraphQLClient) -> None:
    """Without a refresh cookie nobody is signed in, which is told apart from a broken one."""
    await client.signup()
    client.cookies = {}
    answer = await client.refresh(**({} if sent is None else {"Cookie": sent}))
    assert (answer["reason"], answer["message"]) == ("MISSING", "Refresh token required")
    assert cookies_of(client.last) == []


async def test_get_never_reads_the_cookie(client: GraphQLClient, settings: Settings) -> None:
    """A GET runs no mutation and opens no protected field, whatever cookie comes along."""
    await client.signup()
    sent = {"Cookie": f"refresh_token={client.refresh_token}", "Accept": "application/json"}
    before = await rows(settings, "SELECT generation, revoked_at FROM gql_auth_sessions")
    for query in (REFRESH, LOGOUT):
        answer = await client.http.get("/graphql", params={"query": query}, headers=sent)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"
        assert cookies_of(answer) == []
    answer = await client.http.get("/graphql", params={"query": ME}, headers=sent)
    assert reason_of(answer.json()) == "ACCESS_TOKEN_MISSING"
    assert cookies_of(answer) == []
    assert await rows(settings, "SELECT generation, revoked_at FROM gql_auth_sessions") == before


async def test_the_cookie_opens_no_protected_field(client: GraphQLClient) -> None:
    """The cookie is for refreshing alone: a page of another site cannot act by it."""
    await client.signup()
    client.access_token = None
    assert reason_of(await client.me()) == "ACCESS_TOKEN_MISSING"
    answer = await client.post("mutation { revokeOtherSessions { endedSessions } }")
    assert reason_of(answer) == "ACCESS_TOKEN_MISSING"


async def test_signing_in_again_ends_the_replaced_session(client: GraphQLClient) -> None:
    """No session survives unseen behind the one that took its cookie's place (ASVS 7.2.4)."""
    await client.signup()
    before = client.access_token
    await client.login()
    assert reason_of(await client.me(token=before)) == "SESSION_REVOKED"
    assert (await client.me())["data"]["me"]["email"] == "ada@example.com"


async def test_a_planted_token_of_another_opens_no_session_of_theirs(
    client: GraphQLClient,
) -> None:
    """Signing in over a planted cookie gives a session of one's own, never the planter's."""
    await client.signup("mallory@example.com")
    planted = dict(client.cookies)
    client.cookies = {}
    await client.signup()
    client.cookies = dict(planted)
    await client.login()
    assert client.cookies != planted
    assert (await client.me())["data"]["me"]["email"] == "ada@example.com"
    assert (await client.refresh())["user"]["email"] == "ada@example.com"


async def test_the_longest_profile_makes_no_longer_cookie(client: GraphQLClient) -> None:
    """Nothing that a user chooses is in the refresh token: it fits every browser and proxy."""
    await client.signup(email=f"{'a' * 60}@{'b' * 60}.{'c' * 60}.example", name="\u1f82" * 200)
    (line,) = cookies_of(client.last)
    assert len(line) < 512
    assert len(client.access_token or "") < 4096
