"""Hashing without stalling others: threads that take only the time that nobody else wants, behind
a queue that is bounded."""

import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from gql_auth.kernel import telemetry
from gql_auth.kernel.errors import Unavailable

T = TypeVar("T")

_ON_LINUX: Final = sys.platform == "linux"
_LEAST_PRIORITY: Final = 19
_GROUPS: Final = Path("/sys/fs/cgroup")


class Crowded(Unavailable):
    """Too much hashing is waiting; nothing was checked."""

    message = "Too many sign-ins at the moment, try again shortly"

    def __init__(self) -> None:
        super().__init__(retry_after=2)


class HashingThreads:
    """A bounded, niced pool: bcrypt releases the GIL, and the event loop keeps its turn.

    Args:
        queue: how many may wait for a thread; more are refused in no time.
        threads: see `fitting_threads`; one a core unless said otherwise.
    """

    def __init__(self, queue: int, threads: int | None = None) -> None:
        self._threads = threads or _cores()
        self._room = self._threads + queue
        self._share = max(self._room // 4, self._threads)
        self._inside = 0
        self._held: Counter[str] = Counter()
        self._pool = ThreadPoolExecutor(
            self._threads, thread_name_prefix="hashing", initializer=_be_nice
        )

    @property
    def running(self) -> int:
        """How many are being worked out."""
        return min(self._inside, self._threads)

    @property
    def waiting(self) -> int:
        """How many wait for a thread."""
        return self._inside - self.running

    def require_place(self, who: str = "") -> None:
        """Come back if there is a place at this moment.

        Raises:
            Crowded: there is none.
        """
        if self._inside >= self._room or self._held.get(who, 0) >= self._share:
            raise Crowded

    @contextmanager
    def place(self, who: str = "") -> Iterator[None]:
        """A place in the queue, held while the block runs.

        Args:
            who: for whom. Nobody gets more than a quarter of the places, so that one who floods
                leaves room for others.

        Raises:
            Crowded: there is no place left.
        """
        self.require_place(who)
        self._inside += 1
        self._held[who] += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._held[who] -= 1
            if not self._held[who]:
                del self._held[who]

    async def run(self, act: Callable[[], T]) -> T:
        """The result of `act`, worked out in a thread; called within a `place`."""
        with telemetry.span("password hashing"):
            return await asyncio.get_running_loop().run_in_executor(self._pool, act)

    def close(self) -> None:
        """Let running work end and take no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _be_nice() -> None:
    """Only Linux has priorities by thread; elsewhere the pool's bound must do."""
    if _ON_LINUX:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LEAST_PRIORITY)


def fitting_threads(workers: int, groups: Path = _GROUPS) -> int:
    """How many threads one of several workers of this machine may hash with.

    One a core: however many there are in all, those with the least priority take only what others
    leave. A container's share of processor time is another matter: who uses it up stands still,
    whatever the priority, until the next period begins. So the workers' threads share it.

    Args:
        groups: where the kernel tells of control groups.
    """
    cores, share = _cores(), _share(groups)
    return cores if share is None or share >= cores else max(int(share) // workers, 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if _ON_LINUX else os.cpu_count() or 2


def _share(groups: Path) -> float | None:
    """How many processors' time this container may use; None where there is no bound."""
    try:
        try:
            quota, period = (groups / "cpu.max").read_text().split()
        except FileNotFoundError:  # the first version of control groups
            quota = (groups / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (groups / "cpu/cpu.cfs_period_us").read_text().strip()
        return None if quota in {"max", "-1"} else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
