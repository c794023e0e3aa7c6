"""Passwords: how long, how common, how compared, and what a guesser learns from the work done."""

import statistics
import time
import unicodedata
from dataclasses import replace
from typing import Any
from uuid import UUID

import bcrypt
import pytest

from gql_auth.app import GraphQLAuth
from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.passwords.core import PasswordHasher
from gql_auth.features.signin.core import SignIn
from gql_auth.kernel.settings import Settings
from tests.attacks.browser import rows, serving
from tests.support import LOGIN, PASSWORD, SIGNUP, GraphQLClient, SettableClock


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """A password is hashed before it is stored: one database is enough."""
    return sqlite_settings


async def signup(client: GraphQLClient, password: str, **more: str) -> dict[str, Any]:
    """What signing up with this password answers."""
    result: dict[str, Any] = await client.field(
        SIGNUP, {"input": {"email": "ada@example.com", "password": password} | more}
    )
    return result


def codes(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Field and code of each violation."""
    return [(each["field"], each["code"]) for each in result["violations"]]


# Edges in pairs: the first refused and the last accepted, in what is counted. Characters are
# counted at the short end, bytes at the long one; both after NFC.
E_ACUTE, E_ACUTE_NFD = "\u00e9", "e\u0301"
FACE = "\U0001f600"
REFUSED = {
    "7-letters": ("qzxwvkj", "TOO_SHORT"),
    "7-faces": (FACE * 7, "TOO_SHORT"),
    "7-composed-of-14": (E_ACUTE_NFD * 7, "TOO_SHORT"),
    "1-letter": ("q", "TOO_SHORT"),
    "empty": ("", "REQUIRED"),
    "1025-bytes": ("q" * 1025, "TOO_LONG"),
    "1026-bytes-of-two": (E_ACUTE * 513, "TOO_LONG"),
    "1028-bytes-of-four": (FACE * 257, "TOO_LONG"),
    "1026-bytes-composed": (E_ACUTE_NFD * 513, "TOO_LONG"),
}
ACCEPTED = {
    "8-letters": "qzxwvkjy",
    "8-faces": FACE * 8,
    "8-composed-of-16": E_ACUTE_NFD * 8,
    "1024-bytes": "q" * 1024,
    "1024-bytes-of-two": E_ACUTE * 512,
    "1024-bytes-of-four": FACE * 256,
    "1024-bytes-composed-of-1536": E_ACUTE_NFD * 512,
    # NIST SP 800-63B-4, 3.1.1.2: no composition rules.
    "lower-case-letters": "qzxwvkjyqzxw",
    "digits": "8305729164",
    "spaces": " " * 8,
    "emoji-sequence": "\U0001f468\u200d\U0001f469\u200d\U0001f467 fam",
    "nul-inside": "abc\0defgh",
    "only-nul": "\0" * 8,
    "right-to-left": "\u05e1\u05d9\u05e1\u05de\u05d4 \u05d0\u05e8\u05d5\u05db\u05d4",
    "invisible": "\u200b" * 8,
    "markup": "<b>&'\"--;",
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_passwords_outside_of_the_bounds(kind: str, client: GraphQLClient) -> None:
    """Too short and too long are told as that, by the field."""
    password, code = REFUSED[kind]
    assert codes(await signup(client, password)) == [("password", code)]


@pytest.mark.parametrize("kind", ACCEPTED)
async def test_passwords_within_the_bounds(kind: str, client: GraphQLClient) -> None:
    """Whatever is 8 characters to 1024 bytes long is a password, and logs in."""
    password = ACCEPTED[kind]
    assert (await signup(client, password))["__typename"] == "AuthPayload"
    assert (await client.login(password))["__typename"] == "AuthPayload"


@pytest.mark.parametrize(("length", "accepted"), [(14, False), (15, True)])
async def test_the_least_length_is_a_setting(
    length: int, accepted: bool, settings: Settings, clock: SettableClock
) -> None:
    """An operator who asks for more characters gets them asked for."""
    stricter = replace(settings, password_min_length=15)
    async with serving(stricter, clock) as (_, http):
        result = await signup(GraphQLClient(http), "qzxwvkjyqzxwvkjy"[:length])
    assert (result["__typename"] == "AuthPayload") is accepted


@pytest.mark.parametrize(
    ("set_as", "typed_as"),
    [
        (E_ACUTE * 8, E_ACUTE_NFD * 8),
        (E_ACUTE_NFD * 8, E_ACUTE * 8),
        ("\u1100\u1161\u11a8" * 8, "\uac01" * 8),
        ("\u212bngstr\u00f6m 1", "A\u030angstro\u0308m 1"),
        ("q\u0323\u0307 password", "q\u0307\u0323 password"),
    ],
)
async def test_one_password_on_two_keyboards(
    set_as: str, typed_as: str, client: GraphQLClient
) -> None:
    """Canonically equivalent spellings are one password: keyboards differ (NIST SP 800-63B-4)."""
    assert set_as != typed_as
    assert unicodedata.normalize("NFC", set_as) == unicodedata.normalize("NFC", typed_as)
    await signup(client, set_as)
    assert (await client.login(typed_as))["__typename"] == "AuthPayload"


LONG = "q" * 1023
DIFFER = {
    "case": ("Qzxwvkjy", "qzxwvkjy"),
    "space-after": ("qzxwvkjy", "qzxwvkjy "),
    "space-before": ("qzxwvkjy", " qzxwvkjy"),
    "compatibility": ("\ufb01nal word", "final word"),
    "full-width": ("\uff41bcdefgh9", "abcdefgh9"),
    "sharp-s": ("stra\u00dfe 12", "strasse 12"),
    "byte-73": ("q" * 72 + "a", "q" * 72 + "b"),
    "byte-100": ("q" * 99 + "a" + "z" * 20, "q" * 99 + "b" + "z" * 20),
    "byte-1024": (LONG + "a", LONG + "b"),
    "73-of-72": ("q" * 73, "q" * 72),
    "after-nul": ("abcdefgh\0one", "abcdefgh\0two"),
    "nul-cuts": ("abcdefgh\0one", "abcdefgh"),
    "nul-at-the-end": ("abcdefgh\0", "abcdefgh"),
    "only-nuls": ("\0" * 8, "\0" * 9),
}


@pytest.mark.parametrize("kind", DIFFER)
async def test_every_byte_of_a_password_counts(kind: str, client: GraphQLClient) -> None:
    """Two passwords that differ anywhere are two: nothing is cut, folded or trimmed."""
    one, two = DIFFER[kind]
    await signup(client, one)
    assert (await client.login(two))["__typename"] == "InvalidCredentials"
    assert (await client.login(one))["__typename"] == "AuthPayload"


@pytest.mark.parametrize(
    "password",
    ["password", "12345678", "PASSWORD", "PaSsWoRd", "iloveyou", "qwertyuiop", "trustno1"],
)
async def test_common_passwords_are_refused(password: str, client: GraphQLClient) -> None:
    """What is tried first by everybody is no password, in whatever case."""
    assert codes(await signup(client, password)) == [("password", "TOO_COMMON")]


@pytest.mark.parametrize(
    ("password", "own"),
    [
        ("ada.lovelace@example.com", {"email": "ada.lovelace@example.com"}),
        ("ADA.LOVELACE@EXAMPLE.COM", {"email": "ada.lovelace@example.com"}),
        ("ada-lovelace", {"username": "Ada-Lovelace"}),
        ("Ada King, Countess", {"name": "Ada King, Countess"}),
        ("ada king, countess", {"name": "Ada King, Countess"}),
        (f"Ren{E_ACUTE_NFD} Noether", {"name": f"Ren{E_ACUTE} Noether"}),
    ],
)
async def test_ones_own_words_are_refused(
    password: str, own: dict[str, str], client: GraphQLClient
) -> None:
    """The account's own address, username or name is no password, in whatever case or form."""
    result = await signup(client, password, **own)
    assert codes(result) == [("password", "NOT_UNIQUE_ENOUGH")]


CHANGE = (
    "mutation($input: ChangePasswordInput!) { changePassword(input: $input) { __typename "
    "... on InvalidInput { violations { field code } } } }"
)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("qzxwvkj", "TOO_SHORT"), ("q" * 1025, "TOO_LONG"), ("", "REQUIRED"),
        ("password", "TOO_COMMON"), ("ada@example.com", "NOT_UNIQUE_ENOUGH"),
        ("COUNTESS", "NOT_UNIQUE_ENOUGH"), ("Ada King", "NOT_UNIQUE_ENOUGH"),
    ],
)  # fmt: skip
async def test_a_changed_password_obeys_the_same_rules(
    new: str, code: str, client: GraphQLClient
) -> None:
    """A change is judged like a signup; refused, the old password stays."""
    await client.signup(username="countess", name="Ada King")
    change = {"input": {"currentPassword": PASSWORD, "newPassword": new}}
    assert codes(await client.field(CHANGE, change)) == [("newPassword", code)]
    assert (await client.login())["__typename"] == "AuthPayload"


async def test_a_change_needs_the_current_password(
    client: GraphQLClient, settings: Settings
) -> None:
    """Who holds a stolen access token alone cannot take the account over."""
    await client.signup()
    before = await rows(settings, "SELECT hash, changed_at FROM gql_auth_passwords")
    change = {"input": {"currentPassword": "wrong password", "newPassword": "qzxwvkjyq"}}
    assert (await client.field(CHANGE, change))["__typename"] == "InvalidCredentials"
    assert await rows(settings, "SELECT hash, changed_at FROM gql_auth_passwords") == before


async def test_what_is_stored_is_a_keyed_bcrypt_hash(
    client: GraphQLClient, settings: Settings
) -> None:
    """A stolen database alone cannot be guessed against: the hash is not that of the password."""
    await client.signup()
    ((stored,),) = await rows(settings, "SELECT hash FROM gql_auth_passwords")
    recipe, _, hashed = stored.partition(":")
    assert recipe == "h1"
    assert hashed.startswith("$2b$10$")
    assert not bcrypt.checkpw(PASSWORD.encode(), hashed.encode())


def test_a_hash_hangs_on_the_master_secret() -> None:
    """With another master secret the right password does not match: the key is in the digest."""
    mine, other = (PasswordHasher(MasterSecret(secret), 10) for secret in (b"one", b"another"))
    stored = mine.hash(PASSWORD)
    assert mine.verify(PASSWORD, stored)
    assert not other.verify(PASSWORD, stored)


async def test_equal_passwords_have_unequal_hashes(
    client: GraphQLClient, settings: Settings
) -> None:
    """Each hash has a salt of its own."""
    await client.signup()
    await client.signup("bob@example.com")
    (one,), (two,) = await rows(settings, "SELECT hash FROM gql_auth_passwords")
    assert one != two


# -- What a guesser learns -------------------------------------------------------------------


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bcrypt settings (`$2b$10$`) of each hash that was worked out, in order."""
    done: list[str] = []
    check, make = bcrypt.checkpw, bcrypt.hashpw

    def counted_check(password: bytes, hashed: bytes) -> bool:
        done.append(hashed[:7].decode())
        return check(password, hashed)

    def counted_make(password: bytes, salt: bytes) -> bytes:
        done.append(salt[:7].decode())
        return make(password, salt)

    monkeypatch.setattr(bcrypt, "checkpw", counted_check)
    monkeypatch.setattr(bcrypt, "hashpw", counted_make)
    return done


GUESSES: dict[str, dict[str, str]] = {
    "wrong-password": {"email": "ada@example.com"},
    "unknown-address": {"email": "nobody@example.com"},
    "unknown-username": {"username": "nobody"},
    "no-address": {"email": "not an address"},
    "no-username": {"username": "!"},
    "long-address": {"email": "x" * 5000 + "@example.com"},
    "nul-address": {"email": "ada@example.com\0"},
    "disabled": {"email": "bob@example.com"},
}


@pytest.mark.parametrize("who", GUESSES)
@pytest.mark.parametrize("password", ["wrong password", PASSWORD], ids=["wrong", "right"])
async def test_a_guess_tells_nothing_of_the_account(
    who: str, password: str, client: GraphQLClient, auth: GraphQLAuth, work: list[str]
) -> None:
    """Unknown, disabled or wrong: the very same answer, for the very same bcrypt work."""
    if who == "wrong-password":
        password = "wrong password"
    await client.signup()
    bob = await client.signup("bob@example.com")
    await auth.system.part(SignIn).disable(UUID(bob["user"]["id"]))
    work.clear()
    result = await client.field(LOGIN, {"input": {"password": password} | GUESSES[who]})
    assert result == {"__typename": "InvalidCredentials", "message": "Invalid credentials"}
    assert "set-cookie" not in client.last.headers
    assert work == ["$2b$10$"]


async def test_an_unknown_account_takes_as_long_as_a_known_one(client: GraphQLClient) -> None:
    """The times of both overlap widely; a skipped hash alone would make them differ tenfold."""
    await client.signup()
    times: dict[str, list[float]] = {"ada": [], "nobody": []}
    for _ in range(7):
        for name, taken in times.items():
            began = time.perf_counter()
            await client.login("wrong password", email=f"{name}@example.com")
            taken.append(time.perf_counter() - began)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert 0.4 < unknown / known < 2.5


async def test_a_wrong_current_password_costs_one_hash(
    client: GraphQLClient, work: list[str]
) -> None:
    """A refused change works out the check alone; the new password is not hashed for nothing."""
    await client.signup()
    work.clear()
    change = {"input": {"currentPassword": "wrong password", "newPassword": "qzxwvkjyq"}}
    await client.field(CHANGE, change)
    assert work == ["$2b$10$"]


@pytest.mark.parametrize("password", ["", "q" * 1025, "q" * 90_000])
async def test_what_cannot_be_a_password_is_not_hashed(
    password: str, client: GraphQLClient, work: list[str]
) -> None:
    """An empty or overlong password is refused before any work, known account or not."""
    await client.signup()
    work.clear()
    for email in ("ada@example.com", "nobody@example.com"):
        assert (await client.login(password, email=email))["__typename"] == "InvalidInput"
    assert work == []


async def test_a_taken_address_costs_no_hash(client: GraphQLClient, work: list[str]) -> None:
    """A signup that is refused anyway does not keep the hashing threads busy."""
    await client.signup()
    work.clear()
    assert (await signup(client, PASSWORD))["__typename"] == "EmailTaken"
    assert work == []
