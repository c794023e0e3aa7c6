"""The real PgBouncer in transaction mode, in front of a test's PostgreSQL."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests import debian, postgres
from tests.live import free_port
from tests.process import STOP, until

# Two connections for everybody: whatever a client leaves behind on one, another finds.
CONFIGURATION = """\
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 200
server_reset_query_always = 0
"""


@contextmanager
def pgbouncer(url: str, folder: Path, pool: int = 2) -> Iterator[str]:
    """Run one; yields the URL that leads through it."""
    place = urlsplit(url)
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    home = postgres._folder(user)
    try:
        with (folder / "pgbouncer.log").open("wb") as log:
            own_port = free_port()
            users = home / "users"
            users.write_text(f'"{place.username}" "{place.password}"\n')
            settings = home / "pgbouncer.ini"
            settings.write_text(
                CONFIGURATION.format(
                    host=place.hostname, port=place.port, own_port=own_port, users=users, pool=pool
                )
            )
            if user is not None:
                for file in (users, settings):
                    shutil.chown(file, user)
            program = _readable(debian.program("pgbouncer"), home, user)
            with subprocess.Popen(
                [program, settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_environment(home),
                user=user,
                start_new_session=True,
            ) as process:
                through = place._replace(
                    netloc=f"{place.username}:{place.password}@127.0.0.1:{own_port}"
                ).geturl()

                def answers() -> bool:
                    assert process.poll() is None, Path(log.name).read_text()
                    try:
                        psycopg.connect(through, connect_timeout=5).close()
                    except psycopg.OperationalError:
                        return False
                    return True

                try:
                    until(answers, "PgBouncer answers")
                    yield through
                finally:
                    process.kill()
                    process.wait(STOP)
    finally:
        shutil.rmtree(home)


def _readable(program: str, home: Path, user: int | None) -> Path:
    """The program, or a copy with its libraries where `nobody` may not read it."""
    if postgres._may_run(Path(program), user):
        return Path(program)
    for library in debian.libraries():
        for file in library.glob("*.so*"):
            shutil.copy(file, home / file.name)
    return Path(shutil.copy(program, home / "pgbouncer"))


def _environment(home: Path) -> dict[str, str]:
    found = debian.environment()
    path = [found["LD_LIBRARY_PATH"]] if "LD_LIBRARY_PATH" in found else []
    return found | {"LD_LIBRARY_PATH": os.pathsep.join([str(home), *path])}
