"""The clock that replicas share."""

from datetime import UTC, datetime, timedelta

import pytest

from gql_auth.kernel import clock as clocks
from gql_auth.kernel.clock import SharedClock

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Machine:
    """The machine's monotonic clock, as the kernel module reads it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A monotonic clock that stands still until it is told to go on."""
    made = Machine()
    monkeypatch.setattr(clocks, "time", made)
    return made


def test_it_follows_the_database(machine: Machine) -> None:
    """It tells the database's time, whatever the machine's calendar says, and goes on by the
    monotonic clock alone."""
    clock = SharedClock()
    clock.follow(NOON, asked=1000.0, answered=1000.0)
    assert clock.now() == NOON
    machine.seconds += 61.5
    assert clock.now() == NOON + timedelta(seconds=61.5)


def test_a_slow_answer_changes_nothing_that_is_known_better(machine: Machine) -> None:
    """An answer that took a second is off by up to half of one; what a quick one said stays."""
    clock = SharedClock()
    clock.follow(NOON, asked=1000.0, answered=1000.002)
    machine.seconds = 1002.0
    before = clock.now()
    clock.follow(NOON + timedelta(seconds=1.1), asked=1001.0, answered=1002.0)
    assert clock.now() == before


def test_what_is_known_grows_old(machine: Machine) -> None:
    """Machines drift: an answer as quick as the one of an hour ago is taken instead of it."""
    clock = SharedClock()
    clock.follow(NOON, asked=1000.0, answered=1000.002)
    machine.seconds = 4600.0
    told = NOON + timedelta(seconds=3600.1)
    clock.follow(told, asked=4599.9, answered=4600.1)
    assert abs((clock.now() - told).total_seconds()) < 1e-3


@pytest.mark.parametrize("step", [-30.0, 30.0])
def test_it_follows_a_step(machine: Machine, step: float) -> None:
    """A database that took over with another time is followed at the next look, even a slow one:
    all replicas are to tell the same time."""
    clock = SharedClock()
    clock.follow(NOON, asked=1000.0, answered=1000.002)
    machine.seconds = 1010.0
    told = NOON + timedelta(seconds=10 + step)
    clock.follow(told, asked=1009.5, answered=1010.5)
    assert clock.now() == told
