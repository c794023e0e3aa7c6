"""What a feature plugs into the system: the seam that makes a new feature one new folder."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from gql_auth.kernel.errors import Refused
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.unit import Unit, Units

S = TypeVar("S")


class Parts(Protocol):
    """The long-lived parts of a running system, looked up by type."""

    def part(self, kind: type[S]) -> S:
        """The part of that type.

        Raises:
            LookupError: no feature provides it; a defect in the list of features.
        """
        ...


# Builds a service for one unit of work: (parts of the system, open unit, storage session).
ServiceFactory = Callable[[Parts, Unit, Any], object]

# Builds what reads without a unit, once: (parts of the system, its units, the storage's glances).
GlanceFactory = Callable[[Parts, Units, Any], object]


# What the outbox runs by name: (an open unit, what was asked for).
ErrandHandler = Callable[[Unit, Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step of a chore did: rows removed, and whether there is more to do now."""

    removed: int
    more: bool


class Chore(Protocol):
    """Housekeeping in small steps, done by one process at a time. Made once a process, of the
    settings."""

    what: str

    async def batch(self, unit: Unit, now: datetime, limit: int) -> Batch:
        """Look at `limit` rows at most and remove what is kept no longer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One folder of `gql_auth.features`, as the composition root sees it.

    Args:
        name: the folder's name.
        tables: the row classes; empty where the feature stores nothing.
        services: what `Unit.get` can hand out, by type.
        glances: what `Units.glance` can hand out, by type.
        queries, mutations, subscriptions: classes whose GraphQL fields join the schema's roots.
        types: GraphQL types that no field names, as those behind an interface.
        chores: what housekeeping makes its chores of.
        refusals: refusal -> the GraphQL type that stands for it in result unions.
        entities: GraphQL type -> what finds many of it by `id`, for other subgraphs; see
            `gql_auth.serving.federation`.
        errands: name -> what the deliverer of mail runs for it, see `gql_auth.features.mail.core`.
    """

    name: str
    tables: tuple[type, ...] = ()
    services: Mapping[type, ServiceFactory] = field(default_factory=dict)
    glances: Mapping[type, GlanceFactory] = field(default_factory=dict)
    queries: tuple[type, ...] = ()
    mutations: tuple[type, ...] = ()
    subscriptions: tuple[type, ...] = ()
    types: tuple[type, ...] = ()
    chores: tuple[Callable[[Settings], Chore], ...] = ()
    refusals: Mapping[type[Refused], type] = field(default_factory=dict)
    entities: Mapping[type, Callable[..., Any]] = field(default_factory=dict)
    errands: Mapping[str, ErrandHandler] = field(default_factory=dict)
