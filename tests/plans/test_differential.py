"""Whatever is asked of whatever schema, plans answer as graphql-core's executor does."""

import asyncio
import gc
import os
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from random import Random
from typing import Any

import pytest
from graphql import parse, validate
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from gql_auth.plans import compile_operation
from tests.plans import documents, schemas, strawberry_schema
from tests.plans.comparing import by_executor, by_plan, outcome
from tests.plans.worlds import World

SOAK = "GQL_AUTH_SOAK" in os.environ
EXAMPLES = 100
WIDELY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
# Where gathered work fails, the executor cancels the rest, and drops what that would have waited
# for; so do plans. Python complains of it whenever it is collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]

seeds = st.integers(0, 2**64 - 1)
rates = st.sampled_from([0.0, 0.05, 0.2, 0.5])


@pytest.fixture
def collected() -> Iterator[None]:
    """Nothing is left for other tests to collect."""
    yield
    gc.collect()


async def compare(schema: Any, text: str, worlds: list[tuple[World, dict[str, Any]]]) -> int:
    """Let both answer an operation in each world; how many comparisons that were."""
    document = parse(text)
    plan = compile_operation(schema, document, None)
    for world, variables in worlds:
        mine, theirs = world.again(), world.again()
        expected = await outcome(
            partial(by_executor, schema, document, "root", theirs, deepcopy(variables))
        )
        answered = await outcome(partial(by_plan, plan, "root", mine, deepcopy(variables)))
        assert answered == expected
        assert mine.log == theirs.log
        mine.close()
        theirs.close()
    return len(worlds)


@WIDELY
@given(seed=seeds, types=st.integers(1, 4), breadth=st.integers(1, 4), depth=st.integers(0, 4),
       trouble=rates, asynchrony=rates, nulls=rates)  # fmt: skip
def test_any_schema(
    seed: int, types: int, breadth: int, depth: int, trouble: float, asynchrony: float, nulls: float
) -> None:
    """Of graphql-core's types, with resolvers that do what they like."""
    chance = Random(seed)
    schema = schemas.build(chance, types=types, breadth=breadth)
    for _ in range(4):
        asked = documents.write(schema, chance, breadth=breadth, depth=depth)
        note(asked.text)
        assert validate(schema, parse(asked.text)) == []
        worlds = [
            (World(chance.getrandbits(64), schemas.make, trouble, asynchrony, nulls),
             documents.variables_for(asked, chance))
            for _ in range(5)
        ]  # fmt: skip
        asyncio.run(compare(schema, asked.text, worlds))


@WIDELY
@given(seed=seeds, breadth=st.integers(1, 5), depth=st.integers(1, 4), trouble=rates,
       asynchrony=rates, nulls=rates)  # fmt: skip
def test_strawberry(
    seed: int, breadth: int, depth: int, trouble: float, asynchrony: float, nulls: float
) -> None:
    """Of Strawberry's types, permissions, extensions and handlers of exceptions."""
    chance, schema = Random(seed), strawberry_schema.CORE
    for _ in range(4):
        asked = documents.write(schema, chance, breadth=breadth, depth=depth)
        note(asked.text)
        assert validate(schema, parse(asked.text)) == []
        worlds = [
            (World(chance.getrandbits(64), strawberry_schema.make, trouble, asynchrony, nulls),
             documents.variables_for(asked, chance))
            for _ in range(5)
        ]  # fmt: skip
        asyncio.run(compare(schema, asked.text, worlds))
