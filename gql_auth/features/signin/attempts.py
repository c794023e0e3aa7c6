"""What all flows that hash a secret have in common: attempts are counted before anything is done,
have a place in the queue for hashing, and are told of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Final

from gql_auth.features.passwords.factor import PasswordFactor
from gql_auth.features.passwords.hashing import Crowded
from gql_auth.features.signin.entering import Entrance
from gql_auth.features.signin.granting import Grants
from gql_auth.features.throttle.core import Charges, Throttles, TooManyAttempts
from gql_auth.kernel.caller import Client
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import InvalidInput, Refused, Unavailable
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Units

_COUNTING: Final = 2  # attempts of this process that are counted at a time


class Attempts:
    """The parts of the flows, and how an attempt goes."""

    def __init__(
        self,
        units: Units,
        factor: PasswordFactor,
        grants: Grants,
        *,
        password_min_length: int,
        require_verified_email: bool,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._units = units
        self._factor = factor
        self._grants = grants
        self.entrance = Entrance(grants)
        self._password_min_length = password_min_length
        self._require_verified_email = require_verified_email
        self._clock = clock
        self._telemetry = telemetry
        # Guesses at one account wait for one row: they wait here, and leave the database's
        # connections to others.
        self._counting = asyncio.Semaphore(_COUNTING)

    @asynccontextmanager
    async def _attempt(
        self, client: Client | None, charge: Callable[[Throttles], Awaitable[Charges]] | None
    ) -> AsyncIterator[None]:
        """An attempt that is counted, and has a place for its hashing: both or neither.

        Raises:
            TooManyAttempts, Crowded: nothing was checked.
        """
        charges: Charges = ()
        if client is not None and charge is not None:
            self._factor.require_place(client)
            async with self._counting, self._units.write() as unit:
                charges = await charge(unit.get(Throttles))
        with ExitStack() as held:
            try:
                held.enter_context(self._factor.place(client))
            except Crowded:
                async with self._units.write() as unit:
                    await unit.get(Throttles).undo(charges)
                raise
            yield

    @contextmanager
    def _telling(self, tell: Callable[[str], None], *, success: bool = True) -> Iterator[None]:
        """Tell how an attempt went; of a refresh, what its success was is told where it is."""
        try:
            yield
        except TooManyAttempts:
            tell("throttled")
            raise
        except Unavailable:
            tell("unavailable")
            raise
        except InvalidInput:
            tell("invalid")
            raise
        except Refused:
            if success:
                tell("refused")
            raise
        if success:
            tell("succeeded")
