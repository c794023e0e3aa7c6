"""What starts quickly loads little: which modules each use of the package brings in."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import process

# What a server needs only for some requests, some settings or other commands.
_LATER = {
    "aiosmtplib", "alembic", "babel", "email_validator", "fastapi", "filelock", "jinja2",
    "opentelemetry", "prometheus_client", "psycopg", "rich", "structlog", "typer", "zxcvbn",
}  # fmt: skip
_FRAMEWORKS = {"fastapi", "graphql", "pydantic", "sqlalchemy", "sqlmodel", "starlette",
               "strawberry", "uvicorn"}  # fmt: skip


def _loaded_by(code: str) -> set[str]:
    """The modules that a fresh process has after running code."""
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())


def test_the_package_alone_loads_nothing() -> None:
    """Its names are fetched when they are used."""
    added = _loaded_by("import gql_auth") - _loaded_by("import typing")
    assert added == {"gql_auth", "gql_auth._version"}


def test_a_verifier_loads_neither_frameworks_nor_an_event_loop() -> None:
    """A service that only verifies tokens starts without a framework, a database or an event
    loop; what fetches keys and what reads them comes with the first ones."""
    loaded = _loaded_by("from gql_auth import Verifier")
    assert "gql_auth.verifier" in loaded
    assert not loaded & (_FRAMEWORKS | _LATER | {"asyncio", "cryptography", "jwt", "ssl"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder in which a server has run: the second start is the usual one."""
    with process.serving(data_dir=tmp_path):
        pass
    return tmp_path


def test_a_server_loads_what_it_serves_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its start to an answer of the database and one of GraphQL."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with process.serving(data_dir=folder) as server:
        sent = b'{"query": "{ me { id } }"}'
        head = (
            "POST /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n"
        )
        assert b"Access token required" in server.talk(head.encode() + sent)
        said = server.err
    loaded = set(re.findall(r"^import time:.*\| +(\S+)$", said, re.MULTILINE))
    assert {"gql_auth.app", "strawberry", "sqlalchemy"} <= loaded, "they are written down"
    assert not loaded & (_LATER | {"gql_auth.commands.tree"})
