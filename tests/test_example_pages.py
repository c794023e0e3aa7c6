"""The front ends of examples/ as `scripts/example` runs them: page and API of one origin. What they
do in a browser is tested in a browser."""

import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.live import free_port, within
from tests.process import environment
from tests.support import REFRESH, SIGNUP, GraphQLClient

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["apollo-react", "urql"])
async def test_an_example_runs_by_one_command(name: str, tmp_path: Path) -> None:
    """The page is served, and signs up and refreshes by the cookie at its own origin; where the
    command is ended, so are the page and the server."""
    page, server = free_port(), free_port()
    variables = environment(data_dir=tmp_path) | {"PORT": str(page), "AUTH_PORT": str(server)}
    log = tmp_path / "log"
    process = _start(name, variables, log)
    try:
        async with httpx.AsyncClient(base_url=f"http://localhost:{page}", timeout=30) as http:

            async def answers() -> bool:
                assert process.poll() is None, log.read_text()
                try:
                    return (await http.get("/graphql?query={__typename}")).status_code == 200
                except httpx.TransportError:
                    return False

            await within(120, answers)
            assert '<script type="module" src="/src/main.tsx">' in (await http.get("/")).text
            browser = GraphQLClient(http, origin=f"http://localhost:{page}")
            assert (await browser.signup())["__typename"] == "AuthPayload"
            assert set(browser.cookies) == {"refresh_token"}
            assert (await browser.refresh())["__typename"] == "AuthPayload"
            elsewhere = GraphQLClient(http, origin="http://localhost:1")
            for document in (REFRESH, SIGNUP):
                await elsewhere.post(
                    document, {"input": {"email": "b@example.com", "password": ""}}
                )
                assert elsewhere.last.status_code == 403
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
        for port in (page, server):
            await within(60, lambda port=port: not _listens(port))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _start(name: str, variables: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as written:
        return subprocess.Popen(
            [ROOT / "scripts/example", name],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _listens(port: int) -> bool:
    try:
        httpx.get(f"http://localhost:{port}/", timeout=5)
    except httpx.ConnectError:
        return False
    except httpx.TransportError:
        return True
    return True


def test_what_is_no_example_is_told() -> None:
    """Without a name, or with a wrong one, the command says what there is."""
    for arguments in ([], ["nothing"], ["python"]):
        told = subprocess.run(
            [ROOT / "scripts/example", *arguments], capture_output=True, text=True, check=False
        )
        assert told.returncode == 2
        assert "scripts/example apollo-react" in told.stderr
