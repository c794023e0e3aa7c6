"""`gql-auth mail …`, what the doctor says of mail, and mail in development."""

import asyncio
import json
import stat
from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from gql_auth import GraphQLAuth, Settings
from gql_auth.features.mail.files import FileOutlet
from gql_auth.features.mail.tables import MailRow
from gql_auth.kernel.declaring import SettingsError
from tests.database import look
from tests.live import free_port, within
from tests.mailbox import FORGOT, link_of
from tests.mailing import certificate, letter, mail_server, post
from tests.process import serving, until
from tests.support import SECRET, SettableClock
from tests.test_cli import NOBODY, Operator


async def off_loop(act: Callable[..., Any], *arguments: str, **more: Any) -> Any:
    """Run a command while the mail server of this loop answers."""
    return await asyncio.to_thread(act, *arguments, **more)


async def test_what_was_given_up_is_listed_and_tried_again(settings: Settings) -> None:
    """`mail list` shows what was given up and why, and nothing that a mail says; `mail retry` has a
    running server send it. A command never sends by itself."""
    operator = Operator(settings)
    assert await off_loop(operator.rows, "mail", "list") == []
    async with mail_server() as server:
        url = f"smtp://127.0.0.1:{server.port}?tls=none"
        chosen = replace(settings, mail_url=url)
        server.will("RCPT", "550 5.1.1 no", "550 5.1.1 no")
        auth = GraphQLAuth(chosen)
        async with auth.running():
            secret = "T0ken" * 8
            await post(
                auth,
                letter("ada@example.com", words={"link": f"https://x.example/#token={secret}"}),
            )
            await post(auth, letter("bob@example.com"))
            await within(10, lambda: server.asked["RCPT"] == 2)
            await within(10, lambda: all(row.dead_at for row in look(chosen, select(MailRow))))
        rows = await off_loop(operator.rows, "mail", "list")
        assert [row["to"] for row in rows] == ["ada@example.com", "bob@example.com"]
        assert {row["reason"] for row in rows} == {"550 5.1.1"}
        assert {row["tries"] for row in rows} == {1}
        assert secret not in str(rows)
        assert await off_loop(operator.rows, "mail", "list", "--waiting") == []
        told = (await off_loop(operator.run, "mail", "list")).stdout
        assert "ada@example.com" in told

        ended = await off_loop(operator.run, "mail", "retry", rows[0]["id"], NOBODY, mail_url=url)
        assert ended.exit_code == 1
        assert ended.stdout == "1 will be tried again.\n"
        assert NOBODY in ended.stderr
        (waits,) = await off_loop(operator.rows, "mail", "list", "--waiting", mail_url=url)
        assert (waits["id"], waits["tries"], waits["given up"]) == (rows[0]["id"], 0, None)
        done = await off_loop(operator.done, "mail", "retry", "--all", mail_url=url)
        assert done == "1 will be tried again.\n"
        assert server.taken == [], "no command sends"
        async with auth.running():
            await within(10, lambda: not look(chosen, select(MailRow)))
    assert sorted(server.recipients) == ["ada@example.com", "bob@example.com"]


def test_retry_wants_to_know_which(sqlite_settings: Settings) -> None:
    """Neither ids nor --all, and both, are wrong usage."""
    operator = Operator(sqlite_settings)
    assert operator.run("mail", "retry").exit_code == 2
    assert operator.run("mail", "retry", NOBODY, "--all").exit_code == 2


async def test_a_mail_to_try_it_out(sqlite_settings: Settings) -> None:
    """`mail test` sends at once and says what the server says; nothing goes through the
    database."""
    operator = Operator(sqlite_settings)
    async with mail_server() as server:
        where = {"mail_url": f"smtp://127.0.0.1:{server.port}?tls=none", "app_name": "Acme"}
        sent = await off_loop(
            operator.done, "mail", "test", "ada@example.com", "--locale", "de", **where
        )
        assert sent == "Sent.\n"
        server.will("RCPT", "550 5.1.1 ada@example.com unknown", "450 4.2.0 later")
        refused = await off_loop(operator.refused, "mail", "test", "ada@example.com", **where)
        assert refused == "Not sent: 550 5.1.1"
        refused = await off_loop(operator.refused, "mail", "test", "ada@example.com", **where)
        assert refused == "Not sent, but perhaps later: 450 4.2.0"
        refused = await off_loop(operator.refused, "mail", "test", "nobody", **where)
        assert refused == "Not sent: no address that mail can be sent to"
    (taken,) = server.taken
    assert taken.message["From"] == "Acme <no-reply@localhost>"
    assert taken.message["Content-Language"] == "de"
    ended = operator.run("mail", "test", "ada@example.com", public_url="https://auth.example.com")
    assert (ended.exit_code, "GQL_AUTH_MAIL_URL is not set" in ended.stderr) == (3, True)


async def test_the_doctor_tries_the_mail_server(
    sqlite_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It connects, has TLS and signs in, sends nothing, and names the trouble and the setting
    without its password."""
    operator = Operator(sqlite_settings)

    async def says(url: str) -> dict[str, Any]:
        ended = await off_loop(operator.run, "doctor", "--json", mail_url=url)
        assert "s3cret" not in ended.output
        (found,) = [each for each in json.loads(ended.stdout) if each["about"] == "mail"]
        return found

    context, public = certificate(tmp_path)
    users = {"ann": "s3cret"}
    async with mail_server(tls="starttls", certificate=context, users=users) as server:
        where = f"127.0.0.1:{server.port}"
        url = f"smtp://ann:s3cret@{where}"
        assert await says(url) == {
            "about": "mail",
            "state": "problem",
            "text": f"{where}, STARTTLS: its certificate is not trusted: self-signed certificate. "
            "Is GQL_AUTH_MAIL_URL right?",
        }
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        good = await says(url)
        assert good["state"] == "ok"
        assert good["text"] == f"{where} takes mail as no-reply@localhost, STARTTLS, signed in"
        users["ann"] = "another"
        assert "sign-in refused: 535" in (await says(url))["text"]
    assert "cannot connect" in (await says(f"smtp://127.0.0.1:{free_port()}"))["text"]
    assert server.taken == []


def test_the_doctor_counts_what_was_given_up(
    sqlite_settings: Settings, clock: SettableClock
) -> None:
    """What waits and what was given up is named, with the command that shows it."""
    quiet = replace(sqlite_settings, mail_url=f"smtp://127.0.0.1:{free_port()}?tls=none")

    async def leave() -> None:
        auth = GraphQLAuth(quiet, clock=clock)
        async with auth.running():
            await post(auth, letter("ada@example.com", expires_at=clock.now()))
            await within(10, lambda: all(row.dead_at for row in look(quiet, select(MailRow))))

    asyncio.run(leave())
    told = Operator(sqlite_settings).run("doctor").stdout
    assert "warning mails: 0 wait, 1 were given up. See: gql-auth mail list" in told


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.1", "localhost"])
def test_who_writes_where_the_host_has_no_name(tmp_path: Path, host: str) -> None:
    """The sender's address is one, whatever the server is called."""
    made = Settings(data_dir=tmp_path, secret=SECRET, public_url=f"http://{host}:8000")
    assert made.mail_from == "no-reply@localhost"


@pytest.mark.parametrize(
    "wrong",
    ["nobody", "a..b@example.com", "a@-x.example", "a@x\r\nBcc: b@y.example", "ä@x.example"],
)
def test_a_sender_that_is_none(tmp_path: Path, wrong: str) -> None:
    """A `MAIL_FROM` that is no plain address is refused at the start, by its name."""
    with pytest.raises(SettingsError, match="GQL_AUTH_MAIL_FROM"):
        Settings(data_dir=tmp_path, secret=SECRET, mail_from=wrong)


# -- development -----------------------------------------------------------------------------


async def test_without_a_mail_server_a_developer_finds_files(tmp_path: Path) -> None:
    """On plain http and loopback mails are files that nobody else can read, named by their
    Message-ID, and their links are on standard output, marked, and in no log."""
    with serving(data_dir=tmp_path, secret=SECRET, log_format="json") as server:
        async with server.client() as client:
            await client.signup()
            answer = await client.field(FORGOT, {"email": "ada@example.com"})
            assert answer["__typename"] == "MailRequested"
        until(lambda: server.out.count("[development mail] to ada@example.com") == 2, "two mails")
        files = sorted((tmp_path / "mail").iterdir())
        assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
        assert stat.S_IMODE((tmp_path / "mail").stat().st_mode) == 0o700
        assert {each.suffix for each in files} == {".eml"}
        assert len(files) == 2
        for each in files:
            found = link_of(message_from_bytes(each.read_bytes(), policy=default))
            assert found is not None
            assert found[1] in server.out
            assert found[1] not in server.err
        assert all(isinstance(line, dict) for line in server.log)


async def test_without_a_mail_server_nothing_is_lost(
    sqlite_settings: Settings, clock: SettableClock
) -> None:
    """Behind https, mails wait until there is a server, are no files, and a warning says so."""
    chosen = replace(sqlite_settings, public_url="https://auth.example.com")
    assert any("GQL_AUTH_MAIL_URL is not set" in each for each in chosen.warnings)
    auth = GraphQLAuth(chosen, clock=clock)
    async with auth.running() as system:
        await post(auth, letter("ada@example.com"))
        await system.deliver()
        clock.forward(days=30)
        await system.deliver()
        assert len(look(chosen, select(MailRow))) == 1
    assert not (chosen.data_dir / "mail").exists()
    async with mail_server() as server:
        url = f"smtp://127.0.0.1:{server.port}?tls=none"
        async with GraphQLAuth(replace(chosen, mail_url=url), clock=clock).running():
            await within(10, lambda: server.recipients == ["ada@example.com"])


async def test_a_file_comes_twice_under_one_name(tmp_path: Path) -> None:
    """A mail that is written again takes the place of itself, whatever its Message-ID holds."""
    said: list[str] = []
    outlet = FileOutlet(tmp_path / "mail", said.append)
    message = EmailMessage()
    message["To"], message["Subject"] = "ada@example.com", "Hello"
    message["Message-ID"] = "<../../etc/x@example.com>"
    message.set_content("See https://x.example/#token=abc now")
    for _ in range(2):
        await outlet.send(message, sender="a@example.com", recipient="ada@example.com")
    (file,) = (tmp_path / "mail").iterdir()
    assert file.parent == tmp_path / "mail"
    assert "https://x.example/#token=abc" in said[0]
