"""What notices plug in."""

from gql_auth.features.mail.core import Outbox
from gql_auth.features.notices.core import Notices
from gql_auth.features.throttle.core import Throttles
from gql_auth.features.users.core import Users
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Feature
from gql_auth.kernel.settings import Settings

feature = Feature(
    name="notices",
    services={
        Notices: lambda parts, unit, _connection: Notices(
            unit.get(Outbox),
            unit.get(Throttles),
            unit.get(Users),
            parts.part(Clock),
            parts.part(Settings).notices,
        )
    },
)
