"""The head of an HTTP request, looked at once: every request asks it several questions."""

from collections.abc import Sequence
from typing import Final

_Raw = Sequence[tuple[bytes, bytes]]


class Head:
    """The headers of an ASGI scope, found by name in one step.

    Args:
        raw: names in lower case, and values, in the order of the request.
    """

    __slots__ = ("_by_name", "is_plain", "raw")

    def __init__(self, raw: _Raw) -> None:
        self.raw: Final = raw
        self._by_name = dict(raw)
        self.is_plain: Final = len(self._by_name) == len(raw)  # no name twice

    def __contains__(self, name: bytes) -> bool:
        return name in self._by_name

    def one(self, name: bytes) -> bytes | None:
        """The value of a header, as it was sent; the last of several."""
        return self._by_name.get(name)

    def all(self, name: bytes) -> list[str]:
        """Every value of a header, in order."""
        if name not in self._by_name:
            return []
        if self.is_plain:
            return [self._by_name[name].decode("latin-1")]
        return [value.decode("latin-1") for key, value in self.raw if key == name]

    def joined(self, name: bytes) -> str | None:
        """The values of a header that is a list (RFC 9110, section 5.3); None without one."""
        if self.is_plain:
            value = self._by_name.get(name)
            return value.decode("latin-1") if value else None
        return ", ".join(self.all(name)) or None
