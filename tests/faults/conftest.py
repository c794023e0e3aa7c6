"""What the tests of faults share: a PostgreSQL server to be broken, a parent of quick starts."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.cluster import Cluster, cluster
from tests.faults.nursery import Nursery, nursery

_names = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    """A PostgreSQL server that may be restarted and killed; whoever does starts it again."""
    with cluster(max_connections=100) as started:
        yield started


@pytest.fixture
def database(server: Cluster) -> str:
    """The name of an empty database on it."""
    name = f"fault_{next(_names)}"
    server.database(name)
    return name


@pytest.fixture
def database_url(server: Cluster, database: str) -> str:
    """The URL of an empty database on it."""
    return server.url_at(server.port, database)


@pytest.fixture(scope="session")
def quick() -> Iterator[Nursery]:
    """Starts servers in a fraction of the time."""
    with nursery() as parent:
        yield parent
