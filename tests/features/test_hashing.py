"""The threads that hash: how many there are, and that they give way."""

import os
import sys
import threading
from pathlib import Path

import pytest

from gql_auth.features.passwords.hashing import HashingThreads, fitting_threads

CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 2


@pytest.mark.parametrize(
    ("files", "workers", "threads"),
    [
        pytest.param({}, 1, CORES, id="no control groups"),
        pytest.param({"cpu.max": "max 100000\n"}, 3, CORES, id="no bound"),
        pytest.param({"cpu.max": f"{CORES * 100_000} 100000\n"}, 3, CORES, id="all cores"),
        pytest.param({"cpu.max": "99999 100000\n"}, 1, 1, id="less than one core"),
        pytest.param({"cpu.max": "nonsense\n"}, 1, CORES, id="nonsense"),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2, CORES,
            id="no bound, version 1",
        ),
        pytest.param(
            {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2, 1,
            id="half a core, version 1",
        ),
    ],
)  # fmt: skip
def test_threads_fit_the_machine(
    tmp_path: Path, files: dict[str, str], workers: int, threads: int
) -> None:
    """One a core, unless a container has less time than its cores."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert fitting_threads(workers, tmp_path) == threads


@pytest.mark.parametrize(("workers", "threads"), [(1, 6), (2, 3), (4, 1), (9, 1)])
def test_workers_share_a_containers_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, threads: int
) -> None:
    """Together they never want more than it has, but for one thread each."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(64)), raising=False)
    monkeypatch.setattr("gql_auth.features.passwords.hashing._ON_LINUX", True)
    (tmp_path / "cpu.max").write_text("650000 100000\n")
    assert fitting_threads(workers, tmp_path) == threads


async def test_hashing_gives_way() -> None:
    """What hashes has the least priority, and what asked for it keeps its own."""

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    threads, before = HashingThreads(4, 1), priority()
    try:
        with threads.place():
            told = await threads.run(priority)
    finally:
        threads.close()
    assert told == (19 if sys.platform == "linux" else before)
    assert priority() == before
