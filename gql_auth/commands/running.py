"""What commands share: settings, a system for the length of a command, errors as exit codes."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from gql_auth.commands.voices import err, out, unbounded
from gql_auth.kernel.declaring import SettingsError
from gql_auth.kernel.errors import InvalidInput, Refused, Unavailable
from gql_auth.kernel.settings import Settings, declared
from gql_auth.preparing import prepare
from gql_auth.storage.places import sqlite_path
from gql_auth.system import System

if TYPE_CHECKING:
    from rich.text import Text
    from sqlalchemy.exc import DBAPIError

T = TypeVar("T")

REFUSED, NOT_READY, UNREACHABLE = 1, 3, 4


def fail(message: str, code: int) -> NoReturn:
    """End the command with a message on standard error."""
    err.mark("Error:", "bold red", end=" ")
    err.say(message)
    raise SystemExit(code)


def warn(message: str) -> None:
    """Say on standard error what is not well, and go on."""
    err.mark("Warning:", "bold yellow", end=" ")
    err.say(message)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what can go wrong on purpose into a message and an exit code."""
    try:
        yield
    except SettingsError as error:
        fail("\n".join(error.problems), NOT_READY)
    except Unavailable as error:
        fail(outage(error), UNREACHABLE)
    except InvalidInput as error:
        fail("\n".join(f"{each.field}: {each.message}" for each in error.violations), REFUSED)
    except Refused as error:
        fail(str(error), REFUSED)
    except OSError as error:
        fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), NOT_READY)
    except Exception as error:
        # What names these is loaded only now, as it seldom is.
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

        from gql_auth.features.keys.core import SecretMismatch  # noqa: PLC0415
        from gql_auth.storage.migrate import SchemaOutdated  # noqa: PLC0415

        if isinstance(error, SchemaOutdated | SecretMismatch):
            fail(str(error), NOT_READY)
        if isinstance(error, DBAPIError):
            fail(f"The database refuses: {own_words(error)}", NOT_READY)
        raise


def outage(error: Unavailable) -> str:
    """Why the database cannot be reached, and the mend."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - see `explained`

    cause = error.__cause__
    if isinstance(cause, DBAPIError) and isinstance(cause.orig, sqlite3.Error):
        return f"The database file cannot be used: {cause.orig}"
    because = f" ({type(cause).__name__})" if cause else ""
    return f"{str(error).rstrip('.')}{because}. Is GQL_AUTH_DATABASE_URL right and the server up?"


def own_words(error: "DBAPIError") -> str:
    """What the database itself says: "permission denied for schema public". A PostgreSQL
    driver's own texts may repeat parts of the URL, and are not repeated here."""
    if isinstance(error.orig, sqlite3.Error):
        return str(error.orig)
    said = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    return said or f"{type(error.orig).__name__}. Is GQL_AUTH_DATABASE_URL right?"


def load_settings(**chosen: Any) -> Settings:
    """The settings of the environment, with warnings on standard error."""
    settings = Settings.from_environment(**chosen)
    for warning in settings.warnings:
        warn(warning)
    return settings


def with_system(act: Callable[[System], Awaitable[T]]) -> T:
    """Run `act` with a system on the configured database, or end with what is wrong."""
    with explained():
        settings = load_settings()
        _require_known_place(settings)
        prepare(settings, by_the_way=True)

        async def run() -> T:
            async with System(settings, delivers=False) as system:
                return await act(system)

        return asyncio.run(run())


def _require_known_place(settings: Settings) -> None:
    """Come back unless the default data folder is meant and not here: in a wrong folder an
    operator would make a second database and a second secret without noticing."""
    path = sqlite_path(settings)
    default = declared()["data_dir"].default
    if path and settings.data_dir == default and not path.exists():
        fail(
            f"There is no database in {path.parent}. Run this where the server's data folder is, "
            "or set GQL_AUTH_DATA_DIR; `gql-auth serve` and `gql-auth migrate` make one.",
            NOT_READY,
        )


def show(rows: list[dict[str, Any]], *, as_json: bool, title: str) -> None:
    """Print rows for a script (JSON) or for a person (a table)."""
    if as_json:
        out.say(json.dumps(rows, indent=2))
        return
    if not rows:
        out.print(f"No {title}.")
        return
    from rich.table import Table  # noqa: PLC0415 - see `voices`

    table = Table(box=None, header_style="bold")
    for number, heading in enumerate(rows[0]):
        # The first column is what other commands take as an argument: never cut.
        table.add_column(heading, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    (out if out.is_terminal else unbounded).print(table)


def _cell(value: object) -> "Text":
    """Plain text: what people call themselves is no markup."""
    from rich.text import Text  # noqa: PLC0415 - see `voices`

    if value is None:
        return Text("-")
    if isinstance(value, list):
        return Text(", ".join(map(str, value)) or "-")
    return Text(str(value))
