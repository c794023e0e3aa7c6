"""Text to typed values, for settings: each parser says what it wants and gives an example."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
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


def host_of(url: str) -> str:
    """The host of a URL; this machine's name where there is none."""
    try:
        return urlsplit(url).hostname or "localhost"
    except ValueError:
        return "localhost"


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


def choice(*allowed: str) -> Callable[[str], str]:
    """A parser of one of these words, in any case."""
    by_key = {word.lower(): word for word in allowed}

    def parse(text: str) -> str:
        try:
            return by_key[text.strip().lower()]
        except KeyError:
            raise ValueError(f"is none of {', '.join(allowed)}") from None

    return parse


def switch(text: str) -> bool:
    """`on` or `off`.

    Raises:
        ValueError: neither.
    """
    return choice("on", "off")(text) == "on"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many within a span: 20 at once, then one more each twentieth of the span."""

    limit: int
    period: timedelta

    def __str__(self) -> str:
        """As `rate` reads it."""
        return f"{self.limit}/{spell(self.period)}"


_MOST: Final = 1_000_000
_LONGEST: Final = timedelta(days=7)


def rate(text: str) -> Rate | None:
    """`20/1h`, or None for `off`.

    Raises:
        ValueError: neither.
    """
    if text.strip().lower() == "off":
        return None
    count, slash, span = text.partition("/")
    try:
        found = Rate(whole(count), duration(span))
    except ValueError:
        slash = ""
    if not slash:
        raise ValueError("is neither `off` nor <limit>/<period>")
    if not 1 <= found.limit <= _MOST or not timedelta(seconds=1) <= found.period <= _LONGEST:
        raise ValueError("wants a limit from 1 to 1000000 and a period from 1s to 7d")
    return found


Network = IPv4Network | IPv6Network
_MAPPED: Final = 96  # bits before the IPv4 address in ::ffff:192.0.2.1


def networks(text: str) -> tuple[Network, ...]:
    """Addresses and networks (CIDR) with commas or spaces between them.

    Raises:
        ValueError: naming the word that is neither.
    """
    found = []
    for word in words(text):
        try:
            network = ip_network(word)
        except ValueError as error:
            raise ValueError(f"holds {word[:60]!r}, no address and no network: {error}") from None
        mapped = network.network_address
        if isinstance(mapped, IPv6Address) and mapped.ipv4_mapped and network.prefixlen >= _MAPPED:
            network = ip_network((int(mapped.ipv4_mapped), network.prefixlen - _MAPPED))
        found.append(network)
    return tuple(found)
