"""What a client gets for signing in or refreshing: both tokens of a session as it stands."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gql_auth.features.sessions.rotation import Session
from gql_auth.features.tokens.core import (
    RESERVED_CLAIMS,
    AccessToken,
    AccessTokens,
    RefreshClaims,
    RefreshTokens,
)
from gql_auth.features.tokens.jws import NotOurs
from gql_auth.features.users.core import User
from gql_auth.kernel.transports import Presented, Transport

ClaimsHook = Callable[[User], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a client gets for signing in or refreshing."""

    user: User
    session: Session
    access: AccessToken
    refresh_token: str


class Grants:
    """Makes grants, and reads the refresh tokens that were granted."""

    def __init__(
        self,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
        claims_hook: ClaimsHook | None,
    ) -> None:
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._claims_hook = claims_hook

    def read(self, presented: Presented) -> RefreshClaims | None:
        """What a refresh token says; None where there is none of ours, or where it came another
        way than it was given: a cookie's token in a body was taken out of the browser's reach."""
        if not presented.token:
            return None
        try:
            claims = self._refresh_tokens.read(presented.token)
        except NotOurs:
            return None
        return claims if claims.transport is presented.transport else None

    async def make(
        self, user: User, session: Session, transport: Transport = Transport.COOKIE
    ) -> Grant:
        """Tokens for a session as it stands. Runs after the commit: the host's claims hook may
        take its time and use the database.

        Args:
            transport: the one that the session was born with.
        """
        extra: Mapping[str, Any] = {}
        if self._claims_hook is not None:
            answer = self._claims_hook(user)
            extra = await answer if isinstance(answer, Awaitable) else answer
            if taken := RESERVED_CLAIMS & extra.keys():
                raise ValueError(f"the claims hook returned reserved claims: {sorted(taken)}")
        return Grant(
            user,
            session,
            self._access_tokens.issue(user, session.id, session.generation, extra),
            self._refresh_tokens.sign(replace(session.refresh_claims, transport=transport)),
        )
