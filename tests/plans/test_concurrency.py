"""What waits for what: as the executor has it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest
from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    parse,
)

from gql_auth.plans import compile_operation
from tests.plans.comparing import by_executor, outcome

HERE: ContextVar[str] = ContextVar("here", default="nowhere")


class Halt(BaseException):
    """Something that nobody catches."""


def schema_of(fields: dict[str, Any], *, required: tuple[str, ...] = ()) -> GraphQLSchema:
    """A schema whose root has these resolvers, each of a list of strings or of one."""

    def field(name: str, resolve: Any) -> GraphQLField:
        type_: Any = GraphQLList(GraphQLString) if name.startswith("list") else GraphQLString
        return GraphQLField(GraphQLNonNull(type_) if name in required else type_, resolve=resolve)

    made = {name: field(name, resolve) for name, resolve in fields.items()}
    query, mutation = GraphQLObjectType("Query", made), GraphQLObjectType("Mutation", made)
    return GraphQLSchema(query, mutation)


def both(schema: GraphQLSchema, text: str, context: Any = None) -> list[Any]:
    """How to start the executor, and the plan."""
    document = parse(text)
    plan = compile_operation(schema, document, None)
    return [
        lambda: by_executor(schema, document, None, context, None),
        lambda: plan.execute(None, context, None),
    ]


async def test_siblings_wait_together() -> None:
    """Each waits for the other to have begun."""
    begun = {"a": asyncio.Event(), "b": asyncio.Event()}

    async def wait(_source: Any, info: Any) -> str:
        begun[info.field_name].set()
        await begun["b" if info.field_name == "a" else "a"].wait()
        return str(info.field_name)

    _, plan = both(schema_of({"a": wait, "b": wait}), "{ a b }")
    async with asyncio.timeout(5):
        assert (await plan()).data == {"a": "a", "b": "b"}


async def test_mutations_wait_for_each_other() -> None:
    """Sync or async, none begins before the one before it has ended; nor after one that failed."""
    for text in ("{ a b c }", "{ b a c }", "{ c c2: c a }", "{ a broken b }"):
        logs: list[list[Any]] = []
        for start in range(2):
            log: list[Any] = []

            async def slowly(_source: Any, info: Any, log: list[Any] = log) -> str:
                log.append(f"begin {info.path.key}")
                await asyncio.sleep(0)
                log.append(f"end {info.path.key}")
                return "x"

            def now(_source: Any, info: Any, log: list[Any] = log) -> str:
                log.append(f"now {info.path.key}")
                return "y"

            async def broken(_source: Any, _info: Any) -> None:
                await asyncio.sleep(0)

            schema = schema_of(
                {"a": slowly, "b": now, "c": slowly, "broken": broken}, required=("broken",)
            )
            run = both(schema, f"mutation {text}")[start]
            log.append(await outcome(run) | {"nodes": None})
            logs.append([each for each in log if isinstance(each, str)])
        assert logs[0] == logs[1]
        assert not any(
            "begin" in a and "begin" in b for a, b in zip(logs[1], logs[1][1:], strict=False)
        )


@pytest.mark.parametrize("text", ["{ a }", "{ a b }", "mutation { a b }"])
async def test_cancellation_reaches_resolvers(text: str) -> None:
    """Who gives the answer up ends what makes it."""
    for start in range(2):
        ended: list[str] = []
        begun = asyncio.Event()

        async def wait(_source: Any, info: Any, begun: Any = begun, ended: Any = ended) -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.append(info.field_name)
                raise

        run = both(schema_of({"a": wait, "b": wait}), text)[start]
        task = asyncio.ensure_future(run())
        await begun.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(ended) == (["a", "b"] if text == "{ a b }" else ["a"])


async def test_a_failure_ends_its_siblings() -> None:
    """Where null goes up, what is still awaited beside it is cancelled, and has ended then."""
    for start in range(2):
        ended: list[str] = []

        async def fail(_source: Any, _info: Any) -> None:
            await asyncio.sleep(0)
            raise ValueError("failed")

        async def wait(_source: Any, _info: Any, ended: list[str] = ended) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("ended")

        schema = schema_of({"a": wait, "b": fail}, required=("b",))
        answer = await both(schema, "{ a b }")[start]()
        assert answer.data is None
        assert [error.path for error in answer.errors] == [["b"]]
        assert ended == ["ended"]


@pytest.mark.parametrize("text", ["{ a }", "{ a b }", "mutation { a b }"])
async def test_context_variables(text: str) -> None:
    """What a resolver sets reaches as far as it does with the executor."""

    async def set_it(_source: Any, info: Any) -> str:
        before = HERE.get()
        HERE.set(info.field_name)
        await asyncio.sleep(0)
        return before

    seen = []
    for run in both(schema_of({"a": set_it, "b": set_it}), text):
        HERE.set("outside")
        seen.append(((await run()).data, HERE.get()))
    assert seen[0] == seen[1]


def test_without_a_loop() -> None:
    """What is sync answers at once; what must wait and is given up is closed."""

    made: list[Any] = []

    async def never() -> None:
        raise AssertionError

    def start(_source: Any, _info: Any) -> Any:
        made.append(never())
        return made[-1]

    def fail(_source: Any, _info: Any) -> None:
        raise ValueError("failed")

    schema = schema_of({"a": start, "b": fail, "c": lambda *_: "c"}, required=("b",))
    assert both(schema, "{ c }")[1]().data == {"c": "c"}
    answer = both(schema, "{ a b }")[1]()
    assert answer.data is None
    assert str(answer.errors[0].original_error) == "failed"
    for each in made:
        each.close()


@pytest.mark.parametrize("style", ["raised", "awaited"])
async def test_what_nobody_catches(style: str) -> None:
    """Exceptions that are no `Exception` go through."""

    def halt(_source: Any, _info: Any) -> Any:
        if style == "raised":
            raise Halt

        async def later() -> None:
            raise Halt

        return later()

    _, run = both(schema_of({"a": halt}), "{ a }")
    with pytest.raises(Halt):
        await run()


async def test_lists_that_come_bit_by_bit() -> None:
    """Iterated as the executor does, and closed where that goes wrong."""
    outcomes = []
    for start in range(2):
        closed: list[str] = []

        async def some(closed: list[str] = closed) -> AsyncIterator[Any]:
            try:
                yield "first"
                yield asyncio.sleep(0, "second")
                yield object
            finally:
                closed.append("closed")

        async def broken() -> AsyncIterator[Any]:
            yield "one"
            raise ValueError("no more")

        schema = schema_of({"list": lambda *_, some=some: some(), "list2": lambda *_: broken(),
                            "list3": lambda *_: [asyncio.sleep(0, "x"), "y"]})  # fmt: skip
        seen = await outcome(both(schema, "{ list list2 list3 }")[start])
        seen.pop("errors")
        later = [(error["formatted"]["message"], error["path"]) for error in seen.pop("later")]
        outcomes.append((seen, later, closed))
    assert outcomes[0] == outcomes[1]


async def test_one_plan_many_executions() -> None:
    """At the same time, with other variables each, in many threads."""
    schema = GraphQLSchema(GraphQLObjectType("Query", lambda: {
        "say": GraphQLField(GraphQLString, resolve=lambda _source, info: info.context),
        "no": GraphQLField(GraphQLBoolean, resolve=lambda *_: False),
    }))  # fmt: skip
    names = [f"v{index}" for index in range(8)]
    defined = ", ".join(f"${name}: Boolean!" for name in names)
    asked = " ".join(f"{name}: say @include(if: ${name})" for name in names)
    plan = compile_operation(schema, parse(f"query Q({defined}) {{ no {asked} }}"), None)
    wrong: list[Any] = []

    def ask(thread: int) -> None:
        for number in range(thread, 600, 3):
            given = {name: bool(number >> index & 1) for index, name in enumerate(names)}
            answer: Any = plan.execute(None, f"{thread} {number}", given)
            expected = {name: f"{thread} {number}" for name, said in given.items() if said}
            if answer.data != {"no": False, **expected} or answer.errors:
                wrong.append(answer)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(3)]
    for act in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            act(thread)
    assert wrong == []


def test_conditions_without_a_value() -> None:
    """Null where a condition must be is an error of whoever has the selection set, each time."""
    schema = schema_of({"a": lambda *_: "a"})
    document = parse("query Q($on: Boolean = true) { a @include(if: $on) }")
    plan = compile_operation(schema, document, None)
    for given in ({"on": None}, {}, {"on": False}, {"on": None}):
        expected: Any = by_executor(schema, document, None, None, given)
        answer: Any = plan.execute(None, None, given)
        assert answer == expected
        assert (answer.errors is None) == (given != {"on": None})


async def test_work_that_resolvers_hand_over() -> None:
    """`info.async_helpers` gathers, and lets go on what nobody waits for."""
    done: list[str] = []

    async def work(name: str) -> str:
        await asyncio.sleep(0)
        done.append(name)
        return name

    async def a(_source: Any, info: Any) -> str:
        info.async_helpers.track([work("tracked"), "not awaitable"])
        return "".join(await info.async_helpers.gather([work("x"), work("y")]))

    _, plan = both(schema_of({"a": a}), "{ a }")
    assert (await plan()).data == {"a": "xy"}
    await asyncio.sleep(0.01)
    assert sorted(done) == ["tracked", "x", "y"]


def test_errors_in_both_of_two_siblings() -> None:
    """Both are told, in the order of the document."""

    def fail(_source: Any, info: Any) -> None:
        raise GraphQLError(f"not {info.path.key}", extensions={"code": info.path.key})

    expected, answer = (run() for run in both(schema_of({"a": fail}), "{ two: a one: a }"))
    assert answer == expected
    assert [error.extensions for error in answer.errors] == [{"code": "two"}, {"code": "one"}]
