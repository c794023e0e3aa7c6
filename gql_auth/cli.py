"""The command line, `gql-auth`; which commands there are is in `gql_auth.commands.tree`.

Exit codes: 0 done, 1 refused (the message says why), 2 wrong usage, 3 wrong settings or a
database that is not ready, 4 the database cannot be reached.
"""

import gc
import sys
from typing import Any, Final

_TAKES: Final[dict[str, type]] = {"--host": str, "--port": int, "--workers": int}


def main() -> None:
    """The `gql-auth` command."""
    chosen = _plainly_asked(sys.argv[1:])
    if chosen is None:
        from gql_auth.commands.tree import app  # noqa: PLC0415 - a server starts without it

        app()
    else:
        # What is made while a server starts stays: looking for garbage in it only takes time.
        gc.disable()
        from gql_auth.commands.serve import serve  # noqa: PLC0415 - other commands need no server

        serve(**chosen)


def _plainly_asked(arguments: list[str]) -> dict[str, Any] | None:
    """What `serve` was told, in its plain form; None for whatever else there is, help and
    mistakes included, which the tree of commands answers."""
    if arguments[:1] != ["serve"]:
        return None
    chosen: dict[str, Any] = {}
    words = iter(arguments[1:])
    for word in words:
        name, has_value, value = word.partition("=")
        kind = _TAKES.get(name)
        if kind is None or name[2:] in chosen:
            return None
        value = value if has_value else next(words, "")
        if not value or value.startswith("-") or (kind is int and not value.isdecimal()):
            return None
        chosen[name[2:]] = kind(value)
    return chosen
