"""What the flows of signing in answer, in GraphQL."""

from datetime import datetime
from typing import Self, cast

import strawberry

from gql_auth.features.sessions.refusals import RefreshRejected, Rejection
from gql_auth.features.signin.granting import Grant
from gql_auth.features.users.graph import UserType
from gql_auth.kernel.errors import Refused
from gql_auth.serving.refusals import AuthErrorType, described_enum
from gql_auth.serving.transports import HEADER


@strawberry.type(
    name="AuthPayload",
    description="Signed in. The answer also sets the refresh token, in a cookie that page "
    f"scripts cannot read; to a request with `{HEADER}: body` it is in `refreshToken` instead.",
)
class AuthPayload:
    """Signed in."""

    access_token: str = strawberry.field(
        description="A short-lived JWT; send it as `Authorization: Bearer …`. Keep it in memory."
    )
    token_type: str = strawberry.field(description='Always "Bearer" (RFC 6750).')
    expires_in: int = strawberry.field(description="Seconds until the access token expires.")
    expires_at: datetime = strawberry.field(description="When the access token expires.")
    refresh_token: str | None = strawberry.field(
        description="The refresh token, for clients without a cookie jar that asked for it by "
        f"`{HEADER}: body`; null for all others, browsers among them. It opens the account for "
        "as long as the session lives: keep it where only the owner can read it, and give it to "
        "`refreshToken` and `logout`."
    )
    user: UserType = strawberry.field(description="The account that is signed in.")

    @classmethod
    def of(cls, grant: Grant, refresh_token: str | None) -> Self:
        """The GraphQL form of a grant."""
        access = grant.access
        return cls(
            access_token=access.token,
            token_type="Bearer",  # noqa: S106 - the scheme's name
            expires_in=int((access.expires_at - access.issued_at).total_seconds()),
            expires_at=access.expires_at,
            refresh_token=refresh_token,
            user=UserType.of(grant.user),
        )


@strawberry.type(
    name="InvalidCredentials",
    description="The account does not exist, the password is wrong or the account is disabled; "
    "the answer does not tell which.",
)
class InvalidCredentialsType(AuthErrorType):
    """No such account or wrong password."""


described_enum(
    Rejection,
    name="RefreshTokenRejection",
    description="Why a refresh was refused.",
    members={
        Rejection.MISSING: "The request had no refresh token: nobody is signed in here.",
        Rejection.EXPIRED: "The session was not refreshed in time or reached its greatest age.",
        Rejection.INVALID: "Not a refresh token of this server, or a damaged one. The cookie is "
        "kept.",
        Rejection.REUSED: "An old token was presented after its successor was in use: two parties "
        "hold it, so the session has ended for both.",
        Rejection.REVOKED: "The session was ended: by logout, by its owner on another device, by "
        "a password change or by an operator.",
    },
)


@strawberry.type(
    name="RefreshTokenRejected",
    description="The refresh token buys nothing: sign in again. On network errors and on "
    "answers that are not this, keep the session and try again.",
)
class RefreshTokenRejectedType(AuthErrorType):
    """The refresh token buys nothing."""

    reason: Rejection = strawberry.field(description="Why, for programs.")

    @classmethod
    def of(cls, refusal: Refused) -> Self:
        """The GraphQL form of the refusal."""
        return cls(message=str(refusal), reason=cast(RefreshRejected, refusal).reason)


@strawberry.type(
    name="LogoutPayload",
    description="Signed out: the session has ended and the cookie is deleted. Succeeds on a "
    "dead, expired or missing session too.",
)
class LogoutPayload:
    """Signed out."""

    session_ended: bool = strawberry.field(
        description="Whether a living session was ended; false where there was none."
    )


@strawberry.type(
    name="ChangePasswordPayload",
    description="The password is changed; the account's other sessions have ended.",
)
class ChangePasswordPayload:
    """The password is changed."""

    ended_sessions: int = strawberry.field(description="How many other sessions there were.")
