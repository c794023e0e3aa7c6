"""Changing address and profile, taking one's data and leaving, in GraphQL."""

from datetime import datetime
from typing import Annotated, cast

import strawberry
from strawberry.scalars import JSON

from gql_auth.features.life.core import Life
from gql_auth.features.recovery.graph import MailRequested, MailTokenRejectedType, Token
from gql_auth.features.signin.answers import InvalidCredentialsType
from gql_auth.features.users.graph import EmailTakenType, UsernameTakenType, UserType
from gql_auth.serving.context import RequestContext
from gql_auth.serving.credentials import CREDENTIAL
from gql_auth.serving.permissions import IsAuthenticated
from gql_auth.serving.refusals import InvalidInputType, TooManyAttemptsType

Info = strawberry.Info[RequestContext]


@strawberry.input(name="UpdateProfileInput", description="What is left out stays; null clears it.")
class UpdateProfileInput:
    """What is to be changed."""

    username: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="3 to 32 of a-z, 0-9 and . _ - between them; unique without regard to case.",
    )
    name: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="What the person wants to be called, up to 200 characters.",
    )
    locale: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="The language of mails, as a tag (BCP 47): `en`, `de-AT`.",
    )


@strawberry.type(name="ConfirmEmailChangePayload", description="The account has its new address.")
class ConfirmEmailChangePayload:
    """The account has its new address."""

    user: UserType = strawberry.field(description="The account as it is now.")
    ended_sessions: int = strawberry.field(
        description="How many sessions ended: all but the one that asked."
    )


@strawberry.type(name="UpdateProfilePayload", description="The profile is as it was given.")
class UpdateProfilePayload:
    """The profile is as it was given."""

    user: UserType = strawberry.field(description="The account as it is now.")


@strawberry.type(
    name="DeleteAccountPayload",
    description="The account will be deleted, and all its sessions have ended. Signing in before "
    "that keeps it.",
)
class DeleteAccountPayload:
    """The account will be deleted."""

    deletes_at: datetime = strawberry.field(description="When; until then a sign-in keeps it.")


@strawberry.type(name="ExportMyDataPayload", description="All that is held of the caller.")
class ExportMyDataPayload:
    """All that is held of the caller."""

    data: JSON = strawberry.field(
        description="Account, sessions, events, links and mails that wait, as a JSON object."
    )


RequestEmailChangeResult = Annotated[
    MailRequested | InvalidInputType | InvalidCredentialsType | TooManyAttemptsType,
    strawberry.union("RequestEmailChangeResult", description="What `requestEmailChange` answers."),
]
ConfirmEmailChangeResult = Annotated[
    ConfirmEmailChangePayload | MailTokenRejectedType | EmailTakenType | TooManyAttemptsType,
    strawberry.union("ConfirmEmailChangeResult", description="What `confirmEmailChange` answers."),
]
UpdateProfileResult = Annotated[
    UpdateProfilePayload | InvalidInputType | UsernameTakenType,
    strawberry.union("UpdateProfileResult", description="What `updateProfile` answers."),
]
DeleteAccountResult = Annotated[
    DeleteAccountPayload | InvalidInputType | InvalidCredentialsType | TooManyAttemptsType,
    strawberry.union("DeleteAccountResult", description="What `deleteAccount` answers."),
]
ExportMyDataResult = Annotated[
    ExportMyDataPayload | TooManyAttemptsType,
    strawberry.union("ExportMyDataResult", description="What `exportMyData` answers."),
]
Password = Annotated[str, strawberry.argument(description="The account's password.")]


def _flows(info: Info) -> Life:
    return cast(Life, info.context.system.part(Life))


@strawberry.type
class LifeMutation:
    """What owners do to their accounts."""

    @strawberry.mutation(
        description="Have a mail sent to another address, whose link makes it the account's.",
        permission_classes=[IsAuthenticated],
        metadata=CREDENTIAL,
    )
    async def request_email_change(
        self,
        info: Info,
        new_email: Annotated[str, strawberry.argument(description="The address it shall be.")],
        password: Password,
    ) -> RequestEmailChangeResult:
        """Have a mail sent to another address."""
        await _flows(info).ask_for_email(
            info.context.require_caller(),
            email=new_email,
            password=password,
            client=info.context.client,
        )
        return MailRequested.answer()

    @strawberry.mutation(
        description="Make the address that the mail was sent to the account's, by its token. The "
        "other sessions end, and the old address is told."
    )
    async def confirm_email_change(self, info: Info, token: Token) -> ConfirmEmailChangeResult:
        """Make another address the account's."""
        user, ended = await _flows(info).confirm_email(token, info.context.client)
        return ConfirmEmailChangePayload(user=UserType.of(user), ended_sessions=ended)

    @strawberry.mutation(
        description="Change the caller's username, name and language.",
        permission_classes=[IsAuthenticated],
    )
    async def update_profile(
        self,
        info: Info,
        input: Annotated[  # noqa: A002 - the name that every client expects
            UpdateProfileInput, strawberry.argument(description="What is to be changed.")
        ],
    ) -> UpdateProfileResult:
        """Change the caller's profile."""
        given = {"username": input.username, "name": input.name, "locale": input.locale}
        changes = {name: value for name, value in given.items() if value is not strawberry.UNSET}
        user = await _flows(info).update_profile(
            info.context.require_caller(), changes, info.context.client
        )
        return UpdateProfilePayload(user=UserType.of(user))

    @strawberry.mutation(
        description="Have the caller's account deleted, after a grace in which a sign-in keeps it. "
        "All sessions end. The refresh cookie is deleted.",
        permission_classes=[IsAuthenticated],
        metadata=CREDENTIAL,
    )
    async def delete_account(self, info: Info, password: Password) -> DeleteAccountResult:
        """Have the caller's account deleted."""
        door = info.context.refresh_door()
        at = await _flows(info).delete(
            info.context.require_caller(), password=password, client=info.context.client
        )
        door.forget()
        return DeleteAccountPayload(deletes_at=at)

    @strawberry.mutation(
        description="All that is held of the caller, as JSON.",
        permission_classes=[IsAuthenticated],
    )
    async def export_my_data(self, info: Info) -> ExportMyDataResult:
        """All that is held of the caller."""
        found = await _flows(info).export(info.context.require_caller(), info.context.client)
        return ExportMyDataPayload(data=cast(JSON, found))
