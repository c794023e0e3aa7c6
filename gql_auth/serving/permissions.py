"""Permission classes: what a field requires, printed in the SDL and enforced from one place.

    @strawberry.field(permission_classes=[IsAuthenticated])
    @strawberry.field(permission_classes=[HasRole("admin")])
    @strawberry.field(extensions=[PermissionExtension([IsAuthenticated()])])

All forms enforce and print alike. The methods are class methods, so that a class does where
Strawberry wants an instance.
"""

import inspect
from contextvars import ContextVar
from functools import cache
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.permission import BasePermission
from strawberry.schema_directive import Location

from gql_auth.kernel.caller import Caller
from gql_auth.kernel.errors import Forbidden, Refused
from gql_auth.serving.context import RequestContext

# Strawberry asks first and complains later, with no way to pass the reason on between the two.
_refusal: ContextVar[Refused] = ContextVar("gql_auth_refusal")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="authenticated",
    description="The field requires a valid access token, sent as `Authorization: Bearer …`. "
    "Refused with code UNAUTHENTICATED otherwise.",
)
class Authenticated:
    """Printed on fields that want a signed-in caller."""


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="hasRole",
    repeatable=True,  # two of them on a field: both are wanted
    description="The field requires a valid access token of a caller who has one of these roles. "
    "Refused with code UNAUTHENTICATED without a token, FORBIDDEN (ROLE_REQUIRED) without a role.",
)
class RoleRequired:
    """Printed on fields that want a role."""

    any_of: list[str] = strawberry.directive_field(name="anyOf")


class Guard(BasePermission):
    """A permission that refuses with a code and a reason. Subclass and write `check`; it is
    printed as `@theClass`, or as the `schema_directive` that the class sets.

    Raises:
        TypeError: `check` returns something. A bool or a coroutine would be taken for consent.
    """

    @classmethod
    def check(cls, caller: Caller) -> None:
        """Come back if the caller may.

        Raises:
            Forbidden: saying what is missing.
        """

    @classmethod
    def has_permission(cls, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:  # noqa: ARG003
        """Whether the caller may; the refusal is kept for `on_unauthorized`."""
        context: RequestContext = info.context
        try:
            said: object = cls.check(context.require_caller())
        except Refused as refusal:
            _refusal.set(refusal)
            return False
        if said is not None:
            if inspect.iscoroutine(said):
                said.close()
            raise TypeError(f"{cls.__name__}.check refuses by raising Forbidden: it must be no "
                            "coroutine and return nothing")  # fmt: skip
        return True

    @classmethod
    def on_unauthorized(cls) -> None:
        """Refuse with the reason that `has_permission` found.

        Raises:
            GraphQLError: with `code` and `reason` in its extensions.
        """
        refusal = _refusal.get()
        raise GraphQLError(str(refusal), extensions=refusal.extensions, original_error=refusal)


class IsAuthenticated(Guard):
    """The caller has a valid access token of a living session."""

    schema_directive = Authenticated()


@cache
def HasRole(*any_of: str) -> type[Guard]:  # noqa: N802 - reads as the class it makes
    """A permission class: the caller is signed in and has one of these roles.

    Roles come from the access token: a change of roles counts from the next refresh on.

    Raises:
        ValueError: no role was named.
    """
    if not any_of or not all(any_of):
        raise ValueError('name at least one role: HasRole("admin")')
    wanted = " or ".join(f'"{role}"' for role in any_of)

    class _HasRole(Guard):
        schema_directive = RoleRequired(any_of=list(any_of))

        @classmethod
        def check(cls, caller: Caller) -> None:
            if not set(any_of) & set(caller.roles):
                raise Forbidden("ROLE_REQUIRED", f"Role {wanted} required")

    _HasRole.__name__ = _HasRole.__qualname__ = f"HasRole({wanted})"
    return _HasRole
