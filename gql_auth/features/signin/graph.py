"""Signing up, in and out, refreshing and changing the password, in GraphQL.

Each resolver reads top to bottom: open the refresh token's door, run the flow, answer it.
"""

from typing import Annotated, cast

import strawberry

from gql_auth.features.sessions.refusals import RefreshRejected
from gql_auth.features.signin.answers import (
    AuthPayload,
    ChangePasswordPayload,
    InvalidCredentialsType,
    LogoutPayload,
    RefreshTokenRejectedType,
)
from gql_auth.features.signin.core import SignIn
from gql_auth.features.signin.granting import Grant
from gql_auth.features.users.graph import EmailNotVerifiedType, EmailTakenType, UsernameTakenType
from gql_auth.serving.context import RequestContext
from gql_auth.serving.cookies import RefreshCookie
from gql_auth.serving.credentials import CREDENTIAL
from gql_auth.serving.permissions import IsAuthenticated
from gql_auth.serving.refusals import InvalidInputType, TooManyAttemptsType
from gql_auth.serving.transports import HEADER, RefreshBody

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
    locale: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The language of mails, as a tag (BCP 47); that of the browser by default.",
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


SignupResult = Annotated[
    AuthPayload
    | InvalidInputType
    | EmailTakenType
    | UsernameTakenType
    | EmailNotVerifiedType
    | TooManyAttemptsType,
    strawberry.union("SignupResult", description="What `signup` answers."),
]
LoginResult = Annotated[
    AuthPayload
    | InvalidInputType
    | InvalidCredentialsType
    | EmailNotVerifiedType
    | TooManyAttemptsType,
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

RefreshTokenArgument = Annotated[
    str | None,
    strawberry.argument(
        description="The refresh token, of a session whose refresh token travels in the body, "
        f"with the header `{HEADER}: body`. Browsers leave it out: theirs is in the cookie."
    ),
]


def _flows(info: Info) -> SignIn:
    return cast(SignIn, info.context.system.part(SignIn))


def _given(value: str | None) -> str | None:
    """An optional input: null and absent are the same."""
    return None if value is strawberry.UNSET else value


def _answer(door: RefreshCookie | RefreshBody, grant: Grant) -> AuthPayload:
    return AuthPayload.of(grant, door.give(grant.refresh_token, grant.session.expires_at))


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
        door = info.context.refresh_door()
        grant = await _flows(info).signup(
            email=input.email,
            password=input.password,
            username=_given(input.username),
            name=_given(input.name),
            locale=_given(input.locale),
            client=info.context.client,
            presented=door.presented,
        )
        return _answer(door, grant)

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
        door = info.context.refresh_door()
        grant = await _flows(info).login(
            email=_given(input.email),
            username=_given(input.username),
            password=input.password,
            client=info.context.client,
            presented=door.presented,
        )
        return _answer(door, grant)

    @strawberry.mutation(
        description="A new access token for the refresh token, which is rotated. Safe to repeat "
        "when an answer got lost and to run in several tabs at once. The cookie is deleted when "
        "the session has ended for good."
    )
    async def refresh_token(
        self, info: Info, token: RefreshTokenArgument = strawberry.UNSET
    ) -> RefreshTokenResult:
        """New tokens for the refresh token."""
        door = info.context.refresh_door(_given(token))
        try:
            grant = await _flows(info).refresh(door.presented, info.context.client)
        except RefreshRejected as rejected:
            if rejected.session_has_ended:
                door.forget()
            raise
        return _answer(door, grant)

    @strawberry.mutation(
        description="Sign out of this device. Needs the refresh token alone, no access token, and "
        "succeeds whatever state the session is in."
    )
    async def logout(
        self, info: Info, token: RefreshTokenArgument = strawberry.UNSET
    ) -> LogoutPayload:
        """Sign out of this device."""
        door = info.context.refresh_door(_given(token))
        ended = await _flows(info).logout(door.presented, info.context.client)
        door.forget()
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
