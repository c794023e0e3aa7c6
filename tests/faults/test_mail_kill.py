"""kill -9 while mail is on its way; scripts/soak does it a thousand times."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.mail_killing import survive
from tests.faults.nursery import Nursery

KILLS = 4  # on each database


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_no_mail_is_lost(
    kind: str,
    tmp_path: Path,
    quick: Nursery,
    request: pytest.FixtureRequest,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """However often replicas are killed while people ask for mail: every mail that was promised
    comes, and one that comes twice has one Message-ID."""
    url = "" if kind == "sqlite" else request.getfixturevalue("database_url")
    outcome = await survive(KILLS, quick, url, tmp_path)
    assert outcome.lost_answers, "no kill hit a request: this proved nothing"
    record_testsuite_property(f"mail and kill -9 on {kind}", str(outcome))
