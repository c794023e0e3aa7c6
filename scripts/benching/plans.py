"""How much sooner a plan answers than graphql-core's executor, for what hosts ask of their own
fields.

Both execute the same cached document on the same schema, one after the other in each round; only
executing is measured: no parsing, no validation, no transport, no extensions of the schema.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import strawberry
from graphql import ExecutionResult, GraphQLSchema, execute, parse
from strawberry.execution import optimized_is_awaitable
from strawberry.permission import BasePermission
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql_auth.plans import compile_operation
from scripts.benching.asking import WrongAnswer

Measured = tuple[str, list[float], list[float]]
_BATCH: Final = 20  # executions between two looks at the clock


class SignedIn(BasePermission):
    """As cheap as permissions are."""

    message = "not signed in"

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:  # noqa: ARG002
        """Whether somebody is."""
        return info.context is not None


@strawberry.type
class Book:
    """One of a hundred."""

    id: strawberry.ID
    title: str
    pages: int
    rating: float | None

    @strawberry.field
    def label(self, prefix: str = "book") -> str:
        """Made of an argument."""
        return f"{prefix} {self.id}"


BOOKS: Final = [
    Book(id=strawberry.ID(str(each)), title=f"Title {each}", pages=each, rating=each / 7)
    for each in range(100)
]


@strawberry.type
class Query:
    """Protected fields, as a host would write them."""

    @strawberry.field(permission_classes=[SignedIn])
    def one(self, info: strawberry.Info, id: strawberry.ID) -> Book | None:  # noqa: A002, ARG002
        """By a sync resolver."""
        return BOOKS[int(id)]

    @strawberry.field(permission_classes=[SignedIn])
    async def one_later(self, info: strawberry.Info, id: strawberry.ID) -> Book | None:  # noqa: A002, ARG002
        """By an async resolver."""
        return BOOKS[int(id)]

    @strawberry.field(permission_classes=[SignedIn])
    async def books(self, info: strawberry.Info, first: int = 10) -> list[Book]:  # noqa: ARG002
        """A list."""
        return BOOKS[:first]


@dataclass(frozen=True)
class Case:
    """What is asked."""

    name: str
    text: str
    variables: dict[str, Any]


CASES: Final = (
    Case("sync protected field",
         "query Q($id: ID!) { one(id: $id) { id title pages } }", {"id": "7"}),
    Case("async protected field",
         "query Q($id: ID!) { oneLater(id: $id) { id title pages } }", {"id": "7"}),
    Case("list of 100 objects",
         "query Q($first: Int!) { books(first: $first) { id title pages rating } }",
         {"first": 100}),
    Case("list of 100 objects, fragments, aliases, arguments",
         """query Q($first: Int!, $prefix: String!, $rated: Boolean!) {
              some: books(first: $first) { key: id ...Told rating @include(if: $rated) }
            }
            fragment Told on Book { title length: pages ... on Book { label(prefix: $prefix) } }
         """,
         {"first": 100, "prefix": "no.", "rated": True}),
)  # fmt: skip


def measure(rounds: int, seconds: float) -> list[Measured]:
    """Executions a second of each case, round by round: the executor's, and the plan's.

    Args:
        rounds: how often each is measured.
        seconds: how long, each time.

    Raises:
        WrongAnswer: an answer is not what it should be.
    """
    schema: GraphQLSchema = strawberry.Schema(Query)._schema  # noqa: SLF001 - what Strawberry executes
    return [asyncio.run(_measure(schema, case, rounds, seconds)) for case in CASES]


async def _measure(schema: GraphQLSchema, case: Case, rounds: int, seconds: float) -> Measured:
    document = parse(case.text)
    plan = compile_operation(schema, document, None)

    def by_executor() -> Any:
        return execute(
            schema,
            document,
            None,
            "somebody",
            case.variables,
            is_awaitable=optimized_is_awaitable,
            executor_class=StrawberryGraphQLCoreExecutionContext,
            operation_extensions=None,
        )

    def by_plan() -> Any:
        return plan.execute(None, "somebody", case.variables)

    expected, answered = await _answer(by_executor), await _answer(by_plan)
    if expected.errors or repr(expected) != repr(answered):
        raise WrongAnswer(f"{case.name}: {answered} is not {expected}")
    rates: tuple[list[float], list[float]] = ([], [])
    for each in range(rounds):
        # Whoever goes first does so in every other round only.
        order = (0, 1) if each % 2 else (1, 0)
        for which in order:
            rates[which].append(await _rate((by_executor, by_plan)[which], seconds))
    return case.name, *rates


async def _answer(run: Callable[[], Any]) -> ExecutionResult:
    answer: ExecutionResult | Awaitable[ExecutionResult] = run()
    return answer if isinstance(answer, ExecutionResult) else await answer


async def _rate(run: Callable[[], Any], seconds: float) -> float:
    count, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        for _ in range(_BATCH):
            await _answer(run)
        count += _BATCH
    return count / spent
