"""Databases to refresh in: SQLite in a folder, PostgreSQL where it can be had."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from scripts.benching.figures import QUICK, Effort
from scripts.benching.machine import LOAD_CORE, on_cores
from scripts.benching.servers import Site, fresh_database
from tests.postgres import StartError, _start

Kinds = dict[str, Callable[[str], Site]]  # makes a site of that name, by the database's name


def kinds(effort: Effort, folder: Path, stack: ExitStack) -> Kinds:
    """What makes sites on each. A full run's PostgreSQL is as durable as it comes; a quick one's is
    the tests', in memory."""
    users = min(effort.users, 200)
    made: Kinds = {"SQLite": lambda name: Site.prepared(folder / name, users=users)}
    try:
        with on_cores(LOAD_CORE):  # it keeps off the server's core
            server = os.environ.get("GQL_AUTH_TEST_POSTGRES_URL") or _start(
                stack, durable=effort.many > QUICK.many
            )
    except StartError as error:
        print(f"without PostgreSQL: {error}", file=sys.stderr)
        return made

    def postgres(name: str) -> Site:
        url = stack.enter_context(fresh_database(server))
        return Site.prepared(folder / f"pg-{name}", users=users, database_url=url)

    return made | {"PostgreSQL": postgres}
