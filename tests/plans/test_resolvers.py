"""What Strawberry puts around resolvers, and plans partly leave out, is not missed."""

from dataclasses import dataclass
from functools import wraps
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, parse
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from gql_auth.plans import compile_operation
from tests.plans.comparing import by_executor, by_plan, outcome


class Renaming(FieldExtension):
    """Turns the arguments of a field into others."""

    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return next_(source, info, **kwargs)

    def map_arguments(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {name: f"{value}, mapped" for name, value in kwargs.items()}


class Elsewhere(FieldExtension):
    """Hands another source and other arguments on."""

    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        return f"{sorted(kwargs)} {next_(Other(word='else'), info, **kwargs | {'word': 'new'})}"


class Eager(FieldExtension):
    """Does something before anybody awaits."""

    def resolve_async(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        info.context.append("eager")
        return next_(source, info, **kwargs)


class Never(BasePermission):
    message = "never"

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        info.context.append(sorted(kwargs))
        return False


class Shouting(StrawberryField):
    """A field that gets its results in a way of its own."""

    def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        return f"{super().get_result(source, info, args, kwargs)}!"


class Problem(Exception):  # noqa: N818
    """What a handler turns into a member of a union."""


@strawberry.type
class Told:
    message: str


@strawberry.type
class Fine:
    word: str


class Telling(strawberry.ExceptionHandler[Problem, Told]):
    def handle(self, exception: Problem, **_kwargs: Any) -> Told | None:
        return Told(message=str(exception)) if str(exception) else None


@strawberry.type
class Other:
    word: str


def wrapped(function: Any) -> Any:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return f"wrapped {function(*args, **kwargs)}"

    return call


async def later(info: strawberry.Info) -> str:
    info.context.append("later")
    return "later"


@strawberry.type
class Query:
    loud: str = Shouting(type_annotation=None, python_name=None)  # type: ignore[assignment]
    guarded: str | None = strawberry.field(
        default="unseen", extensions=[PermissionExtension([Never()], fail_silently=True)]
    )

    @strawberry.field
    def plain(self, a_word: str = "none", number: int | None = 3) -> str:
        return f"{type(self).__name__} {a_word} {number}"

    @strawberry.field
    def named(self, source: str, raw_info: str = "raw") -> str:
        return f"{source} {raw_info}"

    @strawberry.field(permission_classes=[Never])
    def named_too(self, next: str, source: str = "none") -> str | None:  # noqa: A002
        return f"{next} {source}"

    @strawberry.field
    @staticmethod
    def static(word: str = "none") -> str:
        return f"static {word}"

    @strawberry.field
    @staticmethod
    def parented(me: strawberry.Parent["Query"], word: str = "none") -> str:
        return f"{type(me).__name__} {word}"

    @strawberry.field
    @wrapped
    def wrapped(self, word: str = "none") -> str:
        return word

    @strawberry.field(extensions=[Renaming()])
    def renamed(self, word: str) -> str:
        return word

    @strawberry.field(extensions=[Elsewhere()])
    def elsewhere(self, _told: strawberry.Info, word: str = "none") -> str:
        return f"{type(self).__name__} {word} {_told.path.key}"

    @strawberry.field(extensions=[Elsewhere()])
    def elsewhere_too(self, info: strawberry.Info, word: str = "none") -> str:
        return f"{type(self).__name__} {word} {info.path.key}"

    @strawberry.field(extensions=[Eager()])
    async def eager(self, info: strawberry.Info) -> str:
        info.context.append("resolved")
        return "eager"

    @strawberry.field(permission_classes=[Never])
    async def never(self, word: str = "none") -> str | None:
        return word

    @strawberry.field
    def returned(self, info: strawberry.Info) -> str:
        return later(info)  # type: ignore[return-value]

    @strawberry.field
    async def known(self, word: str) -> Fine | Told:
        raise Problem(word)

    @strawberry.field
    def known_now(self, word: str) -> Fine | Told | None:
        raise Problem(word)


@dataclass
class Informed(strawberry.Info):
    """What resolvers are told, by a class of one's own."""


SCHEMAS = [
    strawberry.Schema(Query, exception_handlers=[Telling()]),
    strawberry.Schema(Query, config=StrawberryConfig(info_class=Informed)),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=["handlers", "info class"])
@pytest.mark.parametrize(
    "text",
    [
        "{ loud guarded plain }",
        '{ plain(aWord: "a", number: null) other: plain(number: 4) static(word: "b") }',
        '{ named(source: "a", rawInfo: "b") namedToo(next: "c", source: "d") }',
        "{ parented wrapped returned eager plain }",
        '{ renamed(word: "c") elsewhere(word: "d") elsewhereToo }',
        '{ never(word: "e") eager }',
        '{ known(word: "f") { ... on Told { message } } knownNow(word: "g") { __typename } }',
        '{ knownNow(word: "") { __typename } known(word: "") { __typename } }',
    ],
)
async def test_nothing_is_left_out(schema: strawberry.Schema, text: str) -> None:
    """Whatever is put around a resolver happens, in its order."""
    core, document = schema._schema, parse(text)
    plan = compile_operation(core, document, None)
    root, mine, theirs = Query(loud="loud"), [], []
    expected = await outcome(lambda: by_executor(core, document, root, theirs, None))
    assert await outcome(lambda: by_plan(plan, root, mine, None)) == expected
    assert mine == theirs


async def test_functions_in_the_place_of_strawberrys() -> None:
    """Whoever puts another resolve function on a field has it called."""
    core = strawberry.Schema(Query)._schema
    fields = core.query_type.fields  # type: ignore[union-attr]
    fields["plain"].resolve = lambda _source, info, **given: f"{info.field_name} {given}"
    fields["guarded"].resolve = None
    document = parse('{ plain(aWord: "a") guarded }')
    answer: Any = compile_operation(core, document, None).execute(Query(loud=""), [], None)
    assert answer.data == {
        "plain": "plain {'aWord': 'a', 'number': 3}",
        "guarded": "unseen",
    }


async def test_another_way_to_attributes() -> None:
    """A default resolver of the schema's configuration is called."""

    def resolver(source: Any, name: str) -> Any:
        return f"{name} of {source}"

    core = strawberry.Schema(Query, config=StrawberryConfig(default_resolver=resolver))._schema
    answer: Any = compile_operation(core, parse("{ loud }"), None).execute("it", [], None)
    assert answer.data == {"loud": "loud of it!"}


async def test_extensions_of_the_operation() -> None:
    """They are shown to resolvers."""

    @strawberry.type
    class Asking:
        @strawberry.field
        def shown(self, info: strawberry.Info) -> str:
            return repr(info.input_extensions)

    core = strawberry.Schema(Asking)._schema
    plan = compile_operation(core, parse("{ shown }"), None)
    answer: Any = plan.execute(None, None, None, operation_extensions={"a": 1})
    assert answer.data == {"shown": "{'a': 1}"}


def test_errors_keep_their_cause() -> None:
    """As the executor's do: the very exception that a resolver raised."""
    problem = GraphQLError("known", extensions={"code": "X"})

    @strawberry.type
    class Raising:
        @strawberry.field
        def raising(self) -> str | None:
            raise problem

    core = strawberry.Schema(Raising)._schema
    answer: Any = compile_operation(core, parse("{ raising }"), None).execute(None, None, None)
    (error,) = answer.errors
    assert error.original_error is problem
    assert error.extensions == {"code": "X"}
    assert error.path == ["raising"]


def test_what_resolvers_are_told_is_theirs() -> None:
    """Whatever they do to it, the next execution is told what it should be."""
    seen: list[Any] = []

    @strawberry.type
    class Spoiling:
        @strawberry.field
        def spoiling(self, info: strawberry.Info) -> str | None:
            told = info._raw_info
            seen.append((dict(told.variable_values), list(told.fragments), len(told.field_nodes)))
            told.variable_values["spoilt"] = True
            told.fragments.clear()
            told.field_nodes.clear()
            raise ValueError("spoilt")

    core = strawberry.Schema(Spoiling)._schema
    document = parse("{ ...F } fragment F on Spoiling { spoiling }")
    plan = compile_operation(core, document, None)
    for _ in range(2):
        answer: Any = plan.execute(None, None, None)
        assert len(answer.errors[0].locations) == 1
    assert seen == [({}, ["F"], 1)] * 2
