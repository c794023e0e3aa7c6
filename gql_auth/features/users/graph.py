"""Accounts in GraphQL: the `User` type and the caller's own account."""

from datetime import datetime
from typing import Self

import strawberry

from gql_auth.features.users.core import User, Users
from gql_auth.kernel.errors import Unauthenticated
from gql_auth.serving.context import RequestContext
from gql_auth.serving.permissions import IsAuthenticated
from gql_auth.serving.refusals import AuthErrorType


@strawberry.type(name="User", description="An account.")
class UserType:
    """An account as its owner sees it."""

    id: strawberry.ID = strawberry.field(description="A UUID that never changes.")
    email: str = strawberry.field(description="The address the account was made with.")
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
        async with info.context.units.read() as unit:
            user = await unit.get(Users).get(caller.user_id)
        if user is None:  # the account was deleted while its token lives
            raise Unauthenticated(Unauthenticated.Reason.REVOKED)
        return UserType.of(user)
