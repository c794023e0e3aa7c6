"""The one place that asks the operating system for randomness (CSPRNG)."""

import secrets  # noqa: TID251 - the one place
from base64 import urlsafe_b64encode


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
