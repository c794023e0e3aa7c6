"""A hundred thousand operations, by plan and executor; see tests/plans/differing.py."""

import gc

import pytest

from tests.plans import differing

pytestmark = [  # see tests/plans/test_differential.py
    pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_any_schema() -> None:
    """Whatever the types, and whatever resolvers do."""
    differing.any_schema(50_000)
    gc.collect()


def test_strawberry() -> None:
    """With permissions, extensions, input types and handlers of exceptions."""
    differing.strawberrys(50_000)
    gc.collect()
