"""A thousand times kill -9 while mail is on its way; see tests/faults/mail_killing.py."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import cluster
from tests.faults.mail_killing import survive
from tests.faults.nursery import Nursery, nursery

KILLS = 500  # on each database


@pytest.fixture
def quick() -> Iterator[Nursery]:
    with nursery() as parent:
        yield parent


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_no_mail_is_lost_in_a_thousand(
    kind: str,
    tmp_path: Path,
    quick: Nursery,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """A thousand kills lose no mail."""
    if kind == "sqlite":
        outcome = await survive(KILLS, quick, "", tmp_path)
    else:
        with cluster() as server:
            outcome = await survive(KILLS, quick, server.database("soak"), tmp_path)
    assert outcome.doubled, "no kill hit a mail on its way: this proved nothing"
    record_testsuite_property(f"mail and kill -9 on {kind}", str(outcome))
