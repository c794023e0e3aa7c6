"""What a client gets for signing in or refreshing: both tokens of a session as it stands."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
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

    def read(self, token: str) -> RefreshClaims | None:
        """What a refresh token says; None where it is none of ours."""
        try:
            return self._refresh_tokens.read(token)
        except NotOurs:
            return None

    async def make(self, user: User, session: Session) -> Grant:
        """Tokens for a session as it stands. Runs after the commit: the host's claims hook may
        take its time and use the database."""
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
            self._refresh_tokens.sign(session.refresh_claims),
        )
