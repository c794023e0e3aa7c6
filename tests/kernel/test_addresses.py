"""Whom a request comes from: what one client is, and whose word on it counts."""

from itertools import pairwise

import pytest

from gql_auth.kernel.addresses import client_of, origin_of
from gql_auth.kernel.parsing import networks

PROXIES = networks("10.0.0.0/8, 192.0.2.7, 2001:db8:ffff::/48")
TRUSTED = networks("10.0.0.0/8")
PROXY, NEXT_PROXY, CLIENT, OTHER = "10.0.0.1", "10.9.9.9", "203.0.113.5", "198.51.100.9"


def origin(
    *forwarded_for: str, forwarded: tuple[str, ...] = (), peer: str | None = PROXY,
    trusted: str | None = None,
) -> str | None:  # fmt: skip
    """Where a request with these headers comes from."""
    return origin_of(
        peer,
        forwarded_for=forwarded_for,
        forwarded=forwarded,
        trusted=PROXIES if trusted is None else networks(trusted),
    )


# ------------------------------------------------------------------------ one client

SAME = [
    ("203.0.113.5", "203.0.113.5"),
    ("203.0.113.5", "::ffff:203.0.113.5"),
    ("203.0.113.5", "::FFFF:cb00:7105"),
    ("203.0.113.5", "0:0:0:0:0:ffff:203.0.113.5"),
    ("2001:db8::1", "2001:db8::2"),
    ("2001:db8::", "2001:db8:0:0:ffff:ffff:ffff:ffff"),
    ("2001:DB8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"),
    ("fe80::1%eth0", "fe80::2%wlan0"),
    (None, ""),
    (None, "testclient"),
]
DIFFERENT = [
    ("203.0.113.5", "203.0.113.6"),
    ("203.0.113.5", "::203.0.113.5"),
    ("::ffff:203.0.113.5", "::ffff:203.0.113.6"),
    ("2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8:0:1::"),
    ("2001:db8:0:1::", "2001:db8:0:2::"),
    ("127.0.0.1", "::1"),
    (None, "203.0.113.5"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_client(one: str | None, other: str | None) -> None:
    """A /64 of IPv6 is one client, an IPv4 address is one however it is written, and whoever
    has no address is one with all who have none."""
    assert client_of(one) == client_of(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_two_clients(one: str | None, other: str | None) -> None:
    """Neighbours in IPv4 and neighbouring /64s are two clients; IPv4-mapped addresses are not
    all the one /64 that they share on paper."""
    assert client_of(one) != client_of(other)


def test_a_client_has_no_spaces() -> None:
    """Account and address stand side by side in what is hashed: no address may hold the gap."""
    for one, other in pairwise([None, "x y", "203.0.113.5", "2001:db8::1", "::1 "]):
        assert " " not in client_of(one) + client_of(other)


# ------------------------------------------------------------------------ whose word counts

HEADERS = [CLIENT, f"{CLIENT}, {NEXT_PROXY}", "", "garbage", "127.0.0.1", f"{PROXY}, {PROXY}"]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("peer", [PROXY, "127.0.0.1", "::1", CLIENT, None, "testclient"])
def test_by_default_nobody_is_believed(header: str, peer: str | None) -> None:
    """Without trusted proxies the connection's own address counts, whatever the headers say."""
    told = (f"for={header}",)
    assert origin(header, peer=peer, trusted="") == peer
    assert origin(forwarded=told, peer=peer, trusted="") == peer
    assert origin(header, forwarded=told, peer=peer, trusted="") == peer


@pytest.mark.parametrize("peer", [CLIENT, "11.0.0.1", "192.0.2.8", "2001:db8:fffe::1", None, "x"])
def test_a_stranger_is_not_believed(peer: str | None) -> None:
    """Who connects without being a trusted proxy speaks for itself alone."""
    assert origin(OTHER, peer=peer) == peer
    assert origin(forwarded=(f"for={OTHER}",), peer=peer) == peer


@pytest.mark.parametrize(
    "peer", [PROXY, "10.255.255.255", "::ffff:10.0.0.1", "192.0.2.7", "2001:db8:ffff:1::2"]
)
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    """The address that a trusted proxy names is the origin, by either header."""
    assert origin(CLIENT, peer=peer) == CLIENT
    assert origin(forwarded=(f"for={CLIENT}",), peer=peer) == CLIENT
    assert origin(CLIENT, forwarded=(f"for={CLIENT};proto=https",), peer=peer) == CLIENT
    assert origin(peer=peer) == peer


TRAILS = {
    # From the right, through trusted hops alone.
    f"{CLIENT}": CLIENT,
    f"{CLIENT}, {NEXT_PROXY}": CLIENT,
    f"{CLIENT}, 192.0.2.7, {NEXT_PROXY}": CLIENT,
    f"{CLIENT},{NEXT_PROXY}": CLIENT,
    f"  {CLIENT}  ,\t{NEXT_PROXY} ": CLIENT,
    # What stands further left is the client's own invention.
    f"{OTHER}, {CLIENT}": CLIENT,
    f"{OTHER}, {CLIENT}, {NEXT_PROXY}": CLIENT,
    f"{NEXT_PROXY}, {CLIENT}": CLIENT,
    f"{OTHER}, {NEXT_PROXY}, {CLIENT}": CLIENT,
    f"unknown, {CLIENT}": CLIENT,
    f"{CLIENT}, {CLIENT}": CLIENT,
    f"127.0.0.1, {CLIENT}": CLIENT,
    # Only proxies: the farthest one that is known.
    f"{NEXT_PROXY}": NEXT_PROXY,
    f"192.0.2.7, {NEXT_PROXY}": "192.0.2.7",
    # Ports and brackets.
    f"{CLIENT}:4711": CLIENT,
    "2001:db8::1": "2001:db8::1",
    "[2001:db8::1]": "2001:db8::1",
    "[2001:db8::1]:443": "2001:db8::1",
    f"{CLIENT}, [2001:db8:ffff::1]:443": CLIENT,
    f'"{CLIENT}"': CLIENT,
    # Garbage ends the trail: what is left of it is not believed.
    f"{CLIENT}, unknown": PROXY,
    f"{CLIENT}, _hidden, {NEXT_PROXY}": NEXT_PROXY,
    f"{CLIENT},": PROXY,
    f"{CLIENT}, , {NEXT_PROXY}": NEXT_PROXY,
    "": PROXY,
    ",": PROXY,
    "garbage": PROXY,
    "999.1.1.1": PROXY,
    "010.0.0.1": PROXY,
    "1": PROXY,
    "0x7f.1": PROXY,
    "[2001:db8::1": "2001:db8::1",
    "[[::1]]": PROXY,
    f"{CLIENT} {OTHER}": PROXY,
    f"{CLIENT};{OTHER}": PROXY,
    "proxy.internal": PROXY,
    "\xff\x00": PROXY,
    "2001:db8::1:::": PROXY,
}


@pytest.mark.parametrize("header", TRAILS)
def test_a_trail_of_proxies(header: str) -> None:
    """The nearest address that is no trusted proxy is the client; both headers are read alike."""
    assert origin(header) == TRAILS[header]
    described = ", ".join(f"for={hop.strip()}" for hop in header.split(",")) if header else ""
    if ";" not in header:
        assert origin(forwarded=(described,)) == TRAILS[header]


def test_lines_of_a_header_are_one_list() -> None:
    """A proxy that adds a line of its own counts as one that adds to the line there was."""
    assert origin(OTHER, CLIENT, NEXT_PROXY) == CLIENT
    assert origin(OTHER, f"{CLIENT}, {NEXT_PROXY}") == CLIENT
    assert origin(forwarded=(f"for={OTHER}", f"for={CLIENT}")) == CLIENT


ELEMENTS = {
    f"for={CLIENT}": CLIENT,
    f'for="{CLIENT}"': CLIENT,
    f"For={CLIENT}": CLIENT,
    f"FOR = {CLIENT}": CLIENT,
    f"proto=https;by=10.0.0.1;for={CLIENT};host=example.com": CLIENT,
    f'for="{CLIENT}:4711"': CLIENT,
    'for="[2001:db8::1]:4711"': "2001:db8::1",
    'for="[2001:db8::1]"': "2001:db8::1",
    f"for={CLIENT};proto=https, for={NEXT_PROXY};proto=http": CLIENT,
    # Without `for` nobody is named, and the trail ends.
    "proto=https": PROXY,
    f"by={CLIENT}": PROXY,
    f"for={CLIENT}, proto=https": PROXY,
    f"{CLIENT}": PROXY,
    "for=": PROXY,
    "for": PROXY,
    "for=unknown": PROXY,
    'for="_mTq"': PROXY,
    f"xfor={CLIENT}": PROXY,
}


@pytest.mark.parametrize("element", ELEMENTS)
def test_the_elements_of_forwarded(element: str) -> None:
    """`Forwarded` names the client by `for`, quoted or not, among other pairs (RFC 7239)."""
    assert origin(forwarded=(element,)) == ELEMENTS[element]


@pytest.mark.parametrize(
    ("header", "found"),
    [("auto", CLIENT), ("x-forwarded-for", CLIENT), ("forwarded", OTHER)],
)
def test_one_header_counts(header: str, found: str) -> None:
    """A proxy writes one of the two; what the other one says is the client's own. Unless the
    operator says otherwise, it is the one that nearly all proxies write."""
    told = origin_of(
        PROXY, forwarded_for=[CLIENT], forwarded=[f"for={OTHER}"], trusted=TRUSTED, header=header
    )
    assert told == found


@pytest.mark.parametrize(
    ("header", "forwarded_for", "forwarded", "found"),
    [
        ("auto", [], [f"for={OTHER}"], OTHER),
        ("auto", [""], [f"for={OTHER}"], PROXY),
        ("auto", ["unknown"], [f"for={OTHER}"], PROXY),
        ("x-forwarded-for", [], [f"for={OTHER}"], PROXY),
        ("forwarded", [CLIENT], [], PROXY),
        ("forwarded", [CLIENT], ["for=unknown"], PROXY),
    ],
)
def test_the_other_header_fills_no_gap(
    header: str, forwarded_for: list[str], forwarded: list[str], found: str
) -> None:
    """Where the header that counts says nothing of use, the proxy's own address counts; only where
    it is not there at all, and nothing was said of it, the other one is looked at."""
    told = origin_of(
        PROXY, forwarded_for=forwarded_for, forwarded=forwarded, trusted=TRUSTED, header=header
    )
    assert told == found


@pytest.mark.parametrize(
    "header",
    [
        'host="x;for=6.6.6.6";for=203.0.113.5',
        'for=203.0.113.5;host="x, for=6.6.6.6"',
        'for=203.0.113.5;proto=https;host="a\\", for=6.6.6.6"',
    ],
)
def test_what_is_quoted_in_forwarded_names_nobody(header: str) -> None:
    """A comma or semicolon inside of a quoted string separates nothing."""
    assert origin(forwarded=(header,)) == "203.0.113.5"


@pytest.mark.parametrize("left_open", ['for=6.6.6.6;x="', 'for=6.6.6.6;x="\\', 'for=6.6.6.6, "'])
@pytest.mark.parametrize("appended", [f"for={CLIENT}", f'for={CLIENT};host="a"'])
def test_a_quote_left_open_hides_nobody(left_open: str, appended: str) -> None:
    """A client that opens a quote would swallow what the proxy appends: then nothing is believed,
    and the proxy's own address counts."""
    assert origin(forwarded=(f"{left_open}, {appended}",)) == PROXY


def test_no_trail_is_endless() -> None:
    """More trusted hops than any real line of proxies has are not followed to their end, and a
    header of the greatest size costs no time worth naming."""
    assert origin(", ".join([CLIENT, *[NEXT_PROXY] * 31])) == CLIENT
    assert origin(", ".join([CLIENT, *[NEXT_PROXY] * 32])) == NEXT_PROXY
    assert origin("," * 60_000 + CLIENT) == CLIENT
    assert origin(forwarded=(";,=" * 20_000 + f",for={CLIENT}",)) == CLIENT
