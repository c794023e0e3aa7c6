"""Random histories of browsers, networks and a thief, on both databases; see tests/machine.py.

`scripts/soak` runs the same machine with thousands of histories.
"""

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

from gql_auth.kernel.settings import Settings
from tests.machine import World, machine_on


def test_rotation_keeps_its_promises(settings: Settings) -> None:
    """No honest browser is signed out, no generation has two successors, a replay after
    confirmation ends its session, and an ended session yields nothing: in any history tried."""
    with World(settings).running() as world:
        run_state_machine_as_test(
            machine_on(world),
            settings=hypothesis.settings(
                max_examples=12,  # scripts/soak tries 450; the model explores what is small, whole
                stateful_step_count=30,
                deadline=None,
                database=None,
                print_blob=True,
                suppress_health_check=list(hypothesis.HealthCheck),
            ),
        )
