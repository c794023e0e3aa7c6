"""The figures of several worker processes on one page.

Each worker counts in files of its own in one folder (prometheus_client's multiprocess mode); the
process that watches over them reads all. Nothing here loads prometheus_client before it must:
the library looks at its environment variable when it is loaded.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
# Bytes of each of a worker's files that are on the disk before anything is written: a page of a
# file that finds no room when it is first written to ends the process (SIGBUS). Labels are
# bounded, so files never get much larger.
_RESERVED: Final = {"counter": 1 << 20, "histogram": 1 << 16, "gauge_livesum": 1 << 16,
                    "gauge_livemax": 1 << 16}  # fmt: skip
_GONE: Final = "gone"


def join(folder: str) -> None:
    """Let this process count in a folder.

    Raises:
        OSError: there is no room for its files.
    """
    made: list[Path] = []
    try:
        for kind, size in _RESERVED.items():
            # Under another name until it has its size: nobody reads half a file.
            made.append(Path(folder, f"{kind}_{os.getpid()}.new"))
            with made[-1].open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
    except OSError:
        for each in made:
            each.unlink(missing_ok=True)
        raise
    for each in made:
        each.replace(each.with_suffix(".db"))
    os.environ[VARIABLE] = folder  # noqa: TID251 - the library's own way to be told


def keep_apart() -> None:
    """Let this process count in its own memory, whatever its environment says, and show what
    several would: not also when each series was made."""
    os.environ.pop(VARIABLE, None)  # noqa: TID251 - the library's own way to be told
    os.environ["PROMETHEUS_DISABLE_CREATED_SERIES"] = "true"  # noqa: TID251


class Folder:
    """The folder, as the process sees it that watches over the workers."""

    def __init__(self, path: str) -> None:
        self.path = path

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page of all workers, those that have ended included."""
        from gql_auth.observing.prometheus import render_shared  # noqa: PLC0415 - see above

        self.bury()
        return render_shared(accept, self.path)

    def bury(self) -> None:
        """Take the levels of dead workers away, and put their counts together in one file:
        what was counted stays counted, and restarts leave nothing behind that grows."""
        for pid in {each.stem.rpartition("_")[2] for each in Path(self.path).glob("*.db")}:
            if pid != _GONE and not _is_alive(int(pid)):
                self._bury(pid)

    def _bury(self, pid: str) -> None:
        from prometheus_client import mmap_dict  # noqa: PLC0415 - see above

        values: Any = mmap_dict.MmapedDict  # not typed
        for file in Path(self.path).glob(f"gauge_*_{pid}.db"):
            file.unlink()
        for file in Path(self.path).glob(f"*_{pid}.db"):
            kind = file.stem.rpartition("_")[0]
            counted = list(values.read_all_values_from_file(str(file)))
            total = values(str(Path(self.path, f"{kind}_{_GONE}.db")))
            for key, value, *_ in counted:
                total.write_value(key, total.read_value(key)[0] + value, 0.0)
            total.close()
            file.unlink()


def _is_alive(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return True
    return False
