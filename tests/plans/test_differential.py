"""Whatever is asked of whatever schema, plans answer as graphql-core's executor does: the same
data in the same order, the same errors, and resolvers are told the same, in the same order.

The soak tests try twenty times as many.
"""

import pytest

from tests.plans import differing

# Where gathered work fails, the executor cancels the rest, and drops what that would have waited
# for; so do plans. Python complains of it whenever it is collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]


def test_any_schema() -> None:
    """Whatever the types, and whatever resolvers do."""
    differing.any_schema(2_500)


def test_strawberry() -> None:
    """With permissions, extensions, input types and handlers of exceptions."""
    differing.strawberrys(2_500)
