"""`gql-auth schema` and `gql-auth migrate`."""

import typer

from gql_auth.app import build_schema
from gql_auth.commands.running import explained, load_settings, out
from gql_auth.storage import migrate as migrations


def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    typer.echo(build_schema().as_str())


def migrate() -> None:
    """Bring the database's schema up to date. Safe to run again and from several places."""
    with explained():
        settings = load_settings()
        if settings.embedded:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = migrations.current(settings)
        migrations.migrate(settings)
        after = migrations.current(settings)
    if before == after:
        out.print(f"The database is up to date ({after}).")
    else:
        out.print(f"Migrated from {before or 'nothing'} to {after}.")
