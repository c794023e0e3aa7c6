"""Access tokens that were verified, kept by the whole token: a signature costs fifty times as much
as all else that is asked of a token.

What may change is asked each time: its time here, its session where all callers are judged. What a
key says cannot change; when keys do, nothing is kept.
"""

from typing import Final

from gql_auth.features.keys.core import KeyRing
from gql_auth.kernel.caller import Caller

_LONGEST: Final = 2_048  # characters of a token that is kept; a host's claims may make more


class VerifiedTokens:
    """Callers by their token, the most recently used ones, bounded.

    They lie in two halves: what is used moves into the younger one, and when that is full, the
    elder one is dropped whole. So using one costs no more than finding it.

    Args:
        entries: tokens kept at most; 0 keeps none.
    """

    def __init__(self, entries: int) -> None:
        self._half = entries // 2
        self._young: dict[str, Caller] = {}
        self._old: dict[str, Caller] = {}
        self._ring: KeyRing | None = None

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, token: str, ring: KeyRing) -> Caller | None:
        """Whom a token speaks for that was verified with these very keys."""
        if ring is not self._ring:
            self._ring = ring
            self._young, self._old = {}, {}
            return None
        found = self._young.get(token)
        if found is None:
            found = self._old.pop(token, None)
            if found is not None:
                self.put(token, found)
        return found

    def put(self, token: str, caller: Caller) -> None:
        """Keep a token that was verified with the keys that `get` was asked with."""
        if not self._half or len(token) > _LONGEST:
            return
        self._young[token] = caller
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
