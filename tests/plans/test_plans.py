"""What plans do, one thing at a time."""

import gc
from typing import Any

import pytest
import strawberry
from graphql import build_schema, parse
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql_auth.plans import Uncovered, compile_operation
from tests.plans.comparing import by_executor, by_plan, outcome


@strawberry.type
class Pet:
    name: str
    age: int | None

    @strawberry.field
    def greeting(self, to: str = "you") -> str:
        return f"{self.name} greets {to}"


@strawberry.type
class Query:
    @strawberry.field
    async def pets(self, first: int = 2) -> list[Pet]:
        return [Pet(name=f"pet {index}", age=index or None) for index in range(first)]

    @strawberry.field
    def broken(self) -> str | None:
        raise ValueError("broken")


SCHEMA = strawberry.Schema(Query)._schema


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{ pets { name age __typename } }", None),
        ("query Q($n: Int!) { a: pets(first: $n) { ...F } broken } "
         "fragment F on Pet { n: name greeting(to: \"me\") }", {"n": 3}),
        ("query Q($n: Int!) { a: pets(first: $n) { name } }", {}),
        ("query Q($no: Boolean!) { pets { name @skip(if: $no) age @include(if: $no) } }",
         {"no": True}),
        ("{ __schema { queryType { fields { name type { kind ofType { name } } } } } }", None),
    ],
)  # fmt: skip
async def test_plans_answer_as_the_executor(text: str, variables: dict[str, Any] | None) -> None:
    """Data, errors, and whether there is something to wait for."""
    document = parse(text)
    plan = compile_operation(SCHEMA, document, None)
    expected = await outcome(lambda: by_executor(SCHEMA, document, None, None, variables))
    for _ in range(2):
        assert await outcome(lambda: by_plan(plan, None, None, variables)) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("subscription { a }", "subscription"),
        ("mutation { a }", "root"),
        ("{ ... @defer { a } }", "defer"),
        ("{ a @stream }", "stream"),
        ("query A { a } query B { a }", "operation"),
        ("query @experimental_disableErrorPropagation { a }", "error_propagation"),
        ("{ a } type B { c: Int }", "definition"),
    ],
)
def test_what_is_not_covered(text: str, reason: str) -> None:
    """It says why, in a word."""
    schema = build_schema("type Query { a: Int } type Subscription { a: Int }")
    with pytest.raises(Uncovered) as caught:
        compile_operation(schema, parse(text), None)
    assert caught.value.reason == reason


class Executor(StrawberryGraphQLCoreExecutionContext):
    """An executor of somebody's own."""


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"execution_context_class": Executor}, "executor"),
        ({"config": StrawberryConfig(enable_experimental_incremental_execution=True)},
         "incremental"),
    ],
)  # fmt: skip
def test_schemas_that_are_not_covered(options: dict[str, Any], reason: str) -> None:
    """Whoever executes in another way goes on doing so."""
    schema = strawberry.Schema(Query, **options)._schema
    with pytest.raises(Uncovered) as caught:
        compile_operation(schema, parse("{ broken }"), None)
    assert caught.value.reason == reason


def test_fragment_variables() -> None:
    """They are an experiment of graphql-core's."""
    document = parse("{ ...F(b: 1) } fragment F($b: Int) on Query { a }",
                     experimental_fragment_arguments=True)  # fmt: skip
    with pytest.raises(Uncovered) as caught:
        compile_operation(build_schema("type Query { a: Int }"), document, None)
    assert caught.value.reason == "fragment_variables"


def test_operations_by_name() -> None:
    """The one that is named is executed; without a name, there must be but one."""
    document = parse("query A { broken } query B { kind: __typename }")
    answer: Any = compile_operation(SCHEMA, document, "B").execute(None, None, None)
    assert answer.data == {"kind": "Query"}
    with pytest.raises(Uncovered):
        compile_operation(SCHEMA, document, "C")


def test_variables_do_not_outlive_their_execution() -> None:
    """A plan that is kept keeps no client's values, but those of its conditions."""
    schema = build_schema("type Query { a(b: [String]): A } type A { c: String }")
    text = "query Q($b: [String], $on: Boolean!) { a(b: $b) @include(if: $on) { c } }"
    plan = compile_operation(schema, parse(text), None)
    secret = str(["a secret"])
    seen: list[Any] = []
    plan.execute({"a": lambda _info, b: seen.extend(b)}, None, {"b": [secret], "on": True})
    assert seen == [secret]
    seen.clear()
    gc.collect()
    assert [each for each in gc.get_referrers(secret) if isinstance(each, (list, dict))] == []
