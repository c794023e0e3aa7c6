"""The rotation machine explored further than in the normal run; see tests/rotation_model.py."""

import sys

import pytest

from tests.rotation_explorer import explore
from tests.rotation_model import Bounds
from tests.rotation_rules import Rules


@pytest.mark.parametrize(
    ("bounds", "states"),
    [
        (Bounds(generations=4, tabs=3, falls=1), 800_000),
        (Bounds(generations=3, tabs=3, falls=2), 500_000),
        (Bounds(generations=3, tabs=4, falls=1), 700_000),
    ],
    ids=["generations", "failovers", "tabs"],
)
def test_the_rules_keep_their_promises(
    bounds: Bounds, states: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """With one more rotation, failover or tab than in the normal run, no promise is broken."""
    found = explore(Rules(), bounds)
    with capsys.disabled():
        sys.stdout.write(f"\nThe rotation machine, {bounds}: {found}\n")
    assert found.broken == {}
    assert found.states > states
