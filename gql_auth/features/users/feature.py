"""What accounts plug in."""

from gql_auth.features.audit.core import Audit
from gql_auth.features.users.core import (
    EmailNotVerified,
    EmailTaken,
    UserGlance,
    UsernameTaken,
    Users,
)
from gql_auth.features.users.graph import (
    EmailNotVerifiedType,
    EmailTakenType,
    UsernameTakenType,
    UserQuery,
    UserType,
    find_users,
)
from gql_auth.features.users.store import SqlUserGlance, SqlUsers
from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Feature
from gql_auth.storage.revision import Revision

feature = Feature(
    name="users",
    tables=(UserRow,),
    services={
        Users: lambda parts, unit, connection: Users(
            SqlUsers(connection, migrated=parts.part(Revision).is_current),
            unit.get(Audit),
            parts.part(Clock),
        )
    },
    glances={
        UserGlance: lambda parts, units, glances: SqlUserGlance(
            glances, units, parts.part(Revision)
        )
    },
    queries=(UserQuery,),
    refusals={
        EmailTaken: EmailTakenType,
        UsernameTaken: UsernameTakenType,
        EmailNotVerified: EmailNotVerifiedType,
    },
    entities={UserType: find_users},
)
