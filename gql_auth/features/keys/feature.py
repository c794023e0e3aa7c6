"""What signing keys plug in."""

from gql_auth.features.audit.core import Audit
from gql_auth.features.keys.core import Keys, MasterSecret
from gql_auth.features.keys.store import SqlKeys
from gql_auth.features.keys.tables import KeyRow
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Feature
from gql_auth.kernel.settings import Settings
from gql_auth.storage.announcements import Announcements
from gql_auth.storage.locks import Locks

feature = Feature(
    name="keys",
    tables=(KeyRow,),
    services={
        Keys: lambda parts, unit, connection: Keys(
            SqlKeys(connection, parts.part(Locks), parts.part(Announcements)),
            unit.get(Audit),
            parts.part(Clock),
            parts.part(MasterSecret),
            parts.part(Settings).signing_algorithm,
        )
    },
)
