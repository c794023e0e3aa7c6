"""Accounts in GraphQL: the `User` type and the caller's own account."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self
from uuid import UUID

import strawberry

from gql_auth.features.users.core import User, UserGlance, Users
from gql_auth.features.users.naming import id_of
from gql_auth.kernel.errors import Forbidden, Refused, Unauthenticated
from gql_auth.serving.context import RequestContext
from gql_auth.serving.permissions import IsAuthenticated
from gql_auth.serving.refusals import AuthErrorType

_SEES_ALL: Final = "admin"  # the role whose bearers may read other accounts


@strawberry.type(name="User", description="An account.")
class UserType:
    """An account as its owner sees it."""

    id: strawberry.ID = strawberry.field(description="A UUID that never changes.")
    email: str = strawberry.field(description="The address that mail to the owner goes to.")
    email_verified: bool = strawberry.field(
        description="Whether the owner has shown that mail to the address reaches them."
    )
    username: str | None = strawberry.field(
        description="A second name to log in with: 3 to 32 characters, unique without regard "
        "to case."
    )
    name: str | None = strawberry.field(description="What the person wants to be called.")
    roles: list[str] = strawberry.field(
        description="What the account may do; set by operators, read at every refresh."
    )
    locale: str | None = strawberry.field(
        description="The language that mails are written in where there is one of it (BCP 47)."
    )
    created_at: datetime = strawberry.field(description="When the account was made.")

    @classmethod
    def of(cls, user: User) -> Self:
        """The GraphQL form of an account."""
        return cls(
            id=strawberry.ID(str(user.id)),
            email=user.email,
            email_verified=user.email_verified,
            username=user.username,
            name=user.name,
            roles=list(user.roles),
            locale=user.locale,
            created_at=user.created_at,
        )


@strawberry.type(
    name="EmailTaken",
    description="Another account has this e-mail address. Addresses compare without regard to "
    "the case of A-Z.",
)
class EmailTakenType(AuthErrorType):
    """Another account has this address."""


@strawberry.type(
    name="EmailNotVerified",
    description="The owner has to follow the link in a mail first; `resendVerifyEmail` sends "
    "another one. Where signing up answers this, the link is what makes the account.",
)
class EmailNotVerifiedType(AuthErrorType):
    """The address was not verified."""


@strawberry.type(
    name="UsernameTaken",
    description="Another account has this username. Usernames compare without regard to case.",
)
class UsernameTakenType(AuthErrorType):
    """Another account has this username."""


@strawberry.type
class UserQuery:
    """Queries about accounts."""

    @strawberry.field(
        description="The caller's account, as it is now.", permission_classes=[IsAuthenticated]
    )
    async def me(self, info: strawberry.Info[RequestContext]) -> UserType:
        """The caller's account."""
        caller = info.context.require_caller()
        user = await info.context.units.glance(UserGlance).get(caller.user_id)
        if user is None:  # the account was deleted while its token lives
            raise Unauthenticated(Unauthenticated.Reason.REVOKED)
        return UserType.of(user)


async def find_users(
    info: strawberry.Info[RequestContext], ids: Sequence[str]
) -> list[UserType | Refused | None]:
    """The accounts that other subgraphs refer to: the caller's own, and for admins all.

    Of an account that is not the caller's to see, not even whether it exists is told.

    Raises:
        Unauthenticated: nobody is signed in.
    """
    caller = info.context.require_caller()
    sees_all = _SEES_ALL in caller.roles
    meant = [id_of(each) for each in ids]
    seen = {each for each in meant if each and (sees_all or each == caller.user_id)}
    async with info.context.units.read() as unit:
        users = await unit.get(Users).get_many(list(seen)) if seen else []
    found: dict[UUID | None, UserType | Refused] = {user.id: UserType.of(user) for user in users}
    if caller.user_id in seen:  # where it was deleted, its token may live on
        found.setdefault(caller.user_id, Unauthenticated(Unauthenticated.Reason.REVOKED))
    refused = Forbidden("ROLE_REQUIRED", f'Role "{_SEES_ALL}" required for accounts of others')
    return [found.get(each) if sees_all or each == caller.user_id else refused for each in meant]
