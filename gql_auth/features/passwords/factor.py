"""The password factor: proof that a person knows an account's password."""

from contextlib import AbstractContextManager
from typing import Final
from uuid import UUID

from gql_auth.features.passwords.core import PasswordHasher, Passwords, judge_presented
from gql_auth.features.passwords.hashing import HashingThreads
from gql_auth.features.users.core import User
from gql_auth.kernel.addresses import client_of
from gql_auth.kernel.caller import Client
from gql_auth.kernel.errors import Violation
from gql_auth.kernel.unit import Unit, Units

_NOBODY: Final = UUID(int=0)


class PasswordProof:
    """A password matched this stored hash."""

    def __init__(self, user_id: UUID, stored: str, upgraded: str | None) -> None:
        self._user_id = user_id
        self._stored = stored
        self._upgraded = upgraded

    async def holds(self, unit: Unit) -> bool:
        """Whether the hash is still the account's; takes the chance to renew an old recipe."""
        passwords = unit.get(Passwords)
        if self._upgraded is not None:
            return await passwords.replace(self._user_id, before=self._stored, after=self._upgraded)
        return await passwords.still(self._user_id, self._stored)

    async def change(self, unit: Unit, after: str) -> bool:
        """Put another hash in the place of the verified one; False where it has changed."""
        return await unit.get(Passwords).replace(self._user_id, before=self._stored, after=after)


class PasswordFactor:
    """Implements `Factor` with passwords."""

    name: Final = "password"

    def __init__(self, units: Units, threads: HashingThreads, hasher: PasswordHasher) -> None:
        self._units = units
        self._threads = threads
        self._hasher = hasher

    def judge(self, secret: str, field: str) -> list[Violation]:
        """Rules that a presented password breaks."""
        return judge_presented(secret, field)

    def place(self, client: Client | None) -> AbstractContextManager[None]:
        """A place for the work of one attempt; `verify` and `hash` are called within it.

        Raises:
            Crowded: too many are waiting, altogether or for this client.
        """
        return self._threads.place(client_of(client.ip_address) if client else "")

    def require_place(self, client: Client) -> None:
        """Come back if there is a place at this moment: what is turned away at once costs nothing.

        Raises:
            Crowded: there is none.
        """
        self._threads.require_place(client_of(client.ip_address))

    async def verify(self, user: User | None, secret: str) -> PasswordProof | None:
        """Proof where the password is the account's."""
        async with self._units.read() as unit:  # also for nobody: the same work, the same time
            stored = await unit.get(Passwords).stored(user.id if user else _NOBODY)
        if not await self._threads.run(lambda: self._hasher.verify(secret, stored)):
            return None
        if user is None or stored is None:
            return None
        upgraded = None
        if self._hasher.needs_rehash(stored):
            upgraded = await self._threads.run(lambda: self._hasher.hash(secret))
        return PasswordProof(user.id, stored, upgraded)

    async def hash(self, secret: str) -> str:
        """The stored form of a new password."""
        return await self._threads.run(lambda: self._hasher.hash(secret))
