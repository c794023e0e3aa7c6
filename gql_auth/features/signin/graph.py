"""Signing up, in and out, refreshing and changing the password, in GraphQL.

Each resolver reads top to bottom: open the cookie's door, run the flow, answer the cookie.
"""

from datetime import datetime
from typing import Annotated, Self, cast

import strawberry

from gql_auth.features.sessions.refusals import RefreshRejected, Rejection
from gql_auth.features.signin.core import SignIn
from gql_auth.features.signin.granting import Grant
from gql_auth.features.users.graph import EmailTakenType, UsernameTakenType, UserType
from gql_auth.kernel.errors import Refused
from gql_auth.serving.context import RequestContext
from gql_auth.serving.cookies import RefreshCookie
from gql_auth.serving.credentials import CREDENTIAL
from gql_auth.serving.permissions import IsAuthenticated
from gql_auth.serving.refusals import (
    AuthErrorType,
    InvalidInputType,
    TooManyAttemptsType,
    described_enum,
)

Info = strawberry.Info[RequestContext]


@strawberry.input(name="SignupInput", description="A new account.")
class SignupInput:
    """A new account."""

    email: str = strawberry.field(description="The owner's e-mail address.")
    password: str = strawberry.field(
        description="At least 8 characters (or more, by the server's setting), at most 1024 "
        "bytes, of any kind; not a common one, not the e-mail address, username or name."
    )
    username: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="A second name to log in with: 3 to 32 of a-z, 0-9 and . _ - between them; "
        "unique without regard to case.",
    )
    name: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="What the person wants to be called, up to 200 characters.",
    )


@strawberry.input(name="LoginInput", description="Give exactly one of `email` and `username`.")
class LoginInput:
    """Who signs in, and the proof."""

    email: str | None = strawberry.field(
        default=strawberry.UNSET, description="The account's address."
    )
    username: str | None = strawberry.field(
        default=strawberry.UNSET, description="The account's username."
    )
    password: str = strawberry.field(description="The account's password, exactly as it was set.")


@strawberry.input(name="ChangePasswordInput", description="The old password and the new one.")
class ChangePasswordInput:
    """The old password and the new one."""

    current_password: str = strawberry.field(description="The password as it is.")
    new_password: str = strawberry.field(description="The password as it shall be.")


@strawberry.type(
    name="AuthPayload",
    description="Signed in. The answer also sets the refresh token, in a cookie that page "
    "scripts cannot read.",
)
class AuthPayload:
    """Signed in."""

    access_token: str = strawberry.field(
        description="A short-lived JWT; send it as `Authorization: Bearer …`. Keep it in memory."
    )
    token_type: str = strawberry.field(description='Always "Bearer" (RFC 6750).')
    expires_in: int = strawberry.field(description="Seconds until the access token expires.")
    expires_at: datetime = strawberry.field(description="When the access token expires.")
    user: UserType = strawberry.field(description="The account that is signed in.")

    @classmethod
    def of(cls, grant: Grant) -> Self:
        """The GraphQL form of a grant."""
        access = grant.access
        return cls(
            access_token=access.token,
            token_type="Bearer",  # noqa: S106 - the scheme's name
            expires_in=int((access.expires_at - access.issued_at).total_seconds()),
            expires_at=access.expires_at,
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
        Rejection.MISSING: "The request had no refresh cookie: nobody is signed in here.",
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


SignupResult = Annotated[
    AuthPayload | InvalidInputType | EmailTakenType | UsernameTakenType | TooManyAttemptsType,
    strawberry.union("SignupResult", description="What `signup` answers."),
]
LoginResult = Annotated[
    AuthPayload | InvalidInputType | InvalidCredentialsType | TooManyAttemptsType,
    strawberry.union("LoginResult", description="What `login` answers."),
]
RefreshTokenResult = Annotated[
    AuthPayload | RefreshTokenRejectedType | TooManyAttemptsType,
    strawberry.union("RefreshTokenResult", description="What `refreshToken` answers."),
]
ChangePasswordResult = Annotated[
    ChangePasswordPayload | InvalidInputType | InvalidCredentialsType | TooManyAttemptsType,
    strawberry.union("ChangePasswordResult", description="What `changePassword` answers."),
]


def _flows(info: Info) -> SignIn:
    return cast(SignIn, info.context.system.part(SignIn))


def _given(value: str | None) -> str | None:
    """An optional input: null and absent are the same."""
    return None if value is strawberry.UNSET else value


def _answer(cookie: RefreshCookie, grant: Grant) -> AuthPayload:
    cookie.set(grant.refresh_token, grant.session.expires_at)
    return AuthPayload.of(grant)


@strawberry.type
class SignInMutation:
    """The flows of signing in and out."""

    @strawberry.mutation(
        description="Make an account and sign in. Sets the refresh cookie; the session that the "
        "cookie named before ends.",
        metadata=CREDENTIAL,
    )
    async def signup(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            SignupInput, strawberry.argument(description="The new account.")
        ],
    ) -> SignupResult:
        """Make an account and sign in."""
        cookie = info.context.refresh_cookie()
        grant = await _flows(info).signup(
            email=input.email,
            password=input.password,
            username=_given(input.username),
            name=_given(input.name),
            client=info.context.client,
            replaces=cookie.presented,
        )
        return _answer(cookie, grant)

    @strawberry.mutation(
        description="Sign in. Sets the refresh cookie; the session that the cookie named before "
        "ends.",
        metadata=CREDENTIAL,
    )
    async def login(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            LoginInput, strawberry.argument(description="Who signs in, and the proof.")
        ],
    ) -> LoginResult:
        """Sign in."""
        cookie = info.context.refresh_cookie()
        grant = await _flows(info).login(
            email=_given(input.email),
            username=_given(input.username),
            password=input.password,
            client=info.context.client,
            replaces=cookie.presented,
        )
        return _answer(cookie, grant)

    @strawberry.mutation(
        description="A new access token for the refresh cookie, which is rotated. Safe to repeat "
        "when an answer got lost and to run in several tabs at once. The cookie is deleted when "
        "the session has ended for good."
    )
    async def refresh_token(self, info: Info) -> RefreshTokenResult:
        """New tokens for the refresh cookie."""
        cookie = info.context.refresh_cookie()
        try:
            grant = await _flows(info).refresh(cookie.presented, info.context.client)
        except RefreshRejected as rejected:
            if rejected.session_has_ended:
                cookie.delete()
            raise
        return _answer(cookie, grant)

    @strawberry.mutation(
        description="Sign out of this device. Needs the cookie alone, no access token, and "
        "succeeds whatever state the session is in."
    )
    async def logout(self, info: Info) -> LogoutPayload:
        """Sign out of this device."""
        cookie = info.context.refresh_cookie()
        ended = await _flows(info).logout(cookie.presented, info.context.client)
        cookie.delete()
        return LogoutPayload(session_ended=ended)

    @strawberry.mutation(
        description="Change the caller's password. The account's other sessions end; this one "
        "goes on.",
        permission_classes=[IsAuthenticated],
        metadata=CREDENTIAL,
    )
    async def change_password(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the contract's name
            ChangePasswordInput, strawberry.argument(description="The old password and the new.")
        ],
    ) -> ChangePasswordResult:
        """Change the caller's password."""
        count = await _flows(info).change_password(
            info.context.require_caller(),
            current=input.current_password,
            new=input.new_password,
            client=info.context.client,
        )
        return ChangePasswordPayload(ended_sessions=count)
