"""Passwords: which are accepted, how they are kept, how they are checked without stalling others.

The stored format, and its law:

    h1:$2b$12$…      bcrypt over base64(HMAC-SHA-256(key, NFC(password) as UTF-8))

`key` comes from the master secret (label "passwords"): a copy of the database alone cannot be
guessed against. The digest is 44 bytes without NUL, so bcrypt's 72-byte limit cuts nothing and
every byte of the password counts. "h1" names this recipe; a new one gets a new name, and
`needs_rehash` moves accounts over as they sign in.
"""

import asyncio
import hashlib
import hmac
import os
import sys
import threading
import unicodedata
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Final, Protocol, TypeVar
from uuid import UUID

import bcrypt

from gql_auth.features.keys.core import MasterSecret
from gql_auth.kernel import telemetry
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Refused, Unavailable, Violation, ViolationCode

T = TypeVar("T")

MAX_BYTES: Final = 1024
# Normalization takes time in the square of a run of combining marks: a megabyte of them would
# take minutes. NFC makes at most 4 code points one character of 3 bytes, so more than this
# is too long in any form.
_MAX_RAW: Final = 2 * MAX_BYTES
_RECIPE: Final = "h1:"
_LEAST_PRIORITY: Final = 19


class InvalidCredentials(Refused):
    """Unknown account, wrong password or disabled account: the answer does not tell which."""

    code = "INVALID_CREDENTIALS"
    message = "Invalid credentials"
    leaves_evidence = True  # the failed attempt is an event


class Crowded(Unavailable):
    """Too much hashing is waiting; nothing was checked."""

    message = "Too many sign-ins at the moment, try again shortly"

    def __init__(self) -> None:
        super().__init__(retry_after=2)


class HashingThreads:
    """A bounded, niced pool: bcrypt releases the GIL, and the event loop keeps its turn.

    Args:
        queue: how many may wait for a thread; more are refused in no time.
        threads: one a core unless said otherwise.
    """

    def __init__(self, queue: int, threads: int | None = None) -> None:
        self._threads = threads or len(os.sched_getaffinity(0) if _ON_LINUX else [0] * 2)
        self._room = self._threads + queue
        self._share = max(self._room // 4, self._threads)
        self._inside = 0
        self._held: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(
            self._threads, thread_name_prefix="hashing", initializer=_be_nice
        )

    @property
    def running(self) -> int:
        """How many are being worked out."""
        return min(self._inside, self._threads)

    @property
    def waiting(self) -> int:
        """How many wait for a thread."""
        return self._inside - self.running

    def require_place(self, who: str = "") -> None:
        """Come back if there is a place at this moment.

        Raises:
            Crowded: there is none.
        """
        if self._inside >= self._room or self._held.get(who, 0) >= self._share:
            raise Crowded

    @contextmanager
    def place(self, who: str = "") -> Iterator[None]:
        """A place in the queue, held while the block runs.

        Args:
            who: for whom. Nobody gets more than a quarter of the places, so that one who floods
                leaves room for others.

        Raises:
            Crowded: there is no place left.
        """
        self.require_place(who)
        self._inside += 1
        self._held[who] += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._held[who] -= 1
            if not self._held[who]:
                del self._held[who]

    async def run(self, act: Callable[[], T]) -> T:
        """The result of `act`, worked out in a thread; called within a `place`."""
        with telemetry.span("password hashing"):
            return await asyncio.get_running_loop().run_in_executor(self._pool, act)

    def close(self) -> None:
        """Let running work end and take no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)


_ON_LINUX: Final = sys.platform == "linux"


def _be_nice() -> None:
    """Only Linux has priorities by thread; elsewhere the pool's bound must do."""
    if _ON_LINUX:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LEAST_PRIORITY)


class PasswordHasher:
    """Hashes and checks passwords; blocking, so called inside `HashingThreads`."""

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
