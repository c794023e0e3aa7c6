"""What throttles plug in."""

from datetime import datetime, timedelta
from typing import Any, Final

from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.throttle.core import Throttles, TooManyAttempts
from gql_auth.features.throttle.store import SqlThrottles
from gql_auth.features.throttle.tables import KnownAddressRow, ThrottleRow
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Batch, Feature, Parts
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Unit
from gql_auth.serving.refusals import TooManyAttemptsType


def _make(parts: Parts, _unit: object, connection: Any) -> Throttles:
    return Throttles(
        SqlThrottles(connection),
        parts.part(Clock),
        parts.part(MasterSecret),
        parts.part(Settings),
        parts.part(Telemetry),
    )


_KNOWN: Final = timedelta(days=90)


class EmptyBuckets:
    """Removes buckets that have drained: they say nothing."""

    what = "throttles"

    def __init__(self, _settings: Settings) -> None:
        """Nothing is kept for a time."""

    async def batch(self, unit: Unit, _now: datetime, limit: int) -> Batch:
        """Remove some."""
        removed = await unit.get(Throttles).remove_empty(limit)
        return Batch(removed, more=removed == limit)


class UnseenAddresses:
    """Removes addresses from which an account has not signed in for three months, or for as long
    as sessions live."""

    what = "addresses"

    def __init__(self, settings: Settings) -> None:
        self._keep = max(settings.session_max_age, _KNOWN)

    async def batch(self, unit: Unit, now: datetime, limit: int) -> Batch:
        """Remove some."""
        removed = await unit.get(Throttles).remove_unseen(now - self._keep, limit)
        return Batch(removed, more=removed == limit)


feature = Feature(
    name="throttle",
    tables=(ThrottleRow, KnownAddressRow),
    services={Throttles: _make},
    chores=(EmptyBuckets, UnseenAddresses),
    refusals={TooManyAttempts: TooManyAttemptsType},
)
