"""Both ways to serve: our own server, and a host's application that mounts the library."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import strawberry
from fastapi import FastAPI

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.kernel.settings import Settings
from gql_auth.storage.migrate import migrate
from tests import live
from tests.support import SECRET


@strawberry.type
class Hosts:
    """What a host adds."""

    @strawberry.field
    def hello(self, name: str = "world") -> str:
        """Greet whoever asks."""
        return f"hello {name}"


@pytest.fixture(scope="module", params=["standalone", "mounted"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `/graphql`, once of each; introspection and GET are on by default."""
    folder: Path = tmp_path_factory.mktemp("conformance")
    settings = Settings(data_dir=folder, secret=SECRET, bcrypt_cost=10)
    migrate(settings)
    auth = GraphQLAuth(settings)
    if request.param == "standalone":
        app, path = create_app(auth), "/graphql"
    else:
        app, path = FastAPI(lifespan=auth.lifespan), "/api/graphql"
        app.include_router(auth.router(query=Hosts), prefix="/api")
    with live.serving(app) as base:
        yield base + path
