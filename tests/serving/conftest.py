"""Both ways to serve: our own server, and a host's application that mounts the library."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import strawberry
from fastapi import FastAPI

from gql_auth import GraphQLAuth, IsAuthenticated
from gql_auth.app import create_app
from gql_auth.kernel.errors import Unavailable
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import migrate
from tests import live
from tests.serving.hosts import Stage
from tests.support import SECRET


@strawberry.type
class Hosts:
    """What a host adds."""

    @strawberry.field
    def hello(self, name: str | None = None) -> str:
        """Greet whoever asks."""
        return f"hello {name or 'world'}"

    @strawberry.field(permission_classes=[IsAuthenticated])
    def hint(self) -> str | None:
        """A protected field that may be null, so that its refusal leaves the others standing."""
        return "only for those who are signed in"

    @strawberry.field
    def away(self) -> str | None:
        """What depends on something that is out of reach."""
        raise Unavailable


@contextmanager
def _served(folder: Path, *, mounted: bool) -> Iterator[str]:
    settings = Settings(data_dir=folder, secret=SECRET, bcrypt_cost=10)
    migrate(settings)
    auth = GraphQLAuth(settings)
    if mounted:
        app, path = FastAPI(lifespan=auth.lifespan), "/api/graphql"
        app.include_router(auth.router(query=Hosts), prefix="/api")
    else:
        app, path = create_app(auth), "/graphql"
    with live.serving(app) as base:
        yield base + path


@pytest.fixture(scope="module")
def mounted_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `/graphql` in a host's application."""
    with _served(tmp_path_factory.mktemp("mounted"), mounted=True) as url:
        yield url


@pytest.fixture(scope="module")
def standalone_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `/graphql` of our own server; introspection and GET are on by default."""
    with _served(tmp_path_factory.mktemp("standalone"), mounted=False) as url:
        yield url


@pytest.fixture(scope="module", params=["standalone", "mounted"])
def url(request: pytest.FixtureRequest) -> str:
    """Once of each."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def host(tmp_path: Path) -> Stage:
    """Starts host applications that have subscriptions."""
    return Stage(tmp_path)
