"""SMTP, spoken with a real server: TLS and signing in are had or nothing is sent, connections are
kept and mended, and what a server says counts for what it was said of."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import pytest

from gql_auth.features.mail.outlets import TryLater, Undeliverable
from gql_auth.features.mail.smtp import SmtpOutlet
from gql_auth.kernel.mailing import mail_server as read
from tests.live import free_port, within
from tests.mailing import DROP, MailServer, certificate, mail_server

SENDER = "accounts@example.com"
Use = Callable[..., SmtpOutlet]


@pytest.fixture
async def use() -> AsyncIterator[Use]:
    """Outlets for a URL, closed in the end."""
    made: list[SmtpOutlet] = []

    def make(url: str, timeout: float = 5.0) -> SmtpOutlet:
        made.append(SmtpOutlet(read(url), timeout=timeout, local_name="example.com"))
        return made[-1]

    yield make
    for outlet in made:
        await outlet.close()


@asynccontextmanager
async def plain(use: Use, **how: object) -> AsyncIterator[tuple[MailServer, SmtpOutlet]]:
    async with mail_server(**how) as server:
        yield server, use(f"smtp://127.0.0.1:{server.port}?tls=none")


def mail(to: str = "ada@example.com", text: str = "Good day.\n") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = SENDER, to, "Grüße"
    made["Message-ID"] = "<one@example.com>"
    made.set_content(text, cte="quoted-printable")
    return made


async def send(outlet: SmtpOutlet, to: str = "ada@example.com", **more: str) -> None:
    await outlet.send(mail(to, **more), sender=SENDER, recipient=to)


# -- TLS and signing in ----------------------------------------------------------------------


@pytest.mark.parametrize("way", ["starttls", "implicit"])
async def test_tls_and_sign_in(
    way: str, use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With STARTTLS and with TLS from the start: mail goes through TLS, signed in."""
    context, public = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    scheme = "smtps" if way == "implicit" else "smtp"
    async with mail_server(tls=way, certificate=context, users={"ann@x": "p/w:1"}) as server:
        outlet = use(f"{scheme}://ann%40x:p%2Fw%3A1@127.0.0.1:{server.port}")
        await outlet.check()
        await send(outlet)
    (taken,) = server.taken
    assert (taken.tls, taken.user, taken.sender) == (True, "ann@x", SENDER)
    assert taken.message["Subject"] == "Grüße"


async def test_a_server_without_starttls_gets_neither_mail_nor_password(use: Use) -> None:
    """STARTTLS is demanded: whoever takes the offer out of the server's answer learns nothing."""
    async with mail_server(users={"ann": "secret"}) as server:
        outlet = use(f"smtp://ann:secret@127.0.0.1:{server.port}")
        with pytest.raises(TryLater, match="does not offer STARTTLS") as refused:
            await send(outlet)
    assert refused.value.for_all
    assert server.lines == []
    assert not server.asked["MAIL"]


@pytest.mark.parametrize("way", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("host", "is_trusted", "why"),
    [("127.0.0.1", False, "self-signed"), ("elsewhere.test", True, "IP address mismatch")],
)
async def test_a_server_with_a_wrong_certificate_gets_nothing(
    way: str,
    host: str,
    is_trusted: bool,
    why: str,
    use: Use,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A certificate that nobody vouches for, or another host's: no password, no mail."""
    context, public = certificate(tmp_path, host)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
    scheme = "smtps" if way == "implicit" else "smtp"
    async with mail_server(tls=way, certificate=context, users={"ann": "secret"}) as server:
        with pytest.raises(TryLater, match=f"certificate is not trusted: .*{why}") as refused:
            await send(use(f"{scheme}://ann:secret@127.0.0.1:{server.port}"))
    assert refused.value.for_all
    assert server.lines == []


async def test_what_is_said_before_tls_is_forgotten(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody on the way adds to the answer to STARTTLS is not taken for the server's words
    inside TLS (RFC 3207, section 4.2)."""
    context, public = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    said: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test\r\n")
        said.append(await reader.readline())
        writer.write(b"250-mail.test\r\n250 STARTTLS\r\n")
        said.append(await reader.readline())
        writer.write(b"220 go\r\n250-mail.test\r\n250 AUTH PLAIN\r\n")
        await writer.start_tls(context)
        said.append(await reader.readline())
        writer.write(b"250 mail.test\r\n")  # no AUTH
        said.append(await reader.readline())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TryLater, match="offers no way to sign in"):
            await send(use(f"smtp://ann:secret@127.0.0.1:{port}"))
        await within(5, lambda: len(said) == 4)
    assert said == [b"EHLO example.com\r\n", b"STARTTLS\r\n", b"EHLO example.com\r\n", b""]


async def test_a_wrong_password_is_trouble_for_all(
    use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password gives no mail up; the reason is the server's code, without its text."""
    context, public = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    async with mail_server(tls="starttls", certificate=context, users={"ann": "x"}) as server:
        with pytest.raises(TryLater) as refused:
            await send(use(f"smtp://ann:secret@127.0.0.1:{server.port}"))
        assert refused.value.for_all
        assert refused.value.reason == "sign-in refused: 535 5.7.8"
        # Not signed in where that is wanted: the operator's trouble, not the letter's.
        with pytest.raises(TryLater, match=r"sender refused: 530 5.7.0") as refused:
            await send(use(f"smtp://127.0.0.1:{server.port}"))
        assert refused.value.for_all


# -- connections -----------------------------------------------------------------------------


async def test_connections_are_kept(use: Use) -> None:
    """One mail after the other goes over one connection, also after a refusal."""
    async with plain(use) as (server, outlet):
        server.will("RCPT", "550 5.1.1 nobody", address="nobody@example.com")
        await send(outlet)
        with pytest.raises(Undeliverable, match=r"^550 5\.1\.1$"):
            await send(outlet, "nobody@example.com")
        await send(outlet, "bob@example.com")
    assert server.recipients == ["ada@example.com", "bob@example.com"]
    assert server.connections == 1
    assert "RSET" not in server.asked


async def test_a_connection_that_the_server_closed_is_made_anew(use: Use) -> None:
    """Servers close what is idle, with a word or without, and refuse more on a connection: no mail
    waits for that."""
    async with plain(use) as (server, outlet):
        await send(outlet)
        server.will("MAIL", DROP)  # closed just as the next mail begins
        await send(outlet)
        server.will("MAIL", "421 4.7.0 enough on this connection")
        await send(outlet)
    assert len(server.taken) == 3
    assert server.connections == 3


async def test_a_server_that_only_closes_is_trouble_for_all(use: Use) -> None:
    """A fresh connection that is closed before a mail began is not tried for ever."""
    async with plain(use) as (server, outlet):
        server.will("MAIL", DROP, "421 4.3.2 closing")
        for why in ("connection lost", "connection closed: 421 4.3.2"):
            with pytest.raises(TryLater, match=why) as refused:
                await send(outlet)
            assert refused.value.for_all
        server.will("connect", "554 5.3.2 no")
        with pytest.raises(TryLater, match=r"connection refused: 554 5\.3\.2") as refused:
            await send(outlet)
        assert refused.value.for_all
    assert server.connections == 3


async def test_nobody_listening_is_trouble_for_all(use: Use) -> None:
    """No server there: the reason says so, and names no address."""
    with pytest.raises(TryLater, match=r"^cannot connect: ConnectionRefusedError$") as refused:
        await send(use(f"smtp://127.0.0.1:{free_port()}"))
    assert refused.value.for_all


# -- what counts for one mail ----------------------------------------------------------------


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("450 4.2.0 Greylisted, see http://example.com/ada@example.com", TryLater),
        ("452 4.2.2 ada@example.com is full", TryLater),
        ("550 5.1.1 <ada@example.com>: unknown", Undeliverable),
        ("554 5.7.1 spam", Undeliverable),
        ("550 ada@example.com?", Undeliverable),
    ],
)
async def test_replies_to_one_mail(use: Use, step: str, reply: str, kind: type[Exception]) -> None:
    """4xx is later and 5xx is never, for this mail alone; what is kept of the reply has no
    address."""
    async with plain(use) as (server, outlet):
        server.will(step, reply)
        with pytest.raises(kind) as refused:
            await send(outlet)
        assert not getattr(refused.value, "for_all", False)
        assert refused.value.reason in {" ".join(reply.split()[:2]), reply.split(maxsplit=1)[0]}
        assert "@" not in refused.value.reason
        await send(outlet)
    assert len(server.taken) == 1


async def test_a_connection_lost_after_data_is_this_mails_trouble(use: Use) -> None:
    """The server has it, perhaps: it is sent again later, and not at once on another connection."""
    async with plain(use) as (server, outlet):
        await send(outlet)
        server.will("DATA", DROP)
        with pytest.raises(TryLater, match=r"^connection lost$") as refused:
            await send(outlet)
        assert not refused.value.for_all
        assert len(server.taken) == 2
        await send(outlet)


async def test_a_server_that_never_answers(use: Use) -> None:
    """It is given up after the time limit; before a mail began it is trouble for all."""
    async with mail_server() as server:
        outlet = use(f"smtp://127.0.0.1:{server.port}?tls=none", timeout=0.2)
        server.will("DATA", 30.0)
        with pytest.raises(TryLater, match=r"^no answer$") as refused:
            await send(outlet)
        assert not refused.value.for_all
        server.will("connect", 30.0)
        with pytest.raises(TryLater, match=r"^no answer$") as refused:
            await send(outlet)
        assert refused.value.for_all


# -- addresses -------------------------------------------------------------------------------


async def test_addresses_of_the_whole_world(use: Use) -> None:
    """A part before the @ that is no ASCII goes with SMTPUTF8, raw in the headers (RFC 6532); where
    the server does not offer it, the reason says so. It is asked for only where it is needed."""
    async with plain(use) as (server, outlet):
        await send(outlet, "jörg@xn--bcher-kva.example")
        await send(outlet)
    unusual, usual = server.taken
    assert (unusual.utf8, unusual.recipient) == (True, "jörg@xn--bcher-kva.example")
    assert "To: jörg@xn--bcher-kva.example\r\n".encode() in unusual.raw
    assert unusual.message["Subject"] == "Grüße"
    assert not usual.utf8
    assert usual.raw.isascii()
    async with plain(use, utf8=False) as (server, outlet):
        with pytest.raises(Undeliverable, match="SMTPUTF8"):
            await send(outlet, "jörg@example.com")
        await send(outlet)
    assert server.recipients == ["ada@example.com"]


async def test_text_arrives_as_it_is(use: Use) -> None:
    """Lines that begin with a dot, and long ones, come out as they went in."""
    text = ".\n..hidden\n" + "x" * 3000 + "\nende ö\n"
    async with plain(use) as (server, outlet):
        await send(outlet, text=text)
    assert server.taken[0].message.get_content().replace("\r\n", "\n") == text


async def test_it_says_goodbye(use: Use) -> None:
    """Connections end with QUIT, as servers expect it of clients in order."""
    async with plain(use) as (server, outlet):
        await send(outlet)
        await outlet.close()
        await within(5, lambda: server.asked["QUIT"] == 1)
