"""Where the time goes: samples of the server's Python stacks while it is under load, by py-spy."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from scripts.benching.contenders import CONNECTIONS, Contender
from scripts.benching.figures import Section
from scripts.benching.filling import fill
from scripts.benching.load import Traffic, drive
from scripts.benching.machine import LOAD_CORE, Running, on_cores
from scripts.benching.refreshing import walking
from scripts.benching.scene import Scene

_RATE: Final = 400  # samples a second
_MOST: Final = 14  # lines of a table
_SPY: Final = Path(sys.executable).with_name("py-spy")


@contextmanager
def spied(server: Running, stacks: Path) -> Iterator[None]:
    """Write the stacks of the server's threads that were on a core meanwhile."""
    command = [
        _SPY, "record", "--pid", str(server.process.pid), "--rate", str(_RATE), "--format", "raw",
        "--function", "--full-filenames", "--nonblocking", "--duration", "unlimited",
        "--output", stacks,
    ]  # fmt: skip
    with (
        on_cores(LOAD_CORE),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as spy,
    ):
        time.sleep(1)
        try:
            yield
        finally:
            spy.send_signal(signal.SIGINT)
            said, _ = spy.communicate(timeout=30)
    if not stacks.exists():
        raise RuntimeError(f"py-spy: {said.decode(errors='replace')[-500:]}")


def shares(raw: str) -> dict[str, float]:
    """Percent of the samples by the module that was at work, or that had called what was: C code
    counts to its caller."""
    counts: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        counts[_module(stack.rpartition(";")[2])] += int(count)
    total = sum(counts.values())
    return {name: 100 * count / total for name, count in counts.most_common()}


def _module(frame: str) -> str:
    """The module of a frame, `function (path)`."""
    path = frame.rpartition("(")[2].rstrip(")")
    for root in ("site-packages/", "gql_auth/"):
        _, found, after = path.rpartition(root)
        if found:
            path = after if root == "site-packages/" else f"gql_auth/{after}"
            break
    else:
        path = Path(path).name if "/python3" not in path else path.rpartition("/python3")[2]
        path = path.partition("/")[2] or path
    if path.startswith(("asyncio/runners", "uvloop")) or "runners.py" in path:
        return "uvloop: sockets, the system"
    parts = path.partition(":")[0].removesuffix(".py").split("/")
    return ".".join(parts if parts[0] == "gql_auth" else parts[:2]) or "others"


def profiled(scene: Scene) -> Iterator[Section]:
    """The protected query and the refresh, each on its own."""
    effort, site, server = scene.effort, scene.site, scene.server
    held = fill(site, effort.users, effort.users)
    queries = Contender("gql-auth", server, site, site.tokens)
    shares_held = [held[number::CONNECTIONS] for number in range(min(CONNECTIONS, len(held)))]

    def refresh() -> object:
        scripts = [walking(share) for share in shares_held]
        return drive(Traffic(server.port, scripts, effort.seconds))

    loads: dict[str, Callable[[], object]] = {
        "protected query": lambda: queries.load(effort.seconds),
        "refresh, SQLite": refresh,
    }
    for name, load in loads.items():
        load()  # warms up
        stacks = scene.folder / f"{name[:7]}.txt"
        with spied(server, stacks):
            load()
        found = list(shares(stacks.read_text()).items())
        columns = ("part", "of the time on a core, %")
        section = Section(f"Where the time goes: {name}", columns, about=_ABOUT)
        section.rows += [(part, f"{share:.1f}") for part, share in found[:_MOST]]
        rest = sum(share for _, share in found[_MOST:])
        section.rows.append(("the rest", f"{rest:.1f}"))
        yield section


_ABOUT: Final = f"""\
{_RATE} samples a second of the server's threads that were on a core, by the module that was at work
or had called the C code that was.
"""
