"""Text to typed values, for settings: each parser says what it wants and gives an example."""

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION: Final = re.compile(r"(\d{1,10})\s*([smhdw]?)")


def duration(text: str) -> timedelta:
    """`900`, `15m`, `12h`, `7d`: seconds or a number with a unit.

    Raises:
        ValueError: anything else.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("is not a duration: write seconds, or a number with s, m, h, d or w")
    try:
        return timedelta(seconds=int(match[1]) * _UNITS[match[2] or "s"])
    except OverflowError:
        raise ValueError("is longer than any calendar") from None


def spell(span: timedelta) -> str:
    """A duration as `duration` reads it, in the largest unit that divides it."""
    seconds = int(span.total_seconds())
    for unit, size in reversed(_UNITS.items()):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def whole(text: str) -> int:
    """A whole number.

    Raises:
        ValueError: not one.
    """
    if not re.fullmatch(r"-?\d{1,12}", text.strip()):
        raise ValueError("is not a whole number")
    return int(text)


def words(text: str) -> tuple[str, ...]:
    """Words with commas or spaces between them."""
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def origin(url: str) -> str:
    """The origin of an http(s) URL as browsers send it (RFC 6454): scheme, host, odd port.

    Raises:
        ValueError: no http(s) URL, no host, or with user info, query or fragment.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not an http(s) URL with a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("must not hold a user name, a query or a fragment")
    host = parts.hostname.lower()
    if not host.isascii():
        host = host.encode("idna").decode()
    if ":" in host:
        host = f"[{host}]"
    default = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in {None, default} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def loopback_origins(port: int) -> frozenset[str]:
    """The plain-http origins that are this machine at a port, however a person spells it."""
    suffix = "" if port == 80 else f":{port}"  # noqa: PLR2004 - http's own
    return frozenset(f"http://{host}{suffix}" for host in ("localhost", "127.0.0.1", "[::1]"))


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
