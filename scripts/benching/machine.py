"""The machine: which core is whose, processes that serve on them, and what they used."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_START: Final = 60.0  # seconds
_GRACE: Final = 15.0  # seconds
_TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100

# The server has a core to itself where there are two.
_cores: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
ALL_CORES: Final = frozenset(_cores)
SERVER_CORE: Final = frozenset(_cores[:1] if len(_cores) > 1 else ())
LOAD_CORE: Final = frozenset(_cores[1:2])
# For two workers, and the load beside them: on a third core, if there is one.
SCALE_SERVER: Final = frozenset(_cores[:2])
SCALE_LOAD: Final = frozenset(_cores[2:3]) or SCALE_SERVER


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Stay on these, with all that is started meanwhile; none given: anywhere."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def busy() -> float:
    """The load average; 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Running:
    """A process that serves, its port, and the seconds from its start to its first answer."""

    process: subprocess.Popen[bytes]
    port: int
    start_seconds: float

    @property
    def memory(self) -> float:
        """Resident MiB of all its processes; NaN where the system does not tell."""
        with suppress(OSError):
            return sum(
                int(Path(f"/proc/{each}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024
                for each in self._family()
            )
        return nan

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all its processes; NaN where the system does not tell."""
        return sum(self.cpu_by_process().values())

    def cpu_by_process(self) -> dict[int, float]:
        """The CPU time of each, its workers among them."""
        return {each: _cpu_seconds(each) for each in self._family()}

    def _family(self) -> list[int]:
        pid = self.process.pid
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return [pid, *map(int, children)]
        return [pid]


def _cpu_seconds(pid: int) -> float:
    with suppress(OSError):
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        return sum(map(int, after_name.split()[11:13])) / _TICKS  # proc_pid_stat(5): utime, stime
    return nan


@contextmanager
def running(
    command: Sequence[str | Path],
    port: int,
    log: Path,
    *,
    cores: frozenset[int] = SERVER_CORE,
    **environment: str,
) -> Iterator[Running]:
    """Run a server on these cores; its end is asked for by its process id."""
    # Compiled modules are kept, as wherever somebody serves: else each start compiles them anew.
    other = ("GQL_AUTH_", "NODE_", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(other)}
    kept |= {"PYTHONPATH": str(ROOT), "NODE_ENV": "production", **environment}
    with log.open("wb") as output, on_cores(cores):
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=kept)
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - began > _START:
                raise RuntimeError(f"no server on port {port}:\n{log.read_text()[-3000:]}")
            time.sleep(0.002)
        yield Running(process, port, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    """Whether there is an answer over HTTP, and not one that it cannot serve."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        said = connection.recv(100)
        return said.startswith(b"HTTP/1.1 ") and not said.startswith(b"HTTP/1.1 5")
    return False
