"""Starts servers by forking a process that has imported everything: a fifth of the time, so that
a thousand may be killed. Each is a process of its own in every other respect: its own memory,
sockets, environment and output, and kill -9 ends it as any other.

Run as a script it is the parent. It reads one JSON object a line and answers each by one:
{"start": …} by the pid, {"poll": pid} and {"signal": …, "pid": pid} by the exit code, null while
the child runs. Only the parent of a process can signal it without any risk of hitting another.
"""

import json
import os
import pkgutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.live import STEP
from tests.process import environment


class Child:
    """One of them, as a `Popen` is used."""

    def __init__(self, nursery: "Nursery", pid: int) -> None:
        self._nursery = nursery
        self.pid = pid

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self._nursery.ask(poll=self.pid)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended."""
        deadline = time.monotonic() + (timeout or 60)
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("gql-auth", timeout or 60)
            time.sleep(STEP)
        return code

    def terminate(self) -> None:
        """SIGTERM."""
        self._nursery.ask(signal=signal.SIGTERM, pid=self.pid)

    def kill(self) -> None:
        """SIGKILL."""
        self._nursery.ask(signal=signal.SIGKILL, pid=self.pid)


class Nursery:
    """The parent, from outside."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._turn = threading.Lock()

    def ask(self, **wish: Any) -> Any:
        """Let the parent do something."""
        assert self._process.stdin
        assert self._process.stdout
        with self._turn:
            self._process.stdin.write(json.dumps(wish) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def launch(self, arguments: Sequence[str], variables: Mapping[str, str], said: Path) -> Child:
        """Start the command `gql-auth`."""
        files = [str(said.with_suffix(suffix)) for suffix in (".out", ".err")]
        start = {"arguments": list(arguments), "variables": dict(variables), "files": files}
        return Child(self, self.ask(start=start))


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Run a parent; what it started and still runs ends with it."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nursery"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            yield Nursery(process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(60)


def _import_everything() -> None:
    import gql_auth

    for module in pkgutil.walk_packages(gql_auth.__path__, "gql_auth."):
        if ".migrations." not in module.name:
            import_module(module.name)
    for name in ("alembic.command", "psycopg", "aiosqlite", "uvloop", "httptools", "websockets",
                 "uvicorn.loops.uvloop", "uvicorn.lifespan.on",
                 "sqlalchemy.dialects.postgresql.psycopg",
                 "sqlalchemy.dialects.sqlite.aiosqlite"):  # fmt: skip
        import_module(name)


def _start(arguments: Sequence[str], variables: Mapping[str, str], files: Sequence[str]) -> int:
    if pid := os.fork():
        return pid
    code = 70
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        out, err = (os.open(each, append, 0o600) for each in files)
        for number, descriptor in enumerate((null, out, err)):
            os.dup2(descriptor, number)
        os.environ.clear()
        os.environ.update(variables)
        sys.argv = ["gql-auth", *arguments]
        from gql_auth.cli import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _serve() -> None:
    _import_everything()
    codes: dict[int, int | None] = {}

    def look(pid: int) -> int | None:
        if codes[pid] is None:
            ended, status = os.waitpid(pid, os.WNOHANG)
            codes[pid] = os.waitstatus_to_exitcode(status) if ended else None
        return codes[pid]

    for line in sys.stdin:
        match json.loads(line):
            case {"start": start}:
                answer = _start(**start)
                codes[answer] = None
            case {"poll": pid}:
                answer = look(pid)
            case {"signal": number, "pid": pid}:
                if (answer := look(pid)) is None:
                    os.kill(pid, number)
        print(json.dumps(answer), flush=True)  # noqa: T201
    for pid in codes:
        if look(pid) is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    _serve()
