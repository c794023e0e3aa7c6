"""Refusals as GraphQL types: the `AuthError` interface, and those that every feature shares."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Self, TypeVar, cast

import strawberry

from gql_auth.kernel.errors import InvalidInput, Refused, ViolationCode

E = TypeVar("E", bound=Enum)


@strawberry.interface(
    name="AuthError",
    description="An expected refusal of a mutation. Handle `... on AuthError` after the members "
    "you know: later versions may add members, and all of them implement this.",
)
class AuthErrorType:
    """What every refusal tells."""

    message: str = strawberry.field(description="What is wrong, in a sentence for people.")

    @classmethod
    def of(cls, refusal: Refused) -> Self:
        """The GraphQL form of a refusal."""
        return cls(message=str(refusal))


def described_enum(
    enum: type[E], *, name: str, description: str, members: Mapping[E, str]
) -> type[E]:
    """A GraphQL enum of a plain one, each member described.

    Raises:
        KeyError: a member lacks its description.
    """
    made = strawberry.enum(enum, name=name, description=description)
    definition: Any = made.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = members[enum[value.name]]
    return made


described_enum(
    ViolationCode,
    name="ViolationCode",
    description="What is wrong with one input field.",
    members={
        ViolationCode.REQUIRED: "A value is needed.",
        ViolationCode.TOO_SHORT: "Too short; the message says the least length.",
        ViolationCode.TOO_LONG: "Too long; the message says the greatest length.",
        ViolationCode.MALFORMED: "Not of the form that the field wants.",
        ViolationCode.FORBIDDEN_CHARACTER: "Holds a character that is not allowed here.",
        ViolationCode.TOO_COMMON: "The password is on the list of the most common ones.",
        ViolationCode.NOT_UNIQUE_ENOUGH: "The password equals another word of the account.",
        ViolationCode.AMBIGUOUS: "Two fields were given where one of them is wanted.",
    },
)


@strawberry.type(name="Violation", description="One rule that one input field breaks.")
class ViolationType:
    """One rule that one input field breaks."""

    field: str = strawberry.field(description="The input field, by its name in the schema.")
    code: ViolationCode = strawberry.field(description="What is wrong, for programs.")
    message: str = strawberry.field(description="What is wrong and how to mend it, for people.")


@strawberry.type(
    name="InvalidInput",
    description="The input breaks rules; each violation names a field and its mend.",
)
class InvalidInputType(AuthErrorType):
    """The input breaks rules."""

    violations: list[ViolationType] = strawberry.field(
        description="Every rule that is broken, not only the first."
    )

    @classmethod
    def of(cls, refusal: Refused) -> Self:
        """The GraphQL form of the refusal."""
        assert isinstance(refusal, InvalidInput)  # noqa: S101 - by registration
        return cls(
            message=str(refusal),
            violations=[
                ViolationType(field=each.field, code=each.code, message=each.message)
                for each in refusal.violations
            ],
        )


@strawberry.type(
    name="TooManyAttempts",
    description="Too many attempts from this address or on this account; nothing was checked.",
)
class TooManyAttemptsType(AuthErrorType):
    """Too many attempts."""

    retry_after: int = strawberry.field(
        description="Seconds after which another attempt makes sense."
    )

    @classmethod
    def of(cls, refusal: Refused) -> Self:
        """The GraphQL form of the refusal."""
        return cls(message=str(refusal), retry_after=cast(Any, refusal).retry_after)


class RefusalHandler:
    """Turns a raised refusal into the union member that stands for it (Strawberry's
    `ExceptionHandler`); on a field whose union lacks the member it stays an error."""

    def __init__(self, refusal: type[Refused], told_as: type[Any]) -> None:
        self.exception_type = refusal
        self.error_type = told_as

    def handle(self, exception: Any, *, field: Any, info: Any) -> Any:  # noqa: ARG002
        """The union member for the refusal."""
        return self.error_type.of(exception)
