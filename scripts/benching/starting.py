"""Part e: the start, memory, and what the verifier alone costs."""

import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from typing import Final
from uuid import uuid4

from gql_auth.features.sessions.memory import EndedSessions
from gql_auth.kernel.clock import SystemClock
from scripts.benching.asking import Script, require
from scripts.benching.contenders import CONNECTIONS, Contender
from scripts.benching.figures import Effort, Ratio, Section, spread
from scripts.benching.filling import fill
from scripts.benching.load import Traffic, drive
from scripts.benching.machine import ROOT, SERVER_CORE, Running, on_cores
from scripts.benching.refreshing import walking
from scripts.benching.scene import Scene
from scripts.benching.servers import Site

_START, _MEMORY, _IMPORT, _GROWTH = 0.5, 80.0, 0.060, 1.05  # seconds, MiB, seconds, times
_PACE: Final = 50  # protected queries a second of the hour, and one refresh
_FRAMEWORKS: Final = ("fastapi", "starlette", "sqlalchemy", "sqlmodel", "strawberry", "graphql")
_IMPORTING: Final = """\
import time
began = time.perf_counter()
import gql_auth
gql_auth.Verifier
took = time.perf_counter() - began
import json, sys
print(json.dumps([took, sorted(set(sys.argv[1:]) & set(sys.modules))]))
"""


def importing() -> tuple[float, list[str]]:
    """Seconds that `import gql_auth` and its verifier take, and the frameworks among what it
    loaded."""
    command = [sys.executable, "-c", _IMPORTING, *_FRAMEWORKS]
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with on_cores(SERVER_CORE):
        done = subprocess.run(
            command, cwd=ROOT, check=True, capture_output=True, text=True, env=kept
        )
    took, found = json.loads(done.stdout)
    return took, found


def checking() -> float:
    """Seconds that `scripts/serve` takes to find that all is there, before it starts the server."""
    command = ". scripts/_env base; . scripts/_explorer; _explorer_ready || true"
    began = time.perf_counter()
    with on_cores(SERVER_CORE):
        subprocess.run(
            ["bash", "-euc", command, str(ROOT / "scripts" / "serve")], cwd=ROOT, check=True
        )
    return time.perf_counter() - began


def starting(scene: Scene) -> Iterator[Section]:
    """Starts (preparing the site was the first), and memory before and after an hour's load."""
    effort, site = scene.effort, scene.site
    seconds, fresh, checks = list[float](), list[float](), list[float]()
    imports, frameworks, early, late = list[float](), list[str](), 0.0, 0.0
    for _ in range(effort.rounds):
        checks.append(checking())
        took, frameworks = importing()
        imports.append(took)
        with site.serving() as server:
            began = time.perf_counter()
            Contender("gql-auth", server, site, site.tokens).ask_once()
            seconds.append(server.start_seconds + time.perf_counter() - began)
            fresh.append(server.memory)
            if len(fresh) == effort.rounds:
                early, late = _an_hour(effort, site, server)
    section = Section("Start and memory", ("", "median (range)"), about=_ABOUT)
    section.rows += [
        ("start until a protected query is answered, s", spread(seconds, ".2f")),
        ("what `scripts/serve` checks before, s", spread(checks, ".2f")),
        ("resident memory after the start, MiB", spread(fresh, ".0f")),
        (f"after a tenth of {effort.hour:,} queries and the refreshes, MiB", f"{early:.0f}"),
        ("after all of them, MiB", f"{late:.0f}"),
        ("`import gql_auth` for its `Verifier`, ms", spread([1000 * t for t in imports], ".0f")),
        ("frameworks that it loads", ", ".join(frameworks) or "none"),
        *_remembering(effort),
    ]
    for key, what, values, most in (
        ("start", f"start to first answer, to {_START:g} s", [s / _START for s in seconds], 1.0),
        (
            "memory",
            f"memory after the start, to {_MEMORY:g} MiB",
            [m / _MEMORY for m in fresh],
            1.0,
        ),
        ("growth", "memory after an hour's load, to a tenth of it", [late / early], _GROWTH),
        (
            "import",
            f"import of the verifier, to {_IMPORT:g} s",
            [t / _IMPORT for t in imports],
            1.0,
        ),
        ("frameworks", "frameworks that the verifier loads", [float(len(frameworks))], 0.0),
    ):
        section.ratios.append(Ratio(f"e.{key}", what, values, most, at_most=True))
    yield section


def _an_hour(effort: Effort, site: Site, server: Running) -> tuple[float, float]:
    """Resident MiB after a tenth of an hour's requests, and after all."""
    queries = Contender("gql-auth", server, site, site.tokens)
    held = fill(site, effort.users, effort.users)
    memory = []
    each = effort.hour // 10 // CONNECTIONS
    for _ in range(10):
        scripts = [_some(script, each) for script in queries.scripts()]
        drive(Traffic(server.port, scripts, seconds=3600))
        refreshes = _some(walking(held), max(effort.hour // 10 // _PACE, 1))
        drive(Traffic(server.port, [refreshes], seconds=3600))
        memory.append(server.memory)
    queries.require_refusal()
    return memory[0], memory[-1]


def _some(script: Script, count: int) -> Script:
    """That many exchanges of a script."""
    answer = None
    for number in range(count + 1):
        asking = script.send(answer)
        if number < count:
            answer = yield asking


def _remembering(effort: Effort) -> list[tuple[str, str]]:
    """The memory that ended sessions take in each process."""
    clock, count = SystemClock(), effort.many
    ended = EndedSessions(clock, timedelta(minutes=17))
    now = clock.now()
    tracemalloc.start()
    for number in range(count):
        ended.add(uuid4(), now - timedelta(seconds=1000 * number / count))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    absent, began = uuid4(), time.perf_counter()
    for _ in range(100_000):
        require(absent not in ended, "a stranger among the ended")
    asked = (time.perf_counter() - began) * 10
    require(len(ended) == count, "some were lost")
    return [
        (f"{count:,} ended sessions in memory, bytes each", f"{used / count:.0f}"),
        (f"asking whether a session is one of {count:,}, µs", f"{asked:.2f}"),
    ]


_ABOUT: Final = f"""\
From the start of the process that `scripts/serve` ends in, on one core, with a warm disk and a
database of earlier runs. An hour's load is what {_PACE} protected queries and one refresh a second
make of it, sent as fast as they are answered.
"""
