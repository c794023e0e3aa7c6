"""Access tokens, verified strictly: the server's own check and `gql_auth.Verifier`'s are this one.

Imports nothing of accounts or storage, so that a service which only verifies stays light.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from gql_auth.features.keys.jwk import VerificationKey
from gql_auth.features.tokens import jws
from gql_auth.kernel.caller import Caller

ACCESS_TYPE: Final = "at+jwt"


class TokenExpired(ValueError):  # noqa: N818 - a verdict
    """Ours and well-formed, but its time is over."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What an access token must say to be accepted.

    Args:
        issuer, audience: exact values of `iss` and `aud`.
        max_life: longest `exp - iat`; None where the verifier does not know it.
        clock_leeway: how far in the future `iat` and `nbf` may lie.
        expiry_leeway: how long after `exp` a token is still taken; zero in the server itself.
    """

    issuer: str
    audience: str
    max_life: timedelta | None
    clock_leeway: timedelta
    expiry_leeway: timedelta = timedelta(0)


def read_access_token(
    token: str, *, keys: Mapping[str, VerificationKey], rules: AccessRules, now: datetime
) -> Caller:
    """Verify an access token strictly: key, type, issuer, audience, shape, then time.

    Raises:
        TokenExpired: everything holds but `exp`.
        jws.UnknownKey: a `kid` that is not in `keys`.
        jws.NotOurs: anything else.
    """
    claims = jws.read(token, expected_types=frozenset({ACCESS_TYPE}), keys=keys)
    if claims.get("iss") != rules.issuer or claims.get("aud") != rules.audience:
        raise jws.NotOurs
    issued, expires = jws.number_date(claims, "iat"), jws.number_date(claims, "exp")
    if "nbf" in claims:
        jws.number_date(claims, "nbf")
    if expires <= issued or (
        rules.max_life is not None and expires - issued > rules.max_life.total_seconds()
    ):
        raise jws.NotOurs
    caller = _caller(claims)
    require_in_time(claims, rules, now)
    return caller


def require_in_time(claims: Mapping[str, Any], rules: AccessRules, now: datetime) -> None:
    """Come back if a token whose claims are well-formed is taken at this moment: all of it that
    changes as time goes on.

    Raises:
        TokenExpired: its time is over.
        jws.NotOurs: its time has not come.
    """
    present, begins = now.timestamp(), claims["iat"]
    if "nbf" in claims:
        begins = max(begins, claims["nbf"])
    if begins > present + rules.clock_leeway.total_seconds():
        raise jws.NotOurs
    if present >= claims["exp"] + rules.expiry_leeway.total_seconds():
        raise TokenExpired


def _caller(claims: Mapping[str, Any]) -> Caller:
    roles = claims.get("roles")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise jws.NotOurs
    return Caller(
        user_id=uuid_of(claims, "sub"),
        session_id=uuid_of(claims, "sid"),
        generation=generation_of(claims),
        roles=tuple(roles),
        claims=claims,
    )


def uuid_of(claims: Mapping[str, Any], name: str) -> UUID:
    value = claims.get(name)
    try:
        found = UUID(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or str(found) != value:
        raise jws.NotOurs
    return found


def generation_of(claims: Mapping[str, Any]) -> int:
    value = claims.get("gen")
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise jws.NotOurs
    return value
