"""Passwords: which are accepted, how they are kept, how they are checked.

The stored format, and its law:

    h1:$2b$12$…      bcrypt over base64(HMAC-SHA-256(key, NFC(password) as UTF-8))

`key` comes from the master secret (label "passwords"): a copy of the database alone cannot be
guessed against. The digest is 44 bytes without NUL, so bcrypt's 72-byte limit cuts nothing and
every byte of the password counts. "h1" names this recipe; a new one gets a new name, and
`needs_rehash` moves accounts over as they sign in.
"""

import hashlib
import hmac
import unicodedata
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Final, Protocol
from uuid import UUID

import bcrypt

from gql_auth.features.keys.core import MasterSecret
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Refused, Violation, ViolationCode

MAX_BYTES: Final = 1024
# Normalization takes time in the square of a run of combining marks: a megabyte of them would
# take minutes. NFC makes at most 4 code points one character of 3 bytes, so more than this
# is too long in any form.
_MAX_RAW: Final = 2 * MAX_BYTES
_RECIPE: Final = "h1:"


class InvalidCredentials(Refused):
    """Unknown account, wrong password or disabled account: the answer does not tell which."""

    code = "INVALID_CREDENTIALS"
    message = "Invalid credentials"
    leaves_evidence = True  # the failed attempt is an event


class PasswordHasher:
    """Hashes and checks passwords; blocking, so called in `hashing`'s threads."""

    def __init__(self, secret: MasterSecret, cost: int) -> None:
        self._key = secret.derive("passwords")
        self._cost = cost

    def hash(self, password: str) -> str:
        """The stored form of a new password."""
        salt = bcrypt.gensalt(self._cost)
        return _RECIPE + bcrypt.hashpw(self._digest(password), salt).decode()

    def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one; as slow where there is nothing stored."""
        digest = self._digest(password)
        if stored is None:
            bcrypt.checkpw(digest, _decoy(self._cost))
            return False
        candidate = stored.removeprefix(_RECIPE)
        if bcrypt.checkpw(digest, candidate.encode()):
            return True
        # A hash from before the cost was raised took less time than one that is not there:
        # 2^c + 2^c + 2^(c+1) + … fills it up to the cost of today.
        for cost in range(int(candidate[4:6]), self._cost):
            bcrypt.checkpw(digest, _decoy(cost))
        return False

    def needs_rehash(self, stored: str) -> bool:
        """Whether the stored form is of another recipe or cost than new ones get."""
        return not stored.startswith(f"{_RECIPE}$2b${self._cost:02d}$")

    def _digest(self, password: str) -> bytes:
        whole = unicodedata.normalize("NFC", password).encode()
        return b64encode(hmac.digest(self._key, whole, hashlib.sha256))


def _decoy(cost: int) -> bytes:
    """A well-formed hash that no digest matches: checking it costs what a real check costs."""
    return bcrypt.gensalt(cost) + b"." * 31


class PasswordStore(Protocol):
    """Where password hashes are kept."""

    async def get(self, user_id: UUID, *, hold: bool = False) -> str | None:
        """The stored hash; `hold` keeps others from changing it until the unit ends."""
        ...

    async def add(self, user_id: UUID, stored: str, at: datetime) -> None:
        """Keep the hash of a new account."""
        ...

    async def replace(self, user_id: UUID, before: str, after: str, at: datetime) -> bool:
        """Put `after` in the place of `before`; False where it is no longer there."""
        ...


class Passwords:
    """Password hashes in the open unit. Hashing itself happens outside of any unit."""

    def __init__(self, store: PasswordStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def stored(self, user_id: UUID) -> str | None:
        """The account's stored hash, for `PasswordHasher.verify`."""
        return await self._store.get(user_id)

    async def still(self, user_id: UUID, stored: str) -> bool:
        """Whether the hash that was verified is still the account's; holds it until the unit
        ends, so that a sign-in cannot slip past a password change."""
        return await self._store.get(user_id, hold=True) == stored

    async def add(self, user_id: UUID, stored: str) -> None:
        """Keep the hash of a new account."""
        await self._store.add(user_id, stored, self._clock.now())

    async def replace(self, user_id: UUID, *, before: str, after: str) -> bool:
        """Change the hash, if it is still `before`."""
        return await self._store.replace(user_id, before, after, self._clock.now())


def judge_presented(password: str, field: str) -> list[Violation]:
    """Rules for a password that is to be checked: there, and of a size worth hashing."""
    if not password:
        return [Violation(field, ViolationCode.REQUIRED, "The password is missing.")]
    if len(password) > _MAX_RAW or len(unicodedata.normalize("NFC", password).encode()) > MAX_BYTES:
        return [Violation(field, ViolationCode.TOO_LONG,
                          f"The password is longer than {MAX_BYTES} bytes.")]  # fmt: skip
    return []


def judge_new(
    password: str, field: str, *, min_length: int, context: Iterable[str | None]
) -> list[Violation]:
    """Rules for a new password (NIST SP 800-63B-4, 3.1.1.2): length and blocklist, no
    composition. `context` are the account's own words, which anybody would try first."""
    if basic := judge_presented(password, field):
        return basic
    whole = unicodedata.normalize("NFC", password)
    if len(whole) < min_length:
        return [Violation(field, ViolationCode.TOO_SHORT,
                          f"The password is shorter than {min_length} characters.")]  # fmt: skip
    folded = whole.casefold()
    words = [word for word in context if word and len(word) <= _MAX_RAW]
    if any(folded == unicodedata.normalize("NFC", word).casefold() for word in words):
        return [Violation(field, ViolationCode.NOT_UNIQUE_ENOUGH, "The password is your e-mail "
                          "address, username or name; choose another.")]  # fmt: skip
    if folded in common_passwords():
        return [Violation(field, ViolationCode.TOO_COMMON, "The password is one of the most "
                          "common ones; choose another.")]  # fmt: skip
    return []


@cache
def common_passwords() -> frozenset[str]:
    """The most used passwords of eight characters or more (11,600 of zxcvbn's list).

    Imported when first needed: signing in never needs it.
    """
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415

    shortest = 8
    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= shortest)
