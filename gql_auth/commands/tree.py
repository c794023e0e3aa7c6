"""The tree of commands: `serve`, `schema`, `migrate`, `doctor`, `keys …`, `mail …`, `users …`."""

from typing import Annotated

import typer

from gql_auth._version import __version__
from gql_auth.commands import doctor, keys, mail, schema, users

app = typer.Typer(
    name="gql-auth",
    help="Accounts, sessions and permissions for GraphQL APIs. Settings are GQL_AUTH_* "
    "environment variables; see docs/configuration.md.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("serve")
def _serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 picks a free one. [default: 8000]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes on this machine. [default: 1]")
    ] = None,
) -> None:
    """Serve GraphQL at /graphql. Everything else comes from GQL_AUTH_* variables."""
    from gql_auth.commands.serve import serve  # noqa: PLC0415 - other commands need no server

    serve(host=host, port=port, workers=workers)


app.command("schema")(schema.schema)
app.command("migrate")(schema.migrate)
app.command("doctor")(doctor.doctor)
app.add_typer(keys.app, name="keys")
app.add_typer(mail.app, name="mail")
app.add_typer(users.app, name="users")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    """Accounts, sessions and permissions for GraphQL APIs."""
