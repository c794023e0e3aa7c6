"""Verifying addresses, resetting passwords and signing in by mail, in GraphQL."""

from datetime import timedelta
from typing import Annotated, Self, cast

import strawberry

from gql_auth.features.links.core import MailTokenRejected, MailTokenRejection
from gql_auth.features.recovery.core import ConfirmationRequired, Recovery
from gql_auth.features.signin.answers import AuthPayload
from gql_auth.features.users.core import Users
from gql_auth.features.users.graph import EmailTakenType, UsernameTakenType, UserType
from gql_auth.kernel.clock import Clock
from gql_auth.kernel.errors import Refused, Unauthenticated
from gql_auth.kernel.settings import Settings
from gql_auth.serving.context import RequestContext
from gql_auth.serving.credentials import CREDENTIAL
from gql_auth.serving.refusals import (
    AuthErrorType,
    InvalidInputType,
    TooManyAttemptsType,
    described_enum,
)

Info = strawberry.Info[RequestContext]
_REQUESTED = "If there is something to be mailed to this address, it is on its way"


@strawberry.type(
    name="MailRequested",
    description="The wish for a mail was taken down. The answer is the same, and as quick, whether "
    "the address has an account or not.",
)
class MailRequested:
    """The wish for a mail was taken down."""

    message: str = strawberry.field(description="What to tell the person.")

    @classmethod
    def answer(cls) -> Self:
        """The one answer there is."""
        return cls(message=_REQUESTED)


described_enum(
    MailTokenRejection,
    name="MailTokenRejection",
    description="Why the token of a mail is refused.",
    members={
        MailTokenRejection.INVALID: "No such token, or what it was made for has changed: the "
        "password or the address is another one since, or the account is gone.",
        MailTokenRejection.EXPIRED: "Its time is over; ask for another mail.",
        MailTokenRejection.USED: "It was used before; each works once.",
        MailTokenRejection.REPLACED: "Another mail was asked for since; the newest works.",
    },
)


@strawberry.type(
    name="MailTokenRejected", description="The token of a mail does nothing (any more)."
)
class MailTokenRejectedType(AuthErrorType):
    """The token of a mail does nothing."""

    reason: MailTokenRejection = strawberry.field(description="Why, for programs.")

    @classmethod
    def of(cls, refusal: Refused) -> Self:
        """The GraphQL form of the refusal."""
        return cls(message=str(refusal), reason=cast(MailTokenRejected, refusal).reason)


@strawberry.type(
    name="ConfirmationRequired",
    description="The link was asked for in another browser. Show the address, let the person "
    "confirm that it is theirs, and send the mutation again with `confirmed: true`.",
)
class ConfirmationRequiredType(AuthErrorType):
    """The link was asked for in another browser."""

    email: str = strawberry.field(description="The address of the account that would be entered.")

    @classmethod
    def of(cls, refusal: Refused) -> Self:
        """The GraphQL form of the refusal."""
        return cls(message=str(refusal), email=cast(ConfirmationRequired, refusal).email)


@strawberry.type(name="VerifyEmailPayload", description="The address is verified.")
class VerifyEmailPayload:
    """The address is verified."""

    user: UserType = strawberry.field(
        description="The account; a new one, where the link was that of a sign-up. Nobody is "
        "signed in by this."
    )


@strawberry.type(
    name="ResetPasswordPayload",
    description="The new password is set, and every session of the account has ended.",
)
class ResetPasswordPayload:
    """The new password is set."""

    ended_sessions: int = strawberry.field(description="How many sessions there were.")


VerifyEmailResult = Annotated[
    VerifyEmailPayload
    | MailTokenRejectedType
    | EmailTakenType
    | UsernameTakenType
    | TooManyAttemptsType,
    strawberry.union("VerifyEmailResult", description="What `verifyEmail` answers."),
]
ResendVerifyEmailResult = Annotated[
    MailRequested | InvalidInputType | TooManyAttemptsType,
    strawberry.union("ResendVerifyEmailResult", description="What `resendVerifyEmail` answers."),
]
ForgotPasswordResult = Annotated[
    MailRequested | InvalidInputType | TooManyAttemptsType,
    strawberry.union("ForgotPasswordResult", description="What `forgotPassword` answers."),
]
ResetPasswordResult = Annotated[
    ResetPasswordPayload | MailTokenRejectedType | InvalidInputType | TooManyAttemptsType,
    strawberry.union("ResetPasswordResult", description="What `resetPassword` answers."),
]
RequestMagicLinkResult = Annotated[
    MailRequested | InvalidInputType | TooManyAttemptsType,
    strawberry.union("RequestMagicLinkResult", description="What `requestMagicLink` answers."),
]
LoginWithMagicLinkResult = Annotated[
    AuthPayload | MailTokenRejectedType | ConfirmationRequiredType | TooManyAttemptsType,
    strawberry.union("LoginWithMagicLinkResult", description="What `loginWithMagicLink` answers."),
]
Token = Annotated[str, strawberry.argument(description="The token of the link in the mail.")]
Address = Annotated[str, strawberry.argument(description="The account's address.")]


def flows(info: Info) -> Recovery:
    """The flows of the running system."""
    return cast(Recovery, info.context.system.part(Recovery))


@strawberry.type
class RecoveryMutation:
    """The flows that go by mail."""

    @strawberry.mutation(
        description="Verify an address by the token of a mail. Where signing up wants a verified "
        "address, this makes the account."
    )
    async def verify_email(self, info: Info, token: Token) -> VerifyEmailResult:
        """Verify an address."""
        user = await flows(info).verify(token, info.context.client)
        return VerifyEmailPayload(user=UserType.of(user))

    @strawberry.mutation(
        description="Have another mail sent whose link verifies an address: the given one, or the "
        "caller's own, which needs an access token."
    )
    async def resend_verify_email(
        self,
        info: Info,
        email: Annotated[
            str | None, strawberry.argument(description="The address; the caller's by default.")
        ] = strawberry.UNSET,
    ) -> ResendVerifyEmailResult:
        """Have another mail sent whose link verifies an address."""
        if email is None or email is strawberry.UNSET:
            caller = info.context.require_caller()
            async with info.context.units.read() as unit:
                user = await unit.get(Users).get(caller.user_id)
            if user is None:
                raise Unauthenticated(Unauthenticated.Reason.REVOKED)
            email = user.email
        await flows(info).ask_to_verify(email, info.context.client)
        return MailRequested.answer()

    @strawberry.mutation(description="Have a mail sent whose link sets a new password.")
    async def forgot_password(self, info: Info, email: Address) -> ForgotPasswordResult:
        """Have a mail sent whose link sets a new password."""
        await flows(info).ask_for_reset(email, info.context.client)
        return MailRequested.answer()

    @strawberry.mutation(
        description="Set a new password by the token of a mail. All sessions of the account end; "
        "sign in with the new password then.",
        metadata=CREDENTIAL,
    )
    async def reset_password(
        self,
        info: Info,
        token: Token,
        new_password: Annotated[
            str, strawberry.argument(description="The password as it shall be.")
        ],
    ) -> ResetPasswordResult:
        """Set a new password."""
        count = await flows(info).reset(token, new_password, info.context.client)
        return ResetPasswordPayload(ended_sessions=count)

    @strawberry.mutation(
        description="Have a mail sent whose link signs in. Sets a cookie, as the link works at "
        "once in this browser alone."
    )
    async def request_magic_link(self, info: Info, email: Address) -> RequestMagicLinkResult:
        """Have a mail sent whose link signs in."""
        door = info.context.binding_door()
        binding = await flows(info).ask_for_magic_link(email, info.context.client)
        if door is not None:
            parts = info.context.system.part
            life: timedelta = parts(Settings).magic_link_ttl
            door.give(binding, parts(Clock).now() + life)
        return MailRequested.answer()

    @strawberry.mutation(
        description="Sign in by the token of a mail. Sets the refresh cookie; the session that the "
        "cookie named before ends.",
    )
    async def login_with_magic_link(
        self,
        info: Info,
        token: Token,
        confirmed: Annotated[
            bool,
            strawberry.argument(
                description="Whether the person has confirmed to sign in to the account that "
                "`ConfirmationRequired` named."
            ),
        ] = False,
    ) -> LoginWithMagicLinkResult:
        """Sign in by the token of a mail."""
        door = info.context.refresh_door()
        binding = info.context.binding_door()
        grant = await flows(info).sign_in(
            token,
            confirmed=confirmed,
            binding=binding.presented.token if binding else None,
            client=info.context.client,
            presented=door.presented,
        )
        if binding is not None and binding.presented.token:
            binding.forget()
        return AuthPayload.of(grant, door.give(grant.refresh_token, grant.session.expires_at))
