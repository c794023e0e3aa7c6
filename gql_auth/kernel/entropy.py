"""The one place that asks the operating system for randomness (CSPRNG)."""

import os
import secrets  # noqa: TID251 - the one place
from base64 import urlsafe_b64encode
from typing import Final

_STOCK: Final = 4_096  # bytes, which cost no more to ask for than a few
_stock = bytearray()


def random_bytes(count: int) -> bytes:
    """`count` unguessable bytes."""
    return secrets.token_bytes(count)


def random_name(byte_count: int = 12) -> str:
    """An unguessable URL-safe word made of `byte_count` random bytes.

    It never begins with a dash, so that a command line does not take it for an option.
    """
    while (name := secrets.token_urlsafe(byte_count)).startswith("-"):
        pass
    return name


def url_safe(data: bytes) -> str:
    """Bytes as a word for URLs (RFC 4648, section 5), without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def random_label(length: int) -> str:
    """A word of `length` hexadecimal digits to tell requests apart by: from a stock, as each
    request wants some and asking the system costs more than the rest of it. Nothing secret is
    made of them."""
    if len(_stock) < length:
        _stock[:] = secrets.token_bytes(_STOCK).hex().encode()
    taken = _stock[-length:].decode()
    del _stock[-length:]
    return taken


if hasattr(os, "register_at_fork"):  # or parent and child would go on with the same
    os.register_at_fork(after_in_child=_stock.clear)
