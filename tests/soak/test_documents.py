"""A million different documents."""

import sys

import pytest

from tests.flooding import flood


def test_a_million_documents_leave_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Memory is flat, the cache within its bounds, and what is in use stays in it."""
    seen = flood(1_000_000)
    with capsys.disabled():
        sys.stdout.write(f"\nA million documents: {seen}\n")
    assert seen.after - seen.before < 20_000_000
    assert seen.kept[0] <= 1_000
    assert seen.kept[1] <= 32_000_000
    assert seen.hot[1] >= 0.99 * seen.hot[0]
