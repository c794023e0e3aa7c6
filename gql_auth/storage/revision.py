"""Whether the schema is this release's, or still that of the release before."""

import logging
from typing import Final

from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncConnection

_log = logging.getLogger("gql_auth.database")

_NEWEST_TABLE: Final = "gql_auth_mails"


class Revision:
    """What the running process knows of the schema. A release runs on the schema of the one
    before, so that servers can be replaced first and the schema be migrated later."""

    def __init__(self) -> None:
        self.is_current = False
        self._warned = False

    async def look(self, connection: AsyncConnection) -> None:
        """Find out, unless it is known to be current: a schema never goes back."""
        if not self.is_current:
            self.is_current = await connection.run_sync(_is_there)
        if not self.is_current and not self._warned:
            self._warned = True
            _log.warning(
                "the schema is that of the release before: until `gql-auth migrate` has run, "
                "no mail is sent and nothing is cleaned up"
            )


def _is_there(connection: Connection) -> bool:
    return inspect(connection).has_table(_NEWEST_TABLE)
