"""kill -9, again and again; scripts/soak does it a thousand times."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.killing import survive
from tests.faults.nursery import Nursery

KILLS = 15  # on each database


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_nobody_is_lost(
    kind: str,
    tmp_path: Path,
    quick: Nursery,
    request: pytest.FixtureRequest,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """However often replicas are killed while people sign up and refresh: nobody is signed out,
    no account is half made, and nothing fails that another try does not heal."""
    url = "" if kind == "sqlite" else request.getfixturevalue("database_url")
    outcome = await survive(KILLS, quick, url, tmp_path)
    assert outcome.lost, "no kill hit a request: this proved nothing"
    record_testsuite_property(f"kill -9 on {kind}", str(outcome))
