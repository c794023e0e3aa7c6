"""A strict reader of compact JWS: what PyJWT leaves open is closed here.

Order matters: shape, then header, then signature; no claim is looked at before the signature
holds (ASVS 9.1.1). Shared by the server and by `gql_auth.Verifier`.
"""

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from gql_auth.features.keys.jwk import VerificationKey
from gql_auth.kernel.entropy import url_safe

if TYPE_CHECKING:
    from jwt.algorithms import Algorithm

MAX_TOKEN_LENGTH: Final = 8192
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}")
_HEADER_NAMES: Final = {"alg", "kid", "typ"}


class NotOurs(ValueError):  # noqa: N818 - a verdict
    """Not a token that we signed for this purpose. Says no more: the reason helps attackers."""


class UnknownKey(NotOurs):
    """Well-formed, but signed with a key we do not know (a rotated one, or an attacker's)."""

    def __init__(self, kid: str) -> None:
        super().__init__("unknown key")
        self.kid = kid


def canonical(segment: str) -> bytes:
    """Decode base64url without padding, refusing other spellings of the same bytes.

    Raises:
        NotOurs: not canonical.
    """
    try:
        raw = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        raise NotOurs from None
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != segment:
        raise NotOurs
    return raw


def read(
    token: str, *, expected_types: frozenset[str], keys: Mapping[str, VerificationKey]
) -> dict[str, Any]:
    """The claims of a token whose signature and type hold.

    Args:
        token: compact JWS (RFC 7515, section 7.1).
        expected_types: accepted `typ` values, lower case, without "application/".
        keys: by `kid`, each with the one algorithm it may be used with.

    Raises:
        UnknownKey: a `kid` that is not in `keys`.
        NotOurs: anything else that is wrong.
    """
    if len(token) > MAX_TOKEN_LENGTH or not _COMPACT.fullmatch(token):
        raise NotOurs
    signed, _, end = token.rpartition(".")
    head, _, middle = signed.partition(".")
    algorithm, kid, token_type = _header(head)
    payload, signature = canonical(middle), canonical(end)
    if token_type not in expected_types:
        raise NotOurs
    key = keys.get(kid)
    if key is None:
        raise UnknownKey(kid)
    if algorithm != key.algorithm:
        raise NotOurs
    if not _algorithm(algorithm).verify(signed.encode(), key.key, signature):
        raise NotOurs
    return _object(payload)


@lru_cache(64)
def _header(segment: str) -> tuple[str, str, str]:
    """Algorithm, key id and type, as the head of a token says them. All tokens of one key have the
    same head; what is wrong with one is found out each time.

    Raises:
        NotOurs: it is no header of ours.
    """
    header = _object(canonical(segment))
    # jku, x5u, jwk, crit, b64 …: nothing in a header chooses a key or changes the rules.
    if not header.keys() <= _HEADER_NAMES or not all(isinstance(v, str) for v in header.values()):
        raise NotOurs
    token_type = header.get("typ", "").lower().removeprefix("application/")
    return header.get("alg", ""), header.get("kid", ""), token_type


def sign(claims: Mapping[str, Any], *, kid: str, algorithm: str, key: Any, token_type: str) -> str:
    """A compact JWS over `claims`."""
    payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()
    signed = f"{_head(algorithm, kid, token_type)}.{url_safe(payload)}"
    return f"{signed}.{url_safe(_algorithm(algorithm).sign(signed.encode(), key))}"


@lru_cache(64)
def _head(algorithm: str, kid: str, token_type: str) -> str:
    header = {"alg": algorithm, "kid": kid, "typ": token_type}
    return url_safe(json.dumps(header, separators=(",", ":")).encode())


@cache
def _algorithm(name: str) -> "Algorithm":
    """PyJWT's algorithm. Its reader of whole tokens would read the head again, and look into each
    secret for a certificate that somebody took for one."""
    from jwt.algorithms import get_default_algorithms  # noqa: PLC0415 - see `keys.jwk`

    return get_default_algorithms()[name]


def number_date(claims: Mapping[str, Any], name: str) -> int:
    """A NumericDate that must be there, as a whole number of seconds.

    Raises:
        NotOurs: absent, a float, a bool or out of any calendar.
    """
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 40:
        raise NotOurs
    return value


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        raise NotOurs from None
    if not isinstance(value, dict):
        raise NotOurs
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name given twice, readers take either; none is right (RFC 7519, section 4)."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotOurs
    return made
