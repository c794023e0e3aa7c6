"""The outbox and its deliverer, with a real SMTP server that misbehaves: nothing is lost, nothing
is sent twice while processes live, and what cannot be delivered is kept and told of."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import select, update

from gql_auth.app import GraphQLAuth
from gql_auth.features.keys.core import MasterSecret
from gql_auth.features.keys.sealing import Seal
from gql_auth.features.mail.core import Letter, MailKind, MailStore, Outbox
from gql_auth.features.mail.delivery import Deliverer
from gql_auth.features.mail.outlets import TryLater, Undeliverable
from gql_auth.features.mail.tables import MailRow
from gql_auth.kernel.errors import Refused
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Telemetry
from gql_auth.kernel.unit import Unit
from gql_auth.storage.places import sqlite_path
from tests.database import events, look, tamper
from tests.live import free_port, within
from tests.mailing import DROP, MailServer, letter, mail_server, post, row_of
from tests.support import SettableClock

SOON = 10.0  # seconds, on a machine with other things to do


class Counts(Telemetry):
    """Counts what is told of mail."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.levels: dict[str, Any] = {}

    def mailed(self, outcome: str, count: int = 1) -> None:
        self.seen[outcome] += count

    def watch(self, name: str, read: Any) -> None:
        self.levels[name] = read


def sent_by(settings: Settings, server: MailServer, **more: Any) -> Settings:
    """Settings that send by a server."""
    url = f"smtp://127.0.0.1:{server.port}?tls=none"
    return replace(settings, mail_url=url, mail_from="accounts@example.com", **more)


def waiting(settings: Settings) -> list[Any]:
    return list(look(settings, select(MailRow).order_by(MailRow.id)))


async def all_gone(settings: Settings) -> None:
    """Come back when the outbox is empty."""
    await within(SOON, lambda: not waiting(settings))


@asynccontextmanager
async def running(
    settings: Settings, clock: SettableClock | None = None, **more: Any
) -> AsyncIterator[GraphQLAuth]:
    auth = GraphQLAuth(settings, clock=clock, **more)
    async with auth.running():
        yield auth


class Undone(Exception):  # noqa: N818 - a state of affairs
    """The transaction is rolled back."""


async def post_and_undo(auth: GraphQLAuth, undone: Letter) -> None:
    async with auth.system.units.write() as unit:
        await unit.get(Outbox).post(undone)
        raise Undone


# -- in order --------------------------------------------------------------------------------


async def test_a_letter_is_sent_once_and_gone(settings: Settings, clock: SettableClock) -> None:
    """What a transaction posts is sent when it has committed, and never if it has not."""
    counts = Counts()
    async with mail_server() as server:
        chosen = sent_by(settings, server)
        async with running(chosen, clock, telemetry=counts) as auth:
            with pytest.raises(Undone):
                await post_and_undo(auth, letter("never@example.com"))
            await post(auth, letter("ada@bücher.example", locale="de"))
            await all_gone(chosen)
    (taken,) = server.taken
    assert taken.recipient == "ada@xn--bcher-kva.example"
    assert taken.sender == "accounts@example.com"
    message = taken.message
    assert message["To"] == "ada@xn--bcher-kva.example"
    assert message["Date"].datetime == clock.instant
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "de"
    assert message["Message-ID"].endswith("@example.com>")
    assert counts.seen == {"sent": 1}
    assert counts.levels["mails_sending"]() == 0


async def test_what_waits_is_of_no_use_to_who_reads_the_database(
    sqlite_settings: Settings,
) -> None:
    """Neither the address nor a link of a waiting mail is in the database's files; another row's
    seal opens nothing, nor does another secret."""
    token = "T0ken" * 8
    async with running(
        replace(sqlite_settings, mail_url=f"smtp://127.0.0.1:{free_port()}")
    ) as auth:
        await post(auth, letter("ada@example.com", words={"link": f"https://x/#token={token}"}))
        await post(auth, letter("bob@example.com"))
    path = sqlite_path(sqlite_settings)
    assert path is not None
    for file in path.parent.glob(f"{path.name}*"):
        assert b"ada@example.com" not in file.read_bytes()
        assert token.encode() not in file.read_bytes()
    one, two = waiting(sqlite_settings)
    tamper(sqlite_settings, update(MailRow).where(MailRow.id == two.id).values(sealed=one.sealed))
    async with mail_server() as server:
        chosen = sent_by(sqlite_settings, server)
        async with running(chosen):
            await within(SOON, lambda: events(chosen, "mail:delivery:failed"))
            await within(SOON, lambda: len(waiting(chosen)) == 1)
    assert server.recipients == ["ada@example.com"]
    assert waiting(chosen)[0].last_error == "sealed with another secret"


async def test_not_more_at_once_than_was_said(sqlite_settings: Settings) -> None:
    """Connections are as many as the setting says, and kept: many letters, few connections."""
    async with mail_server() as server:
        server.will("DATA", *[0.02] * 40)
        chosen = sent_by(sqlite_settings, server, mail_connections=3)
        async with running(chosen) as auth:
            await post(auth, *(letter(f"{number}@example.com") for number in range(40)))
            await all_gone(chosen)
    assert Counter(server.recipients) == {f"{number}@example.com": 1 for number in range(40)}
    assert server.busiest == 3
    assert server.connections == 3


async def test_two_processes_never_send_one_letter_twice(settings: Settings) -> None:
    """Systems on one database, as workers and replicas are: each letter goes out once, whoever
    posts it, and whoever comes and goes in the meantime."""
    number = 60
    async with mail_server() as server, AsyncExitStack() as stack:
        server.will("DATA", *[random.uniform(0, 0.03) for _ in range(number)])
        chosen = sent_by(settings, server)
        auths = [await stack.enter_async_context(running(chosen)) for _ in range(2)]

        async def come_and_go() -> None:
            async with running(chosen) as third:
                for each in range(number // 3):
                    await post(third, letter(f"third{each}@example.com"))

        async with asyncio.TaskGroup() as group:
            group.create_task(come_and_go())
            for each, auth in enumerate(auths):
                for one in range(number // 3):
                    group.create_task(post(auth, letter(f"{each}-{one}@example.com")))
        await all_gone(chosen)
    assert len(server.taken) == number
    assert len({each.id for each in server.taken}) == number
    assert len(set(server.recipients)) == number


# -- servers that misbehave ------------------------------------------------------------------


async def test_greylisting(settings: Settings, clock: SettableClock) -> None:
    """A 450 is later: the same mail with the same Message-ID, after waits that double; and the
    letter beside it goes out at once."""
    counts = Counts()
    async with mail_server() as server:
        server.will("RCPT", *["450 4.2.0 Greylisted"] * 3, address="ada@example.com")
        chosen = sent_by(settings, server)
        async with running(chosen, clock, telemetry=counts) as auth:
            await post(auth, letter("ada@example.com"), letter("bob@example.com"))
            waits = []
            for attempts in (1, 2, 3):
                await within(SOON, lambda wanted=attempts: (
                    [row.attempts for row in waiting(chosen)] == [wanted]
                ))  # fmt: skip
                (row,) = waiting(chosen)
                assert row.last_error == "450 4.2.0"
                waits.append((row.due_at - clock.instant).total_seconds())
                clock.instant = row.due_at - timedelta(seconds=1)
                await auth.system.deliver()
                assert len(waiting(chosen)) == 1, "too early"
                clock.forward(seconds=1)
                await auth.system.deliver()
            await all_gone(chosen)
    assert server.recipients == ["bob@example.com", "ada@example.com"]
    for wait, usual in zip(waits, (30, 60, 120), strict=True):
        assert 0.75 * usual <= wait <= 1.25 * usual
    (taken,) = server.to("ada@example.com")
    assert row_of(taken.id) == row.id
    assert counts.seen == {"sent": 2, "retried": 3}


async def test_one_bad_recipient_of_several(settings: Settings, clock: SettableClock) -> None:
    """A 5xx is never, for that recipient: the letter is kept as undeliverable, with an event and a
    line in the log that hold no address; the others get theirs."""
    counts = Counts()
    user_id = uuid4()
    async with mail_server() as server:
        server.will("RCPT", "550 5.1.1 <bob@example.com>: unknown", address="bob@example.com")
        chosen = sent_by(settings, server)
        async with running(chosen, clock, telemetry=counts) as auth:
            await post(
                auth,
                letter("ada@example.com"),
                letter("bob@example.com", MailKind.DELETION_DONE, user_id=user_id,
                       words={"at": clock.instant.isoformat()}),
                letter("cyd@example.com"),
            )  # fmt: skip
            await within(SOON, lambda: len(waiting(chosen)) == 1)
            await within(SOON, lambda: counts.seen["dead"])
    assert sorted(server.recipients) == ["ada@example.com", "cyd@example.com"]
    (row,) = waiting(chosen)
    assert (row.due_at, row.dead_at, row.last_error) == (None, clock.instant, "550 5.1.1")
    (event,) = events(chosen, "mail:delivery:failed")
    assert event.user_id == user_id
    assert event.detail == {"mail": "deletion-done", "reason": "550 5.1.1"}
    assert counts.seen == {"sent": 2, "dead": 1}
    assert server.asked["RCPT"] == 3, "not tried again"


async def test_an_answer_that_is_lost_after_data(settings: Settings, clock: SettableClock) -> None:
    """Nobody knows whether it was taken: it is sent again, and both have one Message-ID."""
    async with mail_server() as server:
        server.will("DATA", DROP)
        chosen = sent_by(settings, server)
        async with running(chosen, clock) as auth:
            await post(auth, letter("ada@example.com"))
            await within(SOON, lambda: [row.attempts for row in waiting(chosen)] == [1])
            assert waiting(chosen)[0].last_error == "connection lost"
            clock.forward(minutes=1)
            await auth.system.deliver()
            await all_gone(chosen)
    first, second = server.taken
    assert first.id == second.id
    assert first.message["Date"] == second.message["Date"]


async def test_a_slow_server_holds_up_nobody_else(sqlite_settings: Settings) -> None:
    """While one letter waits for its answer, others go out on other connections, and the slow one
    is sent once."""
    async with mail_server() as server:
        server.will("DATA", 1.5, address="slow@example.com")
        chosen = sent_by(sqlite_settings, server)
        async with running(chosen) as auth:
            await post(auth, letter("slow@example.com"))
            await within(SOON, lambda: server.busy)
            await post(auth, *(letter(f"{number}@example.com") for number in range(10)))
            await within(SOON, lambda: len(server.taken) == 10)
            assert server.busy == 1, "the slow one is still on its way"
            await all_gone(chosen)
    assert len(server.to("slow@example.com")) == 1


async def test_a_server_that_is_away(sqlite_settings: Settings, clock: SettableClock) -> None:
    """While nobody answers, letters wait, however long, and none is counted as tried; then all go
    out. The log says so once a pause, not once a letter."""
    port = free_port()
    url = f"smtp://127.0.0.1:{port}?tls=none"
    chosen = replace(sqlite_settings, mail_url=url, mail_retry_for=timedelta(minutes=1))
    counts = Counts()
    async with running(chosen, clock, telemetry=counts) as auth:
        await post(auth, *(letter(f"{number}@example.com") for number in range(20)))
        for _ in range(12):
            await auth.system.deliver()
            clock.forward(days=1)
        rows = waiting(chosen)
        assert {row.attempts for row in rows} == {0}
        assert len(rows) == 20
        assert not counts.seen
        assert counts.levels["mails_oldest_seconds"]() >= 0
        async with mail_server(port=port) as server:
            clock.forward(minutes=10)  # the longest pause
            await auth.system.deliver()
            await all_gone(chosen)
    assert len(set(server.recipients)) == len(server.taken) == 20
    assert counts.seen == {"sent": 20}


async def test_patience_ends(sqlite_settings: Settings, clock: SettableClock) -> None:
    """A letter that is put off again and again is given up after the time that was set."""
    async with mail_server() as server:
        server.will("RCPT", *["451 4.3.0 not now"] * 50)
        chosen = sent_by(sqlite_settings, server, mail_retry_for=timedelta(minutes=5))
        async with running(chosen, clock) as auth:
            await post(auth, letter("ada@example.com"))
            for _ in range(30):
                await auth.system.deliver()
                await asyncio.sleep(0.01)
                clock.forward(minutes=10)
    (row,) = waiting(chosen)
    assert row.dead_at is not None
    # 30 s, 60 s and 120 s; the next wait, of 240 s, would end after five minutes.
    assert (row.attempts, server.asked["RCPT"]) == (4, 4)
    assert len(events(chosen, "mail:delivery:failed")) == 1


async def test_a_letter_past_its_time_is_not_sent(
    sqlite_settings: Settings, clock: SettableClock
) -> None:
    """A link that has expired before its mail could go is not sent; it is told of."""
    async with mail_server() as server:
        chosen = sent_by(sqlite_settings, server)
        over = clock.instant + timedelta(minutes=15)
        waits = replace(chosen, mail_url=f"smtp://127.0.0.1:{free_port()}?tls=none")
        async with running(waits, clock) as auth:
            await post(auth, letter("ada@example.com", expires_at=over))
        clock.instant = over
        async with running(chosen, clock):
            await within(SOON, lambda: events(chosen, "mail:delivery:failed"))
    assert server.taken == []
    assert waiting(chosen)[0].last_error == "expired before it could be sent"


# -- the process -----------------------------------------------------------------------------


async def test_a_stop_hands_back_what_was_not_begun(
    sqlite_settings: Settings, clock: SettableClock
) -> None:
    """A server that stops finishes what is on its way, hands the rest back and lets go of its turn:
    the next one goes on, though not a second has passed, and sends nothing twice."""
    async with mail_server() as server:
        server.will("DATA", *[0.5] * 2)
        chosen = sent_by(sqlite_settings, server, mail_connections=2)
        async with running(chosen, clock) as auth:
            await post(auth, *(letter(f"{number}@example.com") for number in range(9)))
            await within(SOON, lambda: server.busy == 2)
        assert len(server.taken) == 2, "those on their way were finished"
        assert len(waiting(chosen)) == 7
        async with running(chosen, clock):
            await all_gone(chosen)
    assert len(server.taken) == len(set(server.recipients)) == 9


async def test_a_letter_that_somebody_else_has_taken_is_left_to_them(
    sqlite_settings: Settings, clock: SettableClock
) -> None:
    """A process that was stopped so long that its claim ran out notes nothing of what it has to
    tell: the letter is somebody else's by then. But that it was sent counts."""
    async with running(sqlite_settings, clock) as auth, auth.system.units.write() as unit:
        store = unit.get(MailStore)
        await unit.get(Outbox).post(letter("ada@example.com"))
        (item,) = await store.claim(clock.now(), 5, until=clock.now() + timedelta(seconds=9))
        clock.forward(seconds=10)
        (other,) = await store.claim(clock.now(), 5, until=clock.now() + timedelta(seconds=9))
        assert not await store.change(item, {"due_at": clock.now()})
        assert (await store.get(item.id)) == other
        assert await store.change(other, {"attempts": 3})
        await store.remove([other.id])
        assert not await store.change(other, {"attempts": 3})


# -- a host's own outlet ---------------------------------------------------------------------


class Provider:
    """A host's outlet: what it does is what it is told."""

    def __init__(self, *does: Exception | None) -> None:
        self.does = list(does)
        self.taken: list[str] = []
        self.gate: asyncio.Event | None = None

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        if self.does and (trouble := self.does.pop(0)) is not None:
            raise trouble
        if self.gate is not None:
            await self.gate.wait()
        self.taken.append(recipient)


async def test_a_hosts_own_way_to_send(sqlite_settings: Settings, clock: SettableClock) -> None:
    """An outlet given to `GraphQLAuth(mail=…)` takes the place of SMTP; what it raises counts, and
    whatever is unforeseen is later, never lost."""
    provider = Provider(Undeliverable("blocked"), TryLater("busy"), RuntimeError("ada@example.com"))
    counts = Counts()
    chosen = replace(sqlite_settings, mail_url="smtps://elsewhere.test", mail_connections=1)
    async with running(chosen, clock, mail=provider, telemetry=counts) as auth:
        for number in range(4):
            await post(auth, letter(f"{number}@example.com"))
        await within(SOON, lambda: counts.seen == {"dead": 1, "retried": 2, "sent": 1})
        assert [row.last_error for row in waiting(chosen)] == ["blocked", "busy", "RuntimeError"]
        clock.forward(minutes=1)
        await auth.system.deliver()
        await within(SOON, lambda: len(waiting(chosen)) == 1)
    assert sorted(provider.taken) == ["1@example.com", "2@example.com", "3@example.com"]


# -- errands ---------------------------------------------------------------------------------


class Errands:
    """Errands of a test: what runs by name, on a deliverer that nothing else uses."""

    def __init__(self, auth: GraphQLAuth, clock: SettableClock) -> None:
        self.auth = auth
        self.ran: Counter[str] = Counter()
        self.gate = asyncio.Event()
        system = auth.system
        self.deliverer = Deliverer(
            system.units,
            auth.system._postman._bell,
            auth.system._postman._sending,
            {
                "greet": self.greet,
                "fail": self.fail,
                "refuse": self.refuse,
                "open-gate": self.open_gate,
            },
            seal=Seal(system.part(MasterSecret), "mail"),
            clock=clock,
            telemetry=system.telemetry,
            is_migrated=lambda: True,
            patience=timedelta(minutes=5),
        )

    async def greet(self, unit: Unit, payload: Mapping[str, Any]) -> None:
        self.ran[payload["to"]] += 1
        await unit.get(Outbox).post(letter(payload["to"]))

    async def fail(self, unit: Unit, payload: Mapping[str, Any]) -> None:
        self.ran["fail"] += 1
        await unit.get(Outbox).post(letter("wrong@example.com"))
        raise RuntimeError(payload["to"])

    async def refuse(self, unit: Unit, payload: Mapping[str, Any]) -> None:
        self.ran["refuse"] += 1
        await unit.get(Outbox).post(letter("wrong@example.com"))
        raise Evidence

    async def open_gate(self, unit: Unit, payload: Mapping[str, Any]) -> None:
        """Let a letter land while this transaction is open."""
        self.gate.set()
        await within(SOON, lambda: not self.auth.system._postman._sending.flying)

    async def ask(self, *wishes: tuple[str, str]) -> None:
        async with self.auth.system.units.write() as unit:
            for errand, to in wishes:
                await unit.get(Outbox).ask(errand, {"to": to})

    async def run(self) -> None:
        await self.deliverer.deliver(asyncio.Event())


class Evidence(Refused):
    """A refusal that commits."""

    leaves_evidence = True


async def test_errands_run_once_whatever_their_neighbours_do(
    settings: Settings, clock: SettableClock
) -> None:
    """An errand that fails, or refuses, is put off and leaves nothing behind; those beside it run
    once. In the end it is given up, with an event."""
    counts = Counts()
    quiet = replace(settings, mail_url=f"smtp://127.0.0.1:{free_port()}?tls=none")
    async with running(quiet, clock, mail=Provider(), telemetry=counts) as auth:
        errands = Errands(auth, clock)
        people = [f"{number}@example.com" for number in range(5)]
        # Not by the system's own deliverer, which knows of no such errand.
        auth.system._postman.deliverer._is_migrated = lambda: False
        await errands.ask(*(("greet", to) for to in people[:3]), ("fail", "x"), ("refuse", "x"),
                          *(("greet", to) for to in people[3:]))  # fmt: skip
        for _ in range(12):
            await errands.run()
            await asyncio.sleep(0.01)
            clock.forward(minutes=10)
        rows = waiting(quiet)
        assert [(row.kind, row.last_error) for row in rows] == [
            ("fail", "RuntimeError"),
            ("refuse", "ErrandRefused"),
        ]
        provider = auth.system._postman._outlet
        assert Counter(provider.taken) == dict.fromkeys(people, 1), "each once, and no wrong ones"
        # Those of the first batch ran twice, once in the transaction that was rolled back.
        assert {errands.ran[to] for to in people} <= {1, 2}
    assert {row.dead_at is not None for row in rows} == {True}
    assert {row.attempts for row in rows} == {4}
    told = [event.detail["mail"] for event in events(quiet, "mail:delivery:failed")]
    assert sorted(told) == ["fail", "refuse"]
    assert counts.seen == {"sent": 5, "retried": 6, "dead": 2}


async def test_what_lands_in_the_meantime_is_noted_at_once(
    sqlite_settings: Settings, clock: SettableClock
) -> None:
    """A letter that lands while a transaction is open is noted in the next one, not when the next
    letter comes: what is noted late is what a crash doubles."""
    provider = Provider()
    async with running(sqlite_settings, clock, mail=provider) as auth:
        auth.system._postman.deliverer._is_migrated = lambda: False
        errands = Errands(auth, clock)
        provider.gate = errands.gate
        await post(auth, letter("ada@example.com"))
        async with asyncio.TaskGroup() as group:
            group.create_task(errands.run())
            await within(SOON, lambda: auth.system._postman._sending.flying)
            await errands.ask(("open-gate", "x"))
        assert provider.taken == ["ada@example.com"]
        assert waiting(sqlite_settings) == []
