"""What passwords plug in."""

from gql_auth.features.passwords.core import Passwords
from gql_auth.features.passwords.store import SqlPasswords
from gql_auth.features.passwords.tables import PasswordRow
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.feature import Feature

feature = Feature(
    name="passwords",
    tables=(PasswordRow,),
    services={
        Passwords: lambda parts, _unit, connection: Passwords(
            SqlPasswords(connection), parts.part(Clock)
        )
    },
)
