"""What tests of plans share."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def collected() -> Iterator[None]:
    """What is dropped in a test is collected in it, and complained of there."""
    yield
    gc.collect()
