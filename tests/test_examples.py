"""The examples run as they stand, and as the documentation prints them."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.features.users.core import Users
from gql_auth.kernel.settings import Settings
from tests.live import free_port, serving
from tests.support import PASSWORD, SECRET, GraphQLClient, reason_of

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "examples/quickstart/app.py"


def load(path: Path, name: str) -> ModuleType:
    """A file, run as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Strawberry looks annotations up in there
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The variables that an operator would set."""
    monkeypatch.setenv("GQL_AUTH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GQL_AUTH_SECRET", SECRET)
    monkeypatch.setenv("GQL_AUTH_BCRYPT_COST", "10")
    return monkeypatch


async def make_admin(settings: Settings, email: str) -> None:
    """What `gql-auth users set-roles` does, in a process of its own."""
    async with GraphQLAuth(settings).running() as system, system.units.write() as unit:
        users = unit.get(Users)
        await users.set_roles((await users.require(email)).id, ["admin"])


async def test_the_quickstart(environment: pytest.MonkeyPatch) -> None:
    """The quickstart serves its own fields beside ours, to whom they are for."""
    module = load(QUICKSTART, "quickstart")
    with serving(module.app) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            client = GraphQLClient(http)
            assert reason_of(await client.post("{ secret }")) == "ACCESS_TOKEN_MISSING"
            user = (await client.signup())["user"]
            assert await client.field("{ secret }") == f"for {user['id']} only"
            assert (await client.me())["data"]["me"]["email"] == "ada@example.com"
            refused = await client.post("{ audit }")
            assert reason_of(refused) == "ROLE_REQUIRED"
            assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
            assert refused["errors"][0]["message"] == 'Role "admin" required'

            await make_admin(module.auth.settings, "ada@example.com")
            assert reason_of(await client.post("{ audit }")) == "ROLE_REQUIRED"
            await client.refresh()
            assert await client.field("{ audit }") == ["for admins only"]
            assert (await http.get("/docs")).status_code == 200, "the host's own pages stay"


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


def test_the_documentation_prints_the_quickstart() -> None:
    """What a reader copies from the page is the file that is tested."""
    assert QUICKSTART.read_text() in python_blocks("library.md")


@pytest.mark.parametrize("page", ["library.md", "verifying.md", "federation.md"])
def test_the_blocks_of_a_page_run(
    page: str, tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    """Pasted one after the other into a module, the blocks of a page are a program that runs."""
    blocks = python_blocks(page)
    assert len(blocks) > 1
    issuer_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    jwk: Any = ECAlgorithm(ECAlgorithm.SHA256).to_jwk(issuer_key, as_dict=True)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk | {"kid": "1", "alg": "ES256"}]}))
    (tmp_path / "page.py").write_text("\n\n".join(blocks) + END.get(page, ""))
    ran = subprocess.run(
        [sys.executable, "-W", "error", "page.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == SAYS.get(page, "")


# What is done with the last of the blocks, and what that says.
END = {
    "library.md": """
from gql_auth.building import build_schema
printed = build_schema(query=Query, subscription=Subscription).as_str()
print(*(line.strip() for line in printed.splitlines() if "invite" in line or "ticks" in line))
""",
    "federation.md": """
from gql_auth.building import build_schema
printed = build_schema(query=Query, settings=auth.settings).as_str()
print(*(line.strip() for line in printed.splitlines() if "cost" in line or "Product @" in line))
""",
    "verifying.md": """
print(who_calls(None))
verifier = offline
print(who_calls("x"))
""",
}
SAYS = {
    "federation.md": 'type Product @key(fields: "upc") { '
    'cost: Int! @hasRole(anyOf: ["buyer"]) @requiresScopes(scopes: [["role:buyer"]])\n',
    "library.md": "invite: String! @verifiedEmail ticks: Int! @authenticated\n",
    "verifying.md": "401: Access token required (ACCESS_TOKEN_MISSING)\n"
    "401: Invalid or tampered token (ACCESS_TOKEN_INVALID)\n",
}


async def test_the_resource_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service without a database takes the tokens of a server that it only knows by address."""
    port = free_port()
    auth_url = f"http://localhost:{port}"
    settings = Settings(
        data_dir=tmp_path, secret=SECRET, bcrypt_cost=10, public_url=auth_url, port=port
    )
    monkeypatch.setenv("AUTH_URL", auth_url)
    service = load(ROOT / "examples/resource_server/app.py", "resource_server")

    async def get(path: str, authorization: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": authorization} if authorization else {}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(service.app), base_url="http://orders"
        ) as http:
            answer = await http.get(path, headers=headers)
            return answer.status_code, answer.json()

    with serving(create_app(GraphQLAuth(settings)), port=port) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            client = GraphQLClient(http)
            user = (await client.signup())["user"]
            bearer = f"Bearer {client.access_token}"
            assert await get("/orders", bearer) == (200, [f"an order of {user['id']}"])
            assert (await get("/reports", bearer))[0] == 403
            await make_admin(settings, "ada@example.com")
            await client.login(PASSWORD, email="ada@example.com")
            admin = f"Bearer {client.access_token}"
            assert await get("/reports", admin) == (200, ["a report for ada@example.com"])

    status, refusal = await get("/orders")
    assert status == 401
    assert refusal["detail"]["reason"] == "ACCESS_TOKEN_MISSING"
    for wrong in ("Bearer x", f"Bearer {client.refresh_token}"):
        status, refusal = await get("/orders", wrong)
        assert status == 401
        assert refusal["detail"] == {
            "message": "Invalid or tampered token",
            "code": "UNAUTHENTICATED",
            "reason": "ACCESS_TOKEN_INVALID",
        }
    assert (await get("/orders", bearer))[0] == 200, "the server is down, its keys are known"


async def test_the_resource_server_before_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys the example says that it cannot tell, instead of sending people away."""
    monkeypatch.setenv("AUTH_URL", f"http://localhost:{free_port()}")
    service = load(ROOT / "examples/resource_server/app.py", "resource_server")
    some_token = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsiLCJ0eXAiOiJhdCtqd3QifQ.e30.e30"
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(service.app), base_url="http://orders"
    ) as http:
        answer = await http.get("/orders", headers={"Authorization": f"Bearer {some_token}"})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
