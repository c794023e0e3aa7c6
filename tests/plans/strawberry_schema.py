"""A schema of Strawberry's, of all that it offers, whose resolvers do what their world decides."""

import inspect
from collections.abc import Awaitable
from datetime import datetime
from enum import Enum
from random import Random
from typing import Annotated, Any

import strawberry
from graphql import GraphQLError, is_object_type
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension

from tests.plans.worlds import Place, Trouble, World


def answer(info: strawberry.Info, **arguments: Any) -> Any:
    """What the world decides for a field."""
    world: World = info.context
    raw = info._raw_info
    world.tell(raw, arguments)
    world.log.append((repr(info.selected_fields), info.python_name, info.input_extensions,
                      info.variable_values, str(info.return_type), info.query))  # fmt: skip
    return world.value(raw.return_type, tuple(info.path.as_list()))


async def answer_later(info: strawberry.Info, **arguments: Any) -> Any:
    """The same, of an async resolver."""
    given = answer(info, **arguments)
    return await given if inspect.isawaitable(given) else given


class Allowed(BasePermission):
    """Mostly."""

    message = "not allowed"
    error_extensions = {"code": "FORBIDDEN"}  # noqa: RUF012 - Strawberry's form

    def has_permission(
        self, source: Any, info: strawberry.Info, **kwargs: Any
    ) -> bool | Awaitable[bool]:
        world: World = info.context
        place = tuple(info.path.as_list())
        world.log.append(("allowed?", type(self).__name__, place, sorted(kwargs)))
        if world.happens("permission breaks", place):
            raise Trouble("no verdict")
        return not world.happens("permission", place)


class AllowedLater(Allowed):
    """Mostly, and after a while."""

    async def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return bool(super().has_permission(source, info, **kwargs))


class Loud(FieldExtension):
    """Tells of what passes through it."""

    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        info.context.log.append(("loud", tuple(info.path.as_list()), repr(kwargs)))
        return next_(source, info, **kwargs)

    async def resolve_async(
        self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any
    ) -> Any:
        info.context.log.append(("loud later", tuple(info.path.as_list()), repr(kwargs)))
        return await next_(source, info, **kwargs)


@strawberry.enum
class Color(Enum):
    RED = "r"
    GREEN = 2


@strawberry.input
class Range:
    least: int = 1
    most: int | None = None


@strawberry.input
class Filter:
    text: str
    range: Range | None = strawberry.field(default_factory=Range)
    colors: list[Color] | None = strawberry.UNSET
    born_after: datetime | None = None
    only: strawberry.Maybe[bool]


@strawberry.input(one_of=True)
class Choice:
    number: int | None = strawberry.UNSET
    words: list[str] | None = strawberry.UNSET


@strawberry.interface
class Animal:
    name: str
    legs: int | None

    @strawberry.field
    def owner(self, info: strawberry.Info) -> "Person | None":
        return answer(info)  # type: ignore[no-any-return]


@strawberry.type
class Cat(Animal):
    lives: int

    @strawberry.field(permission_classes=[Allowed])
    async def friends(self, info: strawberry.Info, first: int = 2) -> list[Animal | None] | None:
        return await answer_later(info, first=first)  # type: ignore[no-any-return]


@strawberry.type
class Dog(Animal):
    barks: bool | None

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        info.context.log.append(("is dog?", type(obj).__name__, info.field_name))
        return isinstance(obj, Dog)


@strawberry.type
class Person:
    id: strawberry.ID
    e_mail: str
    born: datetime | None
    color: Color
    scores: list[float]
    nickname: str | None = strawberry.field(extensions=[Loud()])

    @strawberry.field
    def simple(self) -> str:
        return f"simply {type(self.e_mail).__name__}"

    @strawberry.field
    async def simple_later(self) -> str | None:
        return None

    @strawberry.field
    def parented(self, parent: strawberry.Parent["Person"], info: strawberry.Info) -> int:
        return answer(info, parent=parent is self)  # type: ignore[no-any-return]

    @strawberry.field(permission_classes=[Allowed])
    def guarded(self) -> str | None:
        return "guarded"

    @strawberry.field(extensions=[Loud(), PermissionExtension([AllowedLater()])])
    async def pets(
        self,
        info: strawberry.Info,
        filter: Filter | None = None,  # noqa: A002
        choice: Choice | None = None,
    ) -> list[Annotated["Cat | Dog", strawberry.union("Pet")]]:
        return await answer_later(info, filter=filter, choice=choice)  # type: ignore[no-any-return]


@strawberry.type
class Refusal:
    message: str


class RefusalHandler(strawberry.ExceptionHandler[Trouble, Refusal]):
    """Trouble is a member of unions that have it."""

    def handle(self, exception: Trouble, **_kwargs: Any) -> Refusal:
        return Refusal(message=str(exception))


Result = Annotated[Person | Refusal, strawberry.union("Result")]


@strawberry.type
class Query:
    @strawberry.field(permission_classes=[Allowed])
    async def me(self, info: strawberry.Info) -> Person:
        return await answer_later(info)  # type: ignore[no-any-return]

    @strawberry.field(extensions=[PermissionExtension([Allowed()], fail_silently=True)])
    def people(self, info: strawberry.Info, first: int = 3) -> list[Person]:
        return answer(info, first=first)  # type: ignore[no-any-return]

    @strawberry.field
    def animals(self, info: strawberry.Info, at: datetime | None = None) -> list[Animal] | None:
        return answer(info, at=at)  # type: ignore[no-any-return]

    @strawberry.field
    async def result(self, info: strawberry.Info) -> Result:
        return await answer_later(info)  # type: ignore[no-any-return]

    @strawberry.field
    def result_now(self, info: strawberry.Info) -> Result | None:
        return answer(info)  # type: ignore[no-any-return]

    @strawberry.field
    def plain(
        self,
        color: Color = Color.RED,
        ids: list[strawberry.ID] | None = None,
        range: Range | None = None,  # noqa: A002
    ) -> str:
        if ids == []:
            raise GraphQLError("none", extensions={"code": "NONE"})
        return f"{color} {ids} {range}"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self, info: strawberry.Info, filter: Filter) -> Person | None:  # noqa: A002
        return answer(info, filter=filter)  # type: ignore[no-any-return]

    @strawberry.mutation(permission_classes=[AllowedLater])
    async def change_later(self, info: strawberry.Info) -> Person:
        return await answer_later(info)  # type: ignore[no-any-return]


SCHEMA = strawberry.Schema(Query, Mutation, types=[Cat, Dog], exception_handlers=[RefusalHandler()])
CORE = SCHEMA._schema
MADE_BY = {each.__name__: each for each in (Cat, Dog, Person, Refusal)}


def make(world: World, type_: Any, place: Place, chance: Random) -> Any:
    """An object of a type; now and then of another."""
    kinds = [type_] if is_object_type(type_) else list(CORE.get_possible_types(type_))
    kind: Any = CORE.type_map["Cat"] if world.happens("kind", place) else chance.choice(kinds)
    made = MADE_BY[kind.name]
    names = {field.python_name: field for field in made.__strawberry_definition__.fields}
    return made(**{
        name: world.item(kind.fields[SCHEMA.config.name_converter.from_field(field)].type,
                         (*place, name))
        for name, field in names.items() if field.init
    })  # fmt: skip
