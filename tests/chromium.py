"""Debian's Chromium for the scripts of tests/node: where it is, and what it needs around it."""

from pathlib import Path
from typing import Any

from tests import debian


def given(folder: Path) -> dict[str, Any]:
    """What tests/node/chromium.mjs launches.

    Args:
        folder: its home, for whatever it keeps.
    """
    return {
        "executable": debian.program("chromium"),
        "environment": debian.environment() | {"HOME": str(folder), "TMPDIR": str(folder)},
    }
