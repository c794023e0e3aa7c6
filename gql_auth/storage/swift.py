"""A unit's connection without a transaction: each statement is one by itself, and the quick way.

What `statements.swift` prepared runs as a glance or as a change; anything else is `Unsettled`, and
the same is done over again in an ordinary unit.
"""

from typing import Any

from sqlalchemy.sql import Executable

from gql_auth.storage.changes import Changes
from gql_auth.storage.glances import Glances
from gql_auth.storage.statements import Row, Unsettled, Values, statement_of


class SwiftResult:
    """What a statement answered, as much of SQLAlchemy's result as the stores use."""

    __slots__ = ("_row", "rowcount")

    def __init__(self, row: Row | None, rowcount: int) -> None:
        self._row = row
        self.rowcount = rowcount

    def one_or_none(self) -> Row | None:
        """The row that was found."""
        return self._row


class SwiftConnection:
    """Stands in for SQLAlchemy's connection in the stores of a swift unit."""

    def __init__(self, glances: Glances, changes: Changes) -> None:
        self._glances = glances
        self._changes = changes

    async def execute(self, built: Executable, values: Values | None = None) -> SwiftResult:
        """Run a swift statement.

        Raises:
            Unsettled: it is not one, or the quick way cannot answer.
        """
        statement = statement_of(built)
        if statement is None or values is None:
            raise Unsettled
        if statement.is_read:
            row = await self._glances.one(statement, values)
            return SwiftResult(row, int(row is not None))
        return SwiftResult(None, await self._changes.run(statement, values))

    def __getattr__(self, name: str) -> Any:
        raise Unsettled
