"""Plan and executor side by side: many schemas, documents, variables and worlds."""

import asyncio
from copy import deepcopy
from functools import partial
from random import Random
from typing import Any

from graphql import parse, validate
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from gql_auth.plans import compile_operation
from tests.plans import documents, schemas, strawberry_schema
from tests.plans.comparing import by_executor, by_plan, outcome
from tests.plans.worlds import World

DOCUMENTS, WORLDS = 4, 5  # for each example of Hypothesis: so many cases come of one
EACH = DOCUMENTS * WORLDS

_seeds = st.integers(0, 2**64 - 1)
_rate = st.sampled_from([0.0, 0.05, 0.2, 0.5])
_rates = st.tuples(_rate, _rate, _rate)  # of trouble, asynchrony, nulls


async def compare(schema: Any, text: str, worlds: list[tuple[World, dict[str, Any]]]) -> None:
    """Let both answer an operation in each world, by one plan."""
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


def _ask(
    schema: Any, make: Any, chance: Random, sizes: dict[str, int], rates: tuple[float, ...]
) -> None:
    """Ask several things of a schema."""
    for _ in range(DOCUMENTS):
        asked = documents.write(schema, chance, **sizes)
        note(asked.text)
        assert validate(schema, parse(asked.text)) == []
        worlds = [
            (World(chance.getrandbits(64), make, *rates), documents.variables_for(asked, chance))
            for _ in range(WORLDS)
        ]
        asyncio.run(compare(schema, asked.text, worlds))


def any_schema(cases: int) -> None:
    """Of graphql-core's types, with resolvers that do what they like."""

    @_settings(cases)
    @given(_seeds, st.integers(1, 4), st.integers(1, 6), st.integers(0, 4), _rates)
    def ask(seed: int, types: int, breadth: int, depth: int, rates: tuple[float, ...]) -> None:
        chance = Random(seed)
        schema = schemas.build(chance, types=types, breadth=breadth)
        sizes = {"breadth": breadth, "depth": depth}
        _ask(schema, schemas.make, chance, sizes, rates)

    ask()


def strawberrys(cases: int) -> None:
    """Of Strawberry's types, permissions, extensions and handlers of exceptions."""

    @_settings(cases)
    @given(_seeds, st.integers(1, 6), st.integers(1, 4), _rates)
    def ask(seed: int, breadth: int, depth: int, rates: tuple[float, ...]) -> None:
        sizes = {"breadth": breadth, "depth": depth}
        made = strawberry_schema
        _ask(made.CORE, made.make, Random(seed), sizes, rates)

    ask()


def _settings(cases: int) -> settings:
    return settings(
        max_examples=cases // EACH,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
