"""Where /metrics is served: the port of its own, by one process or for several workers, and
inside a host's application."""

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import strawberry
from fastapi import FastAPI

from gql_auth import GraphQLAuth
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from tests.live import free_port
from tests.live import serving as serving_here
from tests.process import STOP, environment, run, serving, until
from tests.support import GraphQLClient
from tests.watching import read, watched

ROOT = Path(__file__).parents[1]

# -- the port --------------------------------------------------------------------------------


def test_the_port_serves_metrics_and_nothing_else(tmp_path: Path) -> None:
    """/metrics is on its own port, at its own address and at no other path, in both forms that
    scrapers ask for; on the public port there is nothing."""
    with watched(tmp_path) as it:
        plain = it.page()
        assert plain.headers["content-type"].startswith("text/plain; version=")
        assert plain.headers["cache-control"] == "no-store"
        assert plain.headers["x-content-type-options"] == "nosniff"
        newer = it.page(Accept="application/openmetrics-text; version=1.0.0")
        assert newer.headers["content-type"].startswith("application/openmetrics-text")
        assert newer.text.endswith("# EOF\n")
        address = f"http://127.0.0.1:{it.port}"
        assert httpx.head(f"{address}/metrics").text == ""
        assert httpx.post(f"{address}/metrics").status_code == 405
        for path in ("/", "/graphql", "/metrics/", "/healthz", "/readyz", "//metrics",
                     "/favicon.ico", "/.well-known/jwks.json"):  # fmt: skip
            assert httpx.get(address + path).status_code == 404, path
        assert httpx.get(f"{it.server.url}/metrics").status_code == 404
        assert httpx.get(f"{it.server.url}/metrics").text == httpx.get(f"{it.server.url}/x").text
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", it.port), timeout=5)
        assert f"Metrics   {address}/metrics\n" in it.server.out
        assert it.server.err == "", "nothing to warn of"


def test_without_a_port_there_is_nothing(tmp_path: Path) -> None:
    """By default nothing is served, said or loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPROFILEIMPORTTIME", "1")
        with serving(data_dir=tmp_path) as server:
            assert httpx.get(f"{server.url}/metrics").status_code == 404
            assert "Metrics" not in server.out
            loaded = server.err
    assert "gql_auth.observing" in loaded
    assert "strawberry" in loaded, "the list is one of imports"
    assert "prometheus_client" not in loaded
    assert "opentelemetry.sdk" not in loaded, "FastAPI loads the API where that is installed"
    assert "opentelemetry.exporter" not in loaded


def test_a_taken_port_is_an_error(tmp_path: Path) -> None:
    """A metrics port that another process has ends the start with a message, before anything is
    made; so does the public port's own number."""
    data = tmp_path / "data"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        done = run("serve", "--port", "0", data_dir=data, metrics_port=taken)
    assert done.returncode == 3
    assert f"Cannot listen on 127.0.0.1:{taken}: Address already in use" in done.stderr
    assert "Choose another GQL_AUTH_METRICS_PORT" in done.stderr
    assert "Traceback" not in done.stderr
    assert not data.exists()
    port = free_port()
    done = run("serve", "--port", str(port), data_dir=data, metrics_port=port)
    assert done.returncode == 3
    assert "GQL_AUTH_METRICS_PORT" in done.stderr


def test_an_open_address_is_warned_of(tmp_path: Path) -> None:
    """Whoever serves /metrics beyond this machine is told that nothing protects it there."""
    with watched(tmp_path, metrics_host="0.0.0.0") as it:
        assert it.page().status_code == 200
        assert "GQL_AUTH_METRICS_HOST=0.0.0.0" in it.server.err
        assert "no protection of its own" in it.server.err


@pytest.mark.parametrize("workers", [1, 2])
def test_scrapers_hold_nothing_up(workers: int, tmp_path: Path) -> None:
    """Scrapers that dawdle, break off or send nonsense keep neither others from the page nor the
    server from ending."""
    with watched(tmp_path, "--workers", str(workers)) as it:
        lines = [socket.create_connection(("127.0.0.1", it.port)) for _ in range(10)]
        for line in lines[:5]:
            line.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        for line in lines[5:8]:
            line.sendall(b"\x00\xff nonsense\r\n\r\n")
        for _ in range(20):
            line = socket.create_connection(("127.0.0.1", it.port))
            line.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            line.close()
        assert it.page().status_code == 200
        assert httpx.get(f"{it.server.url}/readyz").status_code == 200
        it.server.process.terminate()
        it.server.process.wait(15)
        for line in lines:
            line.close()


def test_what_the_environment_says_of_the_library_is_no_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder for prometheus_client that is not there, left over in the environment, keeps the
    server neither from starting nor from counting anew."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "nowhere"))
    with watched(tmp_path) as it:
        assert it.figures()["gql_auth_pool_size"] == 10


# -- several workers -------------------------------------------------------------------------


async def test_workers_are_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page sums up what every worker counted; a worker that was killed loses none of its
    counts and leaves none of its levels, and the folder in between goes with the server."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with watched(tmp_path / "data", "--workers", "2") as it:
        (folder,) = temporary.glob("gql-auth-metrics-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        sent = 0
        ok = 'gql_auth_requests_total{kind="query",operation="anonymous",outcome="ok"}'

        def pids() -> set[int]:
            lines = [line for line in it.server.log if line["event"] == "request"]
            return {line["pid"] for line in lines}

        async with it.client() as client:

            async def ask_until(count: int) -> None:
                nonlocal sent
                while len(pids()) < count:
                    await client.post("{ __typename }")
                    sent += 1
                    assert sent < 2000

            await ask_until(2)
            assert it.figures()[ok] == sent
            killed = min(pids())
            files = {each.name for each in folder.glob(f"*_{killed}.db")}
            assert len(files) == 4
            os.kill(killed, signal.SIGKILL)
            until(lambda: not list(folder.glob(f"*_{killed}.db")) or not it.figures(), "gone")
            assert it.figures()[ok] == sent
            await ask_until(3)
            assert it.figures()[ok] == sent
            until(lambda: it.figures()["gql_auth_pool_size"] == 20, "two workers' pools")
            alive = {each.stem.rpartition("_")[2] for each in folder.iterdir()}
            assert len(alive) == 3, "two workers, and those that are gone in one"
        assert it.server.stop() == 0
    assert not list(temporary.iterdir())


async def test_a_killed_parent_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed, the process that watches over the workers cannot clean up: they do it for it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with watched(tmp_path / "data", "--workers", "2") as it:
        assert list(temporary.glob("gql-auth-metrics-*"))
        it.server.kill()
        until(lambda: not list(temporary.iterdir()), "the folder is gone")


def test_a_full_disk_keeps_no_worker_from_serving(tmp_path: Path) -> None:
    """Workers that find no room for their counts warn and serve; the page goes without them."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, before[1]))  # bytes of any one file
    try:
        with watched(tmp_path, "--workers", "2") as it:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert httpx.post(f"{it.server.url}/graphql", json={"query": "{ __typename }"}).json()
            assert it.figures() == {}
            warned = [line for line in it.server.log if line["logger"] == "gql_auth.metrics"]
            assert {line["event"] for line in warned} == {"this worker is not in /metrics"}
            assert {line["cause"] for line in warned} == {"File too large"}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# -- inside a host's application -------------------------------------------------------------


class Ear(Telemetry):
    """A host's own telemetry."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def logged_in(self, outcome: str) -> None:
        self.heard.append(outcome)

    def requested(self, **told: Any) -> None:
        self.heard.append(f"{told['kind']} {told['operation']} {told['outcome']}")


async def test_a_host_mounts_the_page_where_it_wants(sqlite_settings: Settings) -> None:
    """A host shows the figures at a path of its own, beside telemetry of its own."""
    ear = Ear()
    auth = GraphQLAuth(sqlite_settings, telemetry=ear)
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router())
    app.mount("/internal/metrics", auth.metrics())
    with serving_here(app) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            client = GraphQLClient(http)
            await client.signup()
            await client.login()
            await client.post("query Mine { me { id } }")
            answer = await http.get("/internal/metrics", follow_redirects=True)
    figures = read(answer.text)
    assert figures['gql_auth_logins_total{outcome="succeeded"}'] == 1
    assert figures['gql_auth_requests_total{kind="query",operation="Mine",outcome="ok"}'] == 1
    assert figures["gql_auth_pool_size"] == 10
    assert ear.heard == ["mutation None ok", "succeeded", "mutation None ok", "query Mine ok"]


async def test_metrics_are_asked_for_before_the_start(sqlite_settings: Settings) -> None:
    """Asked for too late, the figures would lack what the running system does: that is an error.
    Asked for twice, they are one page."""
    auth = GraphQLAuth(sqlite_settings)
    async with auth.running():
        with pytest.raises(RuntimeError, match="before"):
            auth.metrics()
    assert auth.metrics() is auth.metrics()


@strawberry.type
class Query:
    @strawberry.field
    def fail(self) -> int:
        raise ValueError("ada@example.com")


async def test_a_defect_is_counted_as_one(sqlite_settings: Settings) -> None:
    """What a client is told as an internal error counts as one, without its text."""
    auth = GraphQLAuth(sqlite_settings)
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router(query=Query))
    app.mount("/metrics", auth.metrics())
    with serving_here(app) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            await http.post("/graphql", json={"query": "{ fail }"})
            page = (await http.get("/metrics", follow_redirects=True)).text
    outcome = "internal_server_error"
    key = f'gql_auth_requests_total{{kind="query",operation="anonymous",outcome="{outcome}"}}'
    assert read(page)[key] == 1
    assert "ada@" not in page


HOST = """
from fastapi import FastAPI
from gql_auth import GraphQLAuth

auth = GraphQLAuth()
app = FastAPI(lifespan=auth.lifespan)
app.include_router(auth.router(health=True))
app.mount("/metrics", auth.metrics())
"""


def test_a_hosts_workers_are_one_page(sqlite_settings: Settings, tmp_path: Path) -> None:
    """With prometheus_client's own variable, a host's processes show what all have counted."""
    (tmp_path / "host.py").write_text(HOST)
    folder, port = tmp_path / "figures", free_port()
    folder.mkdir()
    place = {"data_dir": sqlite_settings.data_dir, "secret": sqlite_settings.secret}
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "host:app", "--workers", "2", "--port", str(port)],
        cwd=tmp_path,
        env=environment(**place)
        | {"PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"

    def pools() -> float:
        try:
            page = httpx.get(f"{address}/metrics/").text
        except httpx.TransportError:
            return 0
        return read(page).get("gql_auth_pool_size", 0)

    try:
        until(lambda: pools() == 20, "both have shown their levels")
        for _ in range(30):
            assert httpx.post(f"{address}/graphql", json={"query": "{ __typename }"}).is_success
        ok = 'gql_auth_requests_total{kind="query",operation="anonymous",outcome="ok"}'
        assert read(httpx.get(f"{address}/metrics/").text)[ok] == 30
    finally:
        process.terminate()
        process.wait(STOP)
