"""What commands share: settings, a system for the length of a command, errors as exit codes."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from gql_auth.features.keys.core import SecretMismatch
from gql_auth.kernel.errors import Refused, Unavailable
from gql_auth.kernel.settings import Settings, SettingsError
from gql_auth.storage.migrate import SchemaOutdated
from gql_auth.system import System, prepare

T = TypeVar("T")

REFUSED, NOT_READY, UNREACHABLE = 1, 3, 4

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def fail(message: str, code: int) -> NoReturn:
    """End the command with a message on standard error."""
    err.print("[bold red]Error:[/]", end=" ")
    err.print(message, markup=False, soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what can go wrong on purpose into a message and an exit code."""
    try:
        yield
    except SettingsError as error:
        fail("\n".join(error.problems), NOT_READY)
    except (SchemaOutdated, SecretMismatch) as error:
        fail(str(error), NOT_READY)
    except Unavailable as error:
        cause = error.__cause__
        because = f" ({type(cause).__name__})" if cause else ""
        fail(f"{error}{because}. Is GQL_AUTH_DATABASE_URL right and the server up?", UNREACHABLE)
    except Refused as error:
        fail(str(error), REFUSED)
    except OSError as error:
        fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), NOT_READY)


def load_settings(**chosen: Any) -> Settings:
    """The settings of the environment, with warnings on standard error."""
    settings = Settings.from_environment(**chosen)
    for warning in settings.warnings:
        err.print("[bold yellow]Warning:[/]", end=" ")
        err.print(warning, markup=False, soft_wrap=True)
    return settings


def with_system(act: Callable[[System], Awaitable[T]]) -> T:
    """Run `act` with a system on the configured database, or end with what is wrong."""
    with explained():
        settings = load_settings()
        prepare(settings)

        async def run() -> T:
            async with System(settings) as system:
                return await act(system)

        return asyncio.run(run())


def show(rows: list[dict[str, Any]], *, as_json: bool, title: str) -> None:
    """Print rows for a script (JSON) or for a person (a table)."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        out.print(f"No {title}.")
        return
    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    out.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)
