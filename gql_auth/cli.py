"""The command line: `gql-auth serve`, `schema`, `migrate`, `doctor`, `keys …`, `mail …`,
`users …`.

Exit codes: 0 done, 1 refused (the message says why), 2 wrong usage, 3 wrong settings or a
database that is not ready, 4 the database cannot be reached.
"""

from typing import Annotated

import typer

from gql_auth._version import __version__
from gql_auth.commands import doctor, keys, mail, schema, serve, users

app = typer.Typer(
    name="gql-auth",
    help="Accounts, sessions and permissions for GraphQL APIs. Settings are GQL_AUTH_* "
    "environment variables; see docs/configuration.md.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
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


def main() -> None:
    """The `gql-auth` command."""
    app()
