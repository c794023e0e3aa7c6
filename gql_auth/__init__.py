"""gql-auth: accounts, sessions and permissions for GraphQL APIs, as a server and as a library.

Names are imported when first used, so that a service which only verifies tokens
(`from gql_auth import Verifier`) loads neither FastAPI nor a database.
"""

from typing import TYPE_CHECKING

from gql_auth._version import __version__

if TYPE_CHECKING:
    from gql_auth.app import GraphQLAuth
    from gql_auth.context import AuthContext
    from gql_auth.features.audit.core import Event, Tag
    from gql_auth.features.mail.outlets import MailOutlet, TryLater, Undeliverable
    from gql_auth.features.users.core import User
    from gql_auth.kernel.caller import Caller
    from gql_auth.kernel.declaring import SettingsError
    from gql_auth.kernel.errors import Forbidden, Refused, Unauthenticated, Unavailable
    from gql_auth.kernel.settings import Settings
    from gql_auth.serving.costs.weights import Cost, ListSize
    from gql_auth.serving.permissions import Guard, HasRole, IsAuthenticated
    from gql_auth.verifier import TokenRejected, Verifier

_HOMES = {
    "AuthContext": "context",
    "Caller": "kernel.caller",
    "Cost": "serving.costs.weights",
    "Event": "features.audit.core",
    "Forbidden": "kernel.errors",
    "GraphQLAuth": "app",
    "Guard": "serving.permissions",
    "HasRole": "serving.permissions",
    "IsAuthenticated": "serving.permissions",
    "ListSize": "serving.costs.weights",
    "MailOutlet": "features.mail.outlets",
    "Refused": "kernel.errors",
    "Settings": "kernel.settings",
    "SettingsError": "kernel.declaring",
    "Tag": "features.audit.core",
    "TokenRejected": "verifier",
    "TryLater": "features.mail.outlets",
    "Unauthenticated": "kernel.errors",
    "Unavailable": "kernel.errors",
    "Undeliverable": "features.mail.outlets",
    "User": "features.users.core",
    "Verifier": "verifier",
}

__all__ = [
    "AuthContext",
    "Caller",
    "Cost",
    "Event",
    "Forbidden",
    "GraphQLAuth",
    "Guard",
    "HasRole",
    "IsAuthenticated",
    "ListSize",
    "MailOutlet",
    "Refused",
    "Settings",
    "SettingsError",
    "Tag",
    "TokenRejected",
    "TryLater",
    "Unauthenticated",
    "Unavailable",
    "Undeliverable",
    "User",
    "Verifier",
    "__version__",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'gql_auth' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - part of the lazy door

    return getattr(import_module(f"gql_auth.{home}"), name)
