"""Bounded values for labels: what a client may name freely must not fill a memory that only grows
(each new value of a label is a new series, here and in Prometheus)."""

import re
from collections import Counter
from typing import Final

from gql_auth.kernel.telemetry import SIGN_IN

NAMELESS: Final = "anonymous"
OTHER: Final = "other"
NONE: Final = "none"

MOST: Final = 100  # names, for the life of a process
OF_ONE: Final = 50  # of them, that one account may bring
OF_SIGN_INS: Final = 10  # of them, that sign-ins and refreshes may bring
_LONGEST: Final = 64  # characters
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CODES: Final = 40


class Names:
    """Which operations are told apart by name.

    A name counts for itself once an operation of that name was run for somebody who proved to
    have an account: strangers bring none. An account brings at most half of them, so that
    nobody alone can use them up. All others are "other": counted, not told apart.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._brought: Counter[str] = Counter()  # bounded as the names are

    def label(self, operation: str | None, kind: str, proven_by: str | None) -> str:
        """What stands for the operation.

        Args:
            kind: "none" where nothing could be run: then the name is worth nothing.
            proven_by: whose word the name is; None: a stranger's.
        """
        if kind == NONE:
            return NONE
        if operation is None:
            return NAMELESS
        if operation not in self._known and not self._welcome(operation, proven_by):
            return OTHER
        return operation

    def _welcome(self, operation: str, proven_by: str | None) -> bool:
        if proven_by is None or len(operation) > _LONGEST or len(self._known) >= MOST:
            return False
        bound = OF_SIGN_INS if proven_by == SIGN_IN else OF_ONE
        if self._brought.get(proven_by, 0) >= bound:
            return False
        self._brought[proven_by] += 1
        self._known.add(operation)
        return True


class Codes:
    """Error codes as outcomes. A host's resolvers may raise codes of their own, some of which
    might be made of data."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def label(self, outcome: str) -> str:
        """What stands for the outcome."""
        if outcome not in self._known:
            if len(self._known) >= _CODES or not _CODE.fullmatch(outcome):
                return OTHER
            self._known.add(outcome)
        return outcome
