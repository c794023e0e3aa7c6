"""The seam for ways to sign in: what a flow knows of a factor. Passwords are the first."""

from typing import Protocol

from gql_auth.features.users.core import User
from gql_auth.kernel.errors import Violation
from gql_auth.kernel.unit import Unit


class Proof(Protocol):
    """A factor's evidence that was verified outside of a unit."""

    async def holds(self, unit: Unit) -> bool:
        """Whether it is still true, here and now; keeps it true until the unit ends."""
        ...


class Factor(Protocol):
    """A way to prove that an account is one's own."""

    name: str

    def judge(self, secret: str, field: str) -> list[Violation]:
        """Rules that a presented secret breaks, before anything is looked up."""
        ...

    async def verify(self, user: User | None, secret: str) -> Proof | None:
        """Proof where the secret is the account's; None otherwise, in the same time, also
        where there is no account.

        Raises:
            Unavailable: too much work is waiting.
        """
        ...
