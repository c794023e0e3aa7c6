"""Access and refresh tokens: two JWT types that can never stand in for each other.

access   typ at+jwt (RFC 9068), the signing keys of the JWKS, iss aud sub iat exp jti sid gen
         and the user's claims; minutes
refresh  typ refresh+jwt, a key derived from the master secret, sid gen iat exp; days;
         `via` where it travels in bodies: absent, it is a cookie's.
         Deterministic: the same session, generation and times give the same token, so that
         a lost answer can be given again without anything having been kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from gql_auth.features.keys.core import KeyRings, MasterSecret
from gql_auth.features.keys.jwk import VerificationKey
from gql_auth.features.tokens import jws
from gql_auth.features.tokens.access import (
    ACCESS_TYPE,
    AccessRules,
    generation_of,
    read_access_token,
    require_in_time,
    uuid_of,
)
from gql_auth.features.tokens.cache import VerifiedTokens
from gql_auth.features.users.core import User
from gql_auth.features.users.naming import ROLE
from gql_auth.kernel.caller import Caller, frozen
from gql_auth.kernel.clock import Clock, epoch, from_epoch
from gql_auth.kernel.entropy import random_name
from gql_auth.kernel.federating import scope_of
from gql_auth.kernel.transports import Transport

REFRESH_TYPE: Final = "refresh+jwt"
_REFRESH_KID: Final = "r1"

# A host's claims may not take the place of ours, nor of the registered ones (RFC 7519, 4.1).
RESERVED_CLAIMS: Final = frozenset(
    [
        "iss",
        "aud",
        "sub",
        "iat",
        "exp",
        "nbf",
        "jti",
        "sid",
        "gen",
        "email",
        "email_verified",
        "preferred_username",
        "name",
        "roles",
        "typ",
        "cnf",
        "act",
        "scope",
        "client_id",
        "azp",
        "nonce",
        "auth_time",
        "acr",
        "amr",
    ]
)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed access token and when it ends."""

    token: str
    issued_at: datetime
    expires_at: datetime


class AccessTokens:
    """Issues and verifies access tokens with the ring of this process.

    Args:
        names_scopes: roles are also named in the claim `scope`, which routers read.
        cached: tokens whose signature is checked once.
    """

    def __init__(
        self,
        rings: KeyRings,
        clock: Clock,
        rules: AccessRules,
        life: timedelta,
        *,
        names_scopes: bool = False,
        cached: int = 0,
    ) -> None:
        self._verified = VerifiedTokens(cached)
        self._rings = rings
        self._clock = clock
        self._rules = rules
        self._life = life
        self._names_scopes = names_scopes

    def issue(
        self, user: User, session_id: UUID, generation: int, extra: Mapping[str, Any]
    ) -> AccessToken:
        """Sign a token for one generation of a session; `extra` are the host's claims."""
        issued = epoch(self._clock.now())
        expires = issued + int(self._life.total_seconds())
        claims: dict[str, Any] = {
            **extra,
            "iss": self._rules.issuer,
            "aud": self._rules.audience,
            "sub": str(user.id),
            "iat": issued,
            "exp": expires,
            "jti": random_name(),
            "sid": str(session_id),
            "gen": generation,
            "email": user.email,
            "email_verified": user.email_verified,
            "roles": list(user.roles),
        }
        if user.username is not None:
            claims["preferred_username"] = user.username
        if user.name is not None:
            claims["name"] = user.name
        if self._names_scopes and (scope := _scope_of(user.roles)):
            claims["scope"] = scope
        ring = self._rings.ring
        token = jws.sign(
            claims, kid=ring.kid, algorithm=ring.algorithm, key=ring.private, token_type=ACCESS_TYPE
        )
        if len(token) > jws.MAX_TOKEN_LENGTH:
            raise ValueError("the claims hook returned more than a token can carry (8 kB)")
        return AccessToken(token, from_epoch(issued), from_epoch(expires))

    def verify(self, token: str) -> Caller:
        """Who the token speaks for.

        Raises:
            TokenExpired: everything holds but its time.
            jws.NotOurs: forged, tampered, of another type, or signed with a retired key.
        """
        ring, now = self._rings.ring, self._clock.now()
        known = self._verified.get(token, ring)
        if known is not None:
            require_in_time(known.claims, self._rules, now)
            return known
        caller = read_access_token(token, keys=ring.verification, rules=self._rules, now=now)
        claims = cast(Mapping[str, object], frozen(caller.claims))
        caller = replace(caller, claims=claims)
        self._verified.put(token, caller)
        return caller


def _scope_of(roles: Iterable[str]) -> str:
    """Roles as scopes (RFC 8693, section 4.2). What is no role name, however it came to be in the
    database, could be read as several."""
    return " ".join(scope_of(role) for role in roles if ROLE.fullmatch(role))


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a refresh token says: one generation of one session, from when to when, and how it
    travels."""

    session_id: UUID
    generation: int
    issued_at: datetime
    expires_at: datetime
    transport: Transport = Transport.COOKIE


class RefreshTokens:
    """Signs and reads refresh tokens; knows nothing of sessions."""

    def __init__(self, secret: MasterSecret) -> None:
        self._key = secret.derive("refresh-tokens")

    def sign(self, claims: RefreshClaims) -> str:
        """The token of one generation: always the same for the same claims."""
        told: dict[str, object] = {
            "sid": str(claims.session_id),
            "gen": claims.generation,
            "iat": epoch(claims.issued_at),
            "exp": epoch(claims.expires_at),
        }
        if claims.transport is not Transport.COOKIE:
            told["via"] = claims.transport.value
        return jws.sign(
            told,
            kid=_REFRESH_KID,
            algorithm="HS256",
            key=self._key,
            token_type=REFRESH_TYPE,
        )

    def read(self, token: str) -> RefreshClaims:
        """What a token of ours says, expired or not.

        Raises:
            jws.NotOurs: not signed by us, or not a refresh token.
        """
        claims = jws.read(
            token,
            expected_types=frozenset({REFRESH_TYPE}),
            keys={_REFRESH_KID: VerificationKey("HS256", self._key)},
        )
        return RefreshClaims(
            session_id=uuid_of(claims, "sid"),
            generation=generation_of(claims),
            issued_at=from_epoch(jws.number_date(claims, "iat")),
            expires_at=from_epoch(jws.number_date(claims, "exp")),
            transport=_transport_of(claims),
        )


def _transport_of(claims: Mapping[str, Any]) -> Transport:
    if "via" not in claims:
        return Transport.COOKIE
    if claims["via"] != Transport.BODY.value:
        raise jws.NotOurs
    return Transport.BODY
