"""The programs that the tests take from Debian's packages: PgBouncer, nginx, libfaketime, Chromium.

`scripts/_debian` unpacks into .venv/debian what the system lacks; what is there counts first.
"""

import os
import shutil
from pathlib import Path

UNPACKED = Path(__file__).parent.parent / ".venv" / "debian"
PACKAGES = {
    "pgbouncer": "pgbouncer",
    "nginx": "nginx-light",
    "libfaketime.so.1": "faketime",
    "chromium": "chromium",
}


class MissingError(Exception):
    """A program is neither on the machine nor in .venv/debian."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is missing: scripts/test fetches it; run scripts/_debian with bash, or on "
            f"Debian `apt-get install {PACKAGES[name]}`"
        )


def program(name: str) -> str:
    """The path of `pgbouncer`, `nginx` or `chromium`."""
    places = [UNPACKED / "usr/sbin", UNPACKED / "usr/bin"]
    places += [Path(each) for each in ("/usr/local/sbin", "/usr/sbin", "/sbin")]
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    if found is None:
        raise MissingError(name)
    return found


def libraries() -> list[Path]:
    """Folders of what was unpacked with them."""
    places = ("usr/lib/*-linux-*", "usr/lib/*-linux-*/pulseaudio", "lib/*-linux-*")
    return [found for place in places for found in UNPACKED.glob(place)]


def environment() -> dict[str, str]:
    """What these programs are run with, so that their libraries are found."""
    path = os.pathsep.join(map(str, libraries()))
    return {"PATH": os.defpath, "LC_ALL": "C"} | ({"LD_LIBRARY_PATH": path} if path else {})


def clock_moved_by(seconds: int) -> dict[str, str]:
    """Environment under which a process reads a wall clock that is off by so much. Its monotonic
    clock is the machine's: timeouts and pauses take as long as ever."""
    return {
        # By name and folder: LD_PRELOAD takes a space within a path for the end of it.
        "LD_PRELOAD": _libfaketime().name,
        "LD_LIBRARY_PATH": str(_libfaketime().parent),
        "FAKETIME": f"{seconds:+}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def forget_clock(pid: int) -> None:
    """Remove what libfaketime kept for a process that a signal ended."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        Path("/dev/shm", name).unlink(missing_ok=True)


def _libfaketime() -> Path:
    name = "libfaketime.so.1"
    for root in (UNPACKED / "usr", Path("/usr"), Path("/usr/local")):
        for folder in ("lib", "lib64", "lib/*"):
            for found in root.glob(f"{folder}/faketime/{name}"):
                return found
    raise MissingError(name)
