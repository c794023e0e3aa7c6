"""`gql-auth schema` and `gql-auth migrate`."""

from typing import Annotated

import typer

from gql_auth.building import build_schema
from gql_auth.commands.running import explained, load_settings
from gql_auth.commands.voices import out
from gql_auth.kernel.settings import Settings
from gql_auth.preparing import prepare
from gql_auth.storage import migrate as migrations
from gql_auth.storage.places import sqlite_path


def schema(
    federation: Annotated[
        bool, typer.Option(help="As a subgraph of Apollo Federation, for composition.")
    ] = False,
) -> None:
    """Print the GraphQL schema (SDL)."""
    typer.echo(build_schema(settings=Settings(federation=federation)).as_str())


def migrate() -> None:
    """Bring the database's schema up to date. Safe to run again and from several places."""
    with explained():
        settings = load_settings()
        path = sqlite_path(settings)
        before = None if path and not path.exists() else migrations.current(settings)
        if settings.embedded:
            prepare(settings)  # folder and file with the modes that the server gives them
        else:
            migrations.migrate(settings)
        after = migrations.current(settings)
    if before == after:
        out.print(f"The database is up to date ({after}).")
    else:
        out.print(f"Migrated from {before or 'nothing'} to {after}.")
