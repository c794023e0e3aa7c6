"""The list of features. Adding one is a folder in `features`, a migration and a line here."""

from gql_auth.features.audit.feature import feature as audit
from gql_auth.features.keys.feature import feature as keys
from gql_auth.features.life.feature import feature as life
from gql_auth.features.links.feature import feature as links
from gql_auth.features.mail.feature import feature as mail
from gql_auth.features.notices.feature import feature as notices
from gql_auth.features.passwords.feature import feature as passwords
from gql_auth.features.recovery.feature import feature as recovery
from gql_auth.features.sessions.feature import feature as sessions
from gql_auth.features.signin.feature import feature as signin
from gql_auth.features.throttle.feature import feature as throttle
from gql_auth.features.users.feature import feature as users
from gql_auth.kernel.feature import Feature

FEATURES: tuple[Feature, ...] = (
    audit,
    keys,
    mail,
    users,
    throttle,
    notices,
    sessions,
    passwords,
    links,
    signin,
    recovery,
    life,
)
