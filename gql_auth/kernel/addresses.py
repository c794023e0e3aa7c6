"""Network addresses: which one a request comes from, and what counts as one client's."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

from gql_auth.kernel.parsing import Network

_HOPS: Final = 32  # more proxies in a row are no proxies
_SITE_BITS: Final = 64


@lru_cache(4_096)
def client_of(ip: str | None) -> str:
    """What counts as one client's address: of IPv6 the /64, which one customer has whole
    (RFC 6177), so that nobody gets 2^64 times as many attempts."""
    try:
        address = ip_address((ip or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(IPv6Network((int(address), _SITE_BITS), strict=False))
        address = address.ipv4_mapped
    return str(address)


def origin_of(
    peer: str | None,
    *,
    forwarded_for: Iterable[str],
    forwarded: Iterable[str],
    trusted: tuple[Network, ...],
    header: str = "auto",
) -> str | None:
    """The address that a request came from, through trusted proxies.

    A header is what the proxy before says of the one before it, so it is read from its end, and
    believed as far as those who say it are trusted; what a client itself wrote stands further
    left. Only one header can be the proxy's: the other one comes from the client as it is.

    Args:
        peer: the other end of the connection.
        forwarded_for: the values of `X-Forwarded-For`, in order.
        forwarded: the values of `Forwarded` (RFC 7239), in order.
        trusted: whose word is taken.
        header: which of the two counts; `auto`: `X-Forwarded-For`, or `Forwarded` without it.
    """
    if not trusted or not _trusts(trusted, peer):
        return peer
    listed = [] if header == "forwarded" else _listed(forwarded_for)
    if listed or header == "x-forwarded-for":
        return _walk(peer, listed, trusted)
    return _walk(peer, _described(forwarded), trusted)


def _walk(peer: str | None, hops: list[str], trusted: tuple[Network, ...]) -> str | None:
    found = peer
    for hop in reversed(hops[-_HOPS:]):
        address = _bare(hop)
        if address is None:  # "unknown", a made-up name, garbage: the trail ends here
            return found
        found = address
        if not _trusts(trusted, address):
            return found
    return found


def _trusts(trusted: tuple[Network, ...], ip: str | None) -> bool:
    try:
        address = ip_address(ip or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == each.version and address in each for each in trusted)


def _listed(values: Iterable[str]) -> list[str]:
    return [hop.strip() for value in values for hop in value.split(",")]


def _described(values: Iterable[str]) -> list[str]:
    """The `for=` of each element; one without it ends the trail like any garbage. Within a
    quoted string a comma or a semicolon separates nothing (RFC 7239, section 4)."""
    hops = []
    for value in values:
        for element in _split(value, ","):
            pairs = (pair.partition("=") for pair in _split(element, ";"))
            hops.append(next((v.strip() for k, _, v in pairs if k.strip().lower() == "for"), ""))
    return hops


def _split(text: str, separator: str) -> list[str]:
    """The parts between separators that stand outside of quoted strings; nothing of use where
    one is left open: a client's would swallow what the proxy appends to it."""
    parts, begin, quoted, escaped = [], 0, False, False
    for place, letter in enumerate(text):
        if escaped:
            escaped = False
        elif letter == '"':
            quoted = not quoted
        elif letter == "\\":
            escaped = quoted
        elif letter == separator and not quoted:
            parts.append(text[begin:place])
            begin = place + 1
    return [""] if quoted else [*parts, text[begin:]]


def _bare(hop: str) -> str | None:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `"[2001:db8::1]:80"`."""
    hop = hop.strip('"')
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(ip_address(hop))
    except ValueError:
        return None
