"""Whether the API is one subgraph of several, what its router may ask for, and what the router
and we call the same thing."""

from dataclasses import dataclass

from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import setting
from gql_auth.kernel.parsing import switch


@dataclass(frozen=True, kw_only=True)
class Federating:
    """Apollo Federation. Part of `Settings`."""

    federation: bool = setting(
        False, switch, "Serve as a subgraph of Apollo Federation 2: `User` is an entity, and "
        "access tokens have a `scope` claim for the router.", "on",
    )  # fmt: skip
    max_representations: int = setting(
        1_000, parsing.whole, "Entities that a router may ask for in one `_entities` field.",
        "1000", between=(1, 30_000),
    )  # fmt: skip


def scope_of(role: str) -> str:
    """What a role is called among the scopes of an access token, which are what routers know."""
    return f"role:{role}"
