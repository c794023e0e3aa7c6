"""Addresses and usernames: who is the same person, who is not, and what is a name at all."""

import asyncio
from collections.abc import Callable

import pytest

from gql_auth.kernel.settings import Settings
from tests.attacks.browser import counts, rows
from tests.support import LOGIN, PASSWORD, SIGNUP, GraphQLClient

COUNT = "SELECT count(*) FROM gql_auth_users"


async def _signup(client: GraphQLClient, email: str, **more: str) -> str:
    given = {"email": email, "password": PASSWORD} | more
    result = await client.field(SIGNUP, {"input": given})
    return str(result["__typename"])


SAME = [
    ("ada@example.com", "ADA@EXAMPLE.COM"),
    ("Ada@Example.com", "aDA@eXAMPLE.COM"),
    ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
    ("ada@B\u00dcCHER.example", "ada@b\u00fccher.example"),
    ("ren\u00e9@example.com", "rene\u0301@example.com"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
async def test_one_address_in_two_spellings(
    first: str, second: str, client: GraphQLClient, settings: Settings
) -> None:
    """Spellings that reach one mailbox are one account: taken for others, good to log in with."""
    assert await _signup(client, first) == "AuthPayload"
    assert await _signup(client, second) == "EmailTaken"
    result = await client.field(LOGIN, {"input": {"email": second, "password": PASSWORD}})
    assert result["__typename"] == "AuthPayload"
    assert await rows(settings, COUNT) == [(1,)]


async def test_the_kelvin_sign_is_nobodys(client: GraphQLClient, settings: Settings) -> None:
    """An address with a sign that NFC would make a K is neither that K's account nor a new one."""
    await _signup(client, "kim@example.com")
    before = await counts(settings)
    assert await _signup(client, "\u212aim@example.com") == "InvalidInput"
    assert await counts(settings) == before
    refused = await client.login(email="\u212aim@example.com")
    assert refused["__typename"] == "InvalidCredentials"


DIFFERENT = [
    ("kiss@example.com", "ki\u017fs@example.com"),  # casefold() makes a long s an s
    ("strasse@example.com", "stra\u00dfe@example.com"),  # and a sharp s two
    ("iris@example.com", "\u0131ris@example.com"),  # upper() makes a dotless i an I
    ("\u0130ris@example.com", "iris@example.com"),
    ("ren\u00e9@example.com", "REN\u00c9@example.com"),
    ("admin@example.com", "\u0430dmin@example.com"),  # Cyrillic a
    ("admin@example.com", "\uff41dmin@example.com"),  # full width, which NFKC would fold
    ("ada@example.com", "ada+x@example.com"),
    ("ada@example.com", "a.da@example.com"),
    ("ada@example.com", "ada@example.org"),
    ("ada@example.com", "ada@mail.example.com"),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
async def test_two_people_are_not_merged(
    first: str, second: str, client: GraphQLClient, settings: Settings
) -> None:
    """No folding beyond A-Z: a look-alike is another account, and logs in to no other."""
    assert await _signup(client, first) == "AuthPayload"
    result = await client.field(LOGIN, {"input": {"email": second, "password": PASSWORD}})
    assert result["__typename"] == "InvalidCredentials"
    assert await _signup(client, second) == "AuthPayload"
    assert await rows(settings, COUNT) == [(2,)]


BAD_ADDRESSES = [
    "", " ", "ada", "@", "ada@", "@example.com", "ada@@example.com", "ada@example", "ada@example.",
    "ada@.example.com", "ada@exa mple.com", "a da@example.com", " ada@example.com",
    "ada@example.com ", "ada@example.com\n", "ada@example.com,bob@example.com",
    "Ada <ada@example.com>", '"ada"@example.com', "ada@[127.0.0.1]", "ada@127.0.0.1",
    "ada@localhost", "ada@-example.com", "ada@exa_mple.com", "ada..l@example.com",
    ".ada@example.com", "ada.@example.com", "a" * 250 + "@example.com",
    "a@" + ".".join(["b" * 63] * 4) + ".com", "ada@xn--\u00fc.com",
    "ada%0a@example.com\r\nBcc: x@y.z",
    "ada@example.com\0", "a\0da@example.com", "ada\u202e@example.com", "ada\u200b@example.com",
    "ada@exa\u00admple.com", "ada@\u2100.com", "mailto:ada@example.com:25", "ada@example.com/x",
]  # fmt: skip


@pytest.mark.parametrize("email", BAD_ADDRESSES)
async def test_what_is_no_address(email: str, client: GraphQLClient, settings: Settings) -> None:
    """What is no plain address is refused at signup, and nobody's at login."""
    result = await client.field(SIGNUP, {"input": {"email": email, "password": PASSWORD}})
    assert result["__typename"] == "InvalidInput"
    (violation,) = result["violations"]
    assert violation["field"] == "email"
    assert violation["code"] in {"REQUIRED", "MALFORMED", "TOO_LONG"}
    assert await counts(settings) == dict.fromkeys(("users", "passwords", "sessions", "events"), 0)


USERNAMES = {
    "two": ("ab", "TOO_SHORT"),
    "three": ("abc", None),
    "thirty-two": ("a" * 32, None),
    "thirty-three": ("a" * 33, "TOO_LONG"),
    "all-kinds": ("a.b_c-9", None),
    "digits": ("123", None),
    "empty": ("", "TOO_SHORT"),
    "dot-first": (".abc", "FORBIDDEN_CHARACTER"),
    "dash-last": ("abc-", "FORBIDDEN_CHARACTER"),
    "space": ("a b c", "FORBIDDEN_CHARACTER"),
    "newline-last": ("abc\n", "FORBIDDEN_CHARACTER"),
    "at": ("ada@example.com", "FORBIDDEN_CHARACTER"),
    "nul": ("ab\0c", "FORBIDDEN_CHARACTER"),
    "accent": ("ren\u00e9", "FORBIDDEN_CHARACTER"),
    "cyrillic": ("\u0430dmin", "FORBIDDEN_CHARACTER"),
    "arabic-digits": ("ab\u0661", "FORBIDDEN_CHARACTER"),
    "kelvin": ("\u212aim", "FORBIDDEN_CHARACTER"),
    "long-s": ("ki\u017fs", "FORBIDDEN_CHARACTER"),
    "slash": ("a/b/c", "FORBIDDEN_CHARACTER"),
    "percent": ("a%%c", "FORBIDDEN_CHARACTER"),
    "markup": ("<b>", "FORBIDDEN_CHARACTER"),
}


@pytest.mark.parametrize("kind", USERNAMES)
async def test_usernames_at_their_edges(kind: str, client: GraphQLClient) -> None:
    """Usernames are 3 to 32 plain characters: nothing that looks like another one."""
    username, code = USERNAMES[kind]
    result = await client.field(
        SIGNUP,
        {"input": {"email": "ada@example.com", "password": PASSWORD, "username": username}},
    )
    if code is None:
        assert result["user"]["username"] == username
        found = await client.field(LOGIN, {"input": {"username": username, "password": PASSWORD}})
        assert found["__typename"] == "AuthPayload"
    else:
        assert [(each["field"], each["code"]) for each in result["violations"]] == [
            ("username", code)
        ]


@pytest.mark.parametrize(("first", "second"), [("Ada", "ADA"), ("ada.l-x_9", "ADA.L-X_9")])
async def test_usernames_are_unique_without_case(
    first: str, second: str, client: GraphQLClient, settings: Settings
) -> None:
    """A username in other case is the same one."""
    assert await _signup(client, "ada@example.com", username=first) == "AuthPayload"
    assert await _signup(client, "bob@example.com", username=second) == "UsernameTaken"
    assert await rows(settings, COUNT) == [(1,)]


async def test_an_address_is_no_username(client: GraphQLClient) -> None:
    """Nobody's username is another's address: the two ways to log in never meet."""
    await client.signup(username="ada")
    await _signup(client, "bob@example.com", username="bob")
    for who in ({"username": "ada@example.com"}, {"email": "ada"}):
        result = await client.field(LOGIN, {"input": {"password": PASSWORD} | who})
        assert result["__typename"] == "InvalidCredentials"


@pytest.mark.parametrize("who", [{}, {"email": "ada@example.com", "username": "ada"}])
async def test_login_wants_exactly_one_name(who: dict[str, str], client: GraphQLClient) -> None:
    """Neither or both of address and username is a mistake in the form, told before any work."""
    await client.signup(username="ada")
    result = await client.field(LOGIN, {"input": {"password": PASSWORD} | who})
    assert result["__typename"] == "InvalidInput"
    expected = "AMBIGUOUS" if who else "REQUIRED"
    assert [each["code"] for each in result["violations"]] == [expected]


NAMES = {
    "two-hundred": ("n" * 200, True),
    "two-hundred-and-one": ("n" * 201, False),
    "two-hundred-composed": ("e\u0301" * 200, True),
    "two-hundred-of-four": ("\u03b1\u0313\u0300\u0345" * 200, True),
    "hebrew": ("\u05e9\u05dc\u05d5\u05dd", True),
    "chinese": ("\u5f20\u4f1f", True),
    "emoji": ("\U0001f600", True),
    "apostrophe": ("O'Brien \u2013 d\u2019Arc", True),
    "bidi": ("Ada\u202eecal", False),
    "zero-width": ("A\u200bda", False),
    "nul": ("A\0da", False),
    "newline": ("Ada\nL", False),
    "escape": ("\x1b[31mAda", False),
}


@pytest.mark.parametrize("kind", NAMES)
async def test_display_names(kind: str, client: GraphQLClient) -> None:
    """Display names are of any script, up to 200 characters, with nothing invisible in them."""
    name, accepted = NAMES[kind]
    given = {"email": "ada@example.com", "password": PASSWORD, "name": name}
    result = await client.field(SIGNUP, {"input": given})
    assert (result["__typename"] == "AuthPayload") is accepted
    if not accepted:
        assert [each["field"] for each in result["violations"]] == ["name"]


@pytest.mark.parametrize("unique", ["email", "username"])
async def test_two_signups_at_the_same_instant(
    unique: str, connect: Callable[..., GraphQLClient], settings: Settings
) -> None:
    """Of racing signups of one address or name one wins; the others are told, and leave nothing."""
    who = [
        {"email": "ada@example.com", "username": f"ada{i}"}
        if unique == "email"
        else {"email": f"ada{i}@example.com", "username": "ada"}
        for i in range(4)
    ]
    results = await asyncio.gather(*(_signup(connect(), **each) for each in who))
    taken = "EmailTaken" if unique == "email" else "UsernameTaken"
    assert sorted(results) == sorted(["AuthPayload", *[taken] * 3])
    assert await counts(settings) == dict.fromkeys(("users", "passwords", "sessions", "events"), 1)
