"""What docs/operations.md hands to operators, tried: nginx's configuration in front of replicas,
the roles for PostgreSQL."""

import asyncio
import re
import secrets
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect

from tests import debian
from tests.live import free_port
from tests.process import Server, run, serving, until
from tests.support import SECRET, GraphQLClient

ROOT = Path(__file__).parents[1]
FILES = ROOT / "examples/operations"
NAME = "auth.example.com"
SESSIONS = "{ sessions { ipAddress current } }"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the name, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(NAME), x509.IPAddress(ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


@contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[tuple[int, ssl.SSLContext]]:
    """nginx with the configuration of the examples: only places and ports are other ones."""
    public, private = make_certificate(folder)
    port = free_port()
    text = (FILES / "nginx.conf").read_text(encoding="utf-8")
    for before, after in (
        ("10.0.0.11:8000", f"127.0.0.1:{ports[0]}"),
        ("10.0.0.12:8000", f"127.0.0.1:{ports[1]}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/auth.example.com.crt", str(public)),
        ("/etc/ssl/auth.example.com.key", str(private)),
        ("worker_processes auto;", f"worker_processes 1; daemon off; pid {folder}/nginx.pid;"),
        ("http {", "http { access_log off;" + "".join(
            f" {kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))),
    ):  # fmt: skip
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    configuration = folder / "nginx.conf"
    configuration.write_text(text, encoding="utf-8")
    log = folder / "nginx.log"
    command = [debian.program("nginx"), "-c", str(configuration), "-p", str(folder), "-e", str(log)]
    process = subprocess.Popen(command, env=debian.environment())
    context = ssl.create_default_context(cafile=str(public))
    try:

        def answers() -> bool:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            try:
                url = f"https://127.0.0.1:{port}/healthz"
                return httpx.get(url, verify=context).status_code == 200
            except httpx.TransportError:
                return False

        until(answers, "nginx answers")
        yield port, context
    finally:
        process.terminate()
        process.wait(20)


@dataclass
class Stack:
    """Two replicas behind nginx."""

    replicas: list[Server]
    port: int
    context: ssl.SSLContext
    make: Callable[[], GraphQLClient]
    start: Callable[[str], AbstractContextManager[Server]]


@pytest.fixture
async def stack(postgres_url: str, tmp_path: Path) -> AsyncIterator[Stack]:
    """Two replicas on one PostgreSQL behind nginx, as the page shows it."""
    public = f"https://{NAME}"
    ports = [free_port(), free_port()]

    def start(url: str) -> AbstractContextManager[Server]:
        return serving(
            "--host", "0.0.0.0", "--port", str(urlsplit(url).port), public_url=public,
            secret=SECRET, url=url, database_url=postgres_url, trusted_proxies="127.0.0.1",
            shutdown_delay=1,
        )  # fmt: skip

    with ExitStack() as opened:
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        replicas = [opened.enter_context(start(url)) for url in urls]
        port, context = opened.enter_context(nginx(tmp_path, ports))
        async with httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}", verify=context, timeout=30
        ) as http:
            yield Stack(replicas, port, context, lambda: GraphQLClient(http, public), start)


async def test_a_session_behind_nginx(stack: Stack) -> None:
    """Through nginx a browser signs up, refreshes and is told who it is, on whichever replica;
    its cookie is Secure with the prefix; answers are not compressed; the page is there."""
    ada = stack.make()
    assert (await ada.signup())["__typename"] == "AuthPayload"
    assert list(ada.cookies) == ["__Host-refresh_token"]
    assert "; Secure" in ada.last.headers["set-cookie"]
    for _ in range(6):
        assert (await ada.refresh(Accept_Encoding="gzip"))["__typename"] == "AuthPayload"
        assert "content-encoding" not in ada.last.headers
        assert (await ada.me())["data"]["me"]["email"] == "ada@example.com"
    page = await ada.http.get("/graphql", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert (await ada.http.get("/metrics")).status_code == 404


async def test_the_clients_address_is_nginxs_word(stack: Stack) -> None:
    """What a client says of its own address changes nothing: neither header gets through."""
    ada = stack.make()
    said = {"X_Forwarded_For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    await ada.signup()
    await ada.refresh(**said)
    (session,) = (await ada.post(SESSIONS))["data"]["sessions"]
    assert session == {"ipAddress": "127.0.0.1", "current": True}


async def test_a_socket_through_nginx(stack: Stack) -> None:
    """Subscriptions' sockets pass."""
    async with connect(
        f"wss://127.0.0.1:{stack.port}/graphql", ssl=stack.context,
        subprotocols=["graphql-transport-ws"], origin=f"https://{NAME}",  # type: ignore[list-item, arg-type]
    ) as socket:  # fmt: skip
        await socket.send('{"type": "connection_init"}')
        assert '"connection_ack"' in str(await socket.recv())


async def test_a_stream_through_nginx(stack: Stack) -> None:
    """Events pass as they happen: nginx holds none back."""
    ada, phone = stack.make(), stack.make()
    await ada.signup("ada.streams@example.com")
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {ada.access_token}"}
    events = {"query": "subscription { sessionEvents { __typename } }"}
    async with ada.http.stream("POST", "/graphql", json=events, headers=headers) as answer:
        lines = answer.aiter_lines()
        await phone.login(email="ada.streams@example.com")
        async with asyncio.timeout(10):
            assert await anext(lines) == "event: next"
            assert "SessionBegan" in await anext(lines)
        await ada.field("mutation { logout { sessionEnded } }")
        async with asyncio.timeout(10):
            rest = [line async for line in lines]
        assert "SESSION_REVOKED" in "".join(rest)
        assert "event: complete" in rest


async def test_a_replica_is_replaced_under_load(stack: Stack) -> None:
    """One replica is told to end and another is killed later: with a client that repeats what
    failed, nobody notices."""
    ada = stack.make()
    await ada.signup()

    async def patiently() -> None:
        for _ in range(20):
            try:
                if (await ada.refresh()).get("__typename") == "AuthPayload":
                    return
            except (httpx.TransportError, ValueError, AssertionError):
                await asyncio.sleep(0.1)
        raise AssertionError("signed out or left alone")

    first, second = stack.replicas
    first.process.terminate()
    while first.process.poll() is None:
        await patiently()
    for _ in range(10):
        await patiently()
    with stack.start(first.url):
        second.kill()
        for _ in range(10):
            await patiently()
        assert (await ada.me())["data"]["me"]["email"] == "ada@example.com"


def test_the_roles(postgres_url: str) -> None:
    """With the roles of the page the owner migrates, and the server serves and can neither change
    nor drop a table."""
    passwords = {"owner": secrets.token_hex(8), "server": secrets.token_hex(8)}
    suffix = secrets.token_hex(4)
    text = (FILES / "roles.sql").read_text(encoding="utf-8")
    text = re.sub(r"\bgql_auth_(owner|server)\b", rf"gql_auth_\1_{suffix}", text)
    for who, word in passwords.items():
        text = text.replace(f":'{who}_password'", f"'{word}'")
    parts = urlsplit(postgres_url)
    place = parts.netloc.rpartition("@")[2]
    urls = {
        who: urlunsplit(parts._replace(netloc=f"gql_auth_{who}_{suffix}:{word}@{place}"))
        for who, word in passwords.items()
    }
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(text.encode())
        try:
            done = run("migrate", database_url=urls["owner"], secret=SECRET)
            assert done.returncode == 0, done.stderr
            place_of = {"database_url": urls["server"], "secret": SECRET}
            with serving(**place_of, migrate_on_start="off") as server:
                body = {"query": 'mutation { signup(input: {email: "ada@example.com", password: '
                                 '"correct horse battery"}) { __typename } }'}  # fmt: skip
                answer = httpx.post(f"{server.url}/graphql", json=body).json()
                assert answer["data"]["signup"]["__typename"] == "AuthPayload"
            with psycopg.connect(urls["server"], autocommit=True) as line:
                for statement in (
                    "DROP TABLE gql_auth_users",
                    "ALTER TABLE gql_auth_users ADD COLUMN x int",
                    "CREATE TABLE mine (x int)",
                    "TRUNCATE gql_auth_events",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        line.execute(statement.encode())
        finally:
            for who in passwords:
                admin.execute(f"DROP OWNED BY gql_auth_{who}_{suffix} CASCADE".encode())
                admin.execute(f"DROP ROLE gql_auth_{who}_{suffix}".encode())
