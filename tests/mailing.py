"""A real SMTP server (aiosmtpd) in the test's own loop, which can be told to misbehave."""

import asyncio
import email
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gql_auth.app import GraphQLAuth
from gql_auth.features.mail.core import Letter, MailKind, Outbox

DROP = "drop"  # the connection is cut instead of an answer
Step = Literal["connect", "MAIL", "RCPT", "DATA"]


@dataclass(frozen=True)
class Delivery:
    """One mail that the server took."""

    sender: str
    recipient: str
    raw: bytes
    connection: int
    utf8: bool
    tls: bool
    user: str | None
    at: float  # monotonic

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def id(self) -> str:
        return str(self.message["Message-ID"])


class MailServer:
    """The server, as a test sees it.

    `answers[step, address]` (or with "" for any address) are given first, one after the other: a
    reply, `DROP`, or seconds of delay before a 250. What comes after DATA was read is kept in
    `taken` also where the answer is a DROP: so does a server that dies before it can tell.
    """

    def __init__(self, *, wants_users: bool) -> None:
        self.wants_users = wants_users
        self.port = 0
        self.taken: list[Delivery] = []
        self.answers: dict[tuple[str, str], list[str | float]] = {}
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self.busy = 0
        self.busiest = 0
        self.lines: list[str] = []  # user names that were tried

    @property
    def recipients(self) -> list[str]:
        return [each.recipient for each in self.taken]

    def to(self, address: str) -> list[Delivery]:
        return [each for each in self.taken if each.recipient == address]

    def will(self, step: Step, *answers: str | float, address: str = "") -> None:
        self.answers.setdefault((step, address), []).extend(answers)

    async def answer(self, server: Any, step: str, address: str) -> str | None:
        """What to say; None for what is right."""
        self.asked[step] += 1
        for key in ((step, address), (step, "")):
            if self.answers.get(key):
                said = self.answers[key].pop(0)
                if isinstance(said, float | int):
                    await asyncio.sleep(said)
                    return None
                if said == DROP:
                    server.transport.abort()
                    return "421 too late"
                return said
        return None

    # -- aiosmtpd's hooks --------------------------------------------------------------------

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if self.wants_users and not session.authenticated:
            return "530 5.7.0 Authentication required"
        said = await self.answer(server, "MAIL", address)
        if said is None:
            envelope.mail_from = address
        return said or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        said = await self.answer(server, "RCPT", address)
        if said is None:
            envelope.rcpt_tos.append(address)
        return said or "250 OK"

    async def handle_QUIT(self, server, session, envelope):  # noqa: N802
        self.asked["QUIT"] += 1
        return "221 Bye"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        (recipient,) = envelope.rcpt_tos
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            said = await self.answer(server, "DATA", recipient)
        finally:
            self.busy -= 1
        if said is None or said.startswith("421 too late"):
            self.taken.append(
                Delivery(
                    sender=envelope.mail_from,
                    recipient=recipient,
                    raw=envelope.original_content,
                    connection=id(server),
                    utf8=bool(envelope.smtp_utf8),
                    tls=session.ssl is not None or server.implicit,
                    user=session.auth_data and session.auth_data.login.decode(),
                    at=time.monotonic(),
                )
            )
        return said or "250 OK"


class _Protocol(SMTP):
    """aiosmtpd's own, but for what a greeting can be, and whether TLS came first."""

    implicit = False
    ours: MailServer

    async def _handle_client(self) -> None:
        if said := await self.ours.answer(self, "connect", ""):
            await self.push(said)
            self.transport.close()
            return
        await super()._handle_client()


@asynccontextmanager
async def mail_server(
    *,
    tls: Literal["none", "starttls", "implicit"] = "none",
    certificate: ssl.SSLContext | None = None,
    users: Mapping[str, str] | None = None,
    utf8: bool = True,
    port: int = 0,
) -> AsyncIterator[MailServer]:
    """Run one on a free port of this machine.

    Args:
        certificate: what TLS needs.
        users: passwords by name; who does not sign in with one may send nothing.
        utf8: whether SMTPUTF8 is offered.
    """
    found = MailServer(wants_users=users is not None)
    open_now: set[Any] = set()

    def authenticate(server, session, envelope, mechanism, given):
        found.lines.append(given.login.decode())
        good = (users or {}).get(given.login.decode()) == given.password.decode()
        return AuthResult(success=good, handled=False, auth_data=given)

    def make() -> SMTP:
        found.connections += 1
        made = _Protocol(
            found,
            enable_SMTPUTF8=utf8,
            hostname="mail.test",
            tls_context=certificate if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            authenticator=authenticate,
            auth_require_tls=tls == "starttls",
            auth_exclude_mechanism=() if users is not None else ("PLAIN", "LOGIN"),
            loop=asyncio.get_running_loop(),
        )
        made.ours = found
        made.implicit = tls == "implicit"
        open_now.add(made)
        return made

    listening = await asyncio.get_running_loop().create_server(
        make, "127.0.0.1", port, ssl=certificate if tls == "implicit" else None
    )
    found.port = listening.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        listening.close()
        for each in open_now:
            if each.transport is not None:
                each.transport.abort()
        await asyncio.sleep(0)  # they hear of it


def certificate(folder: Path, host: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """A server's certificate for a host, and the file of who signed it: itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{host}.pem", folder / f"{host}.key"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return context, public


def letter(to: str, kind: MailKind = MailKind.TEST, **more: Any) -> Letter:
    """A letter to somebody."""
    return Letter(kind=kind, to=to, **more)


async def post(auth: GraphQLAuth, *letters: Letter) -> None:
    """Have letters sent, in one transaction."""
    async with auth.system.units.write() as unit:
        for each in letters:
            await unit.get(Outbox).post(each)


def row_of(message_id: str) -> UUID:
    """The row that a Message-ID was made of."""
    return UUID(hex=message_id.strip("<").partition(".")[0])
