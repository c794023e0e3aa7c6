"""The rotation machine with many and long histories; see tests/machine.py."""

import hypothesis
import pytest
from hypothesis.stateful import run_state_machine_as_test

from gql_auth.kernel.settings import Settings
from tests.machine import World, machine_on


@pytest.mark.parametrize(("examples", "steps"), [(450, 30), (90, 120)], ids=["many", "long"])
def test_rotation_keeps_its_promises(settings: Settings, examples: int, steps: int) -> None:
    """Hundreds of histories, and long ones of a hundred steps and more, break no promise."""
    with World(settings).running() as world:
        run_state_machine_as_test(
            machine_on(world),
            settings=hypothesis.settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                print_blob=True,
                suppress_health_check=list(hypothesis.HealthCheck),
            ),
        )
