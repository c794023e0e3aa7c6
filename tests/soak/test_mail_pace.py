"""How long mail takes, from the mutation that asks for it until the mail server has it, while fifty
are asked for a second."""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gql_auth import GraphQLAuth
from gql_auth.features.signin.core import SignIn
from gql_auth.kernel.settings import Settings
from tests.cluster import cluster
from tests.live import within
from tests.mailbox import FORGOT
from tests.mailing import MailServer, mail_server
from tests.process import serving
from tests.replicas import UNTHROTTLED
from tests.support import PASSWORD, SECRET

A_SECOND, SECONDS = 50, 60
PEOPLE = 300  # each asks every six seconds: which mail answers which request is plain
BOUND = 2.0  # seconds, for 99 of 100


@pytest.mark.parametrize(("kind", "workers"), [("sqlite", 1), ("sqlite", 2), ("postgresql", 1)])
async def test_pace(
    kind: str,
    workers: int,
    tmp_path: Path,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """At fifty mutations a second, 99 of 100 mails are with the mail server within two seconds, and
    each is sent once, however many workers there are."""
    with ExitStack() as stack:
        url = "" if kind == "sqlite" else stack.enter_context(cluster()).database("pace")
        chosen = Settings(data_dir=tmp_path, database_url=url, secret=SECRET, bcrypt_cost=10)
        people = await _people(chosen)
        async with mail_server() as server:
            with serving(
                "--workers",
                str(workers),
                data_dir=tmp_path,
                database_url=url,
                secret=SECRET,
                mail_url=f"smtp://127.0.0.1:{server.port}?tls=none",
                **UNTHROTTLED,
            ) as running:
                asked, answered = await _ask(running.url, people)
                total = sum(map(len, asked.values()))
                await within(60, lambda: len(server.taken) >= total)
    spans = _spans(server, asked)
    told = (
        f"{total} mutations at {A_SECOND}/s; until the mail server has it: {_spelled(spans)}; "
        f"until the answer: {_spelled(answered)}"
    )
    record_testsuite_property(f"pace of mail on {kind}, workers: {workers}", told)
    assert len({each.id for each in server.taken}) == len(server.taken) == total
    assert statistics.quantiles(spans, n=100)[98] < BOUND, told


async def _people(settings: Settings) -> list[str]:
    emails = [f"{number}@example.com" for number in range(PEOPLE)]
    # Nothing is sent at this time.
    quiet = replace(settings, public_url="https://localhost", notices=())
    async with GraphQLAuth(quiet).running() as system:
        for email in emails:
            await system.part(SignIn).create_account(
                email=email, password=PASSWORD, username=None, name=None
            )
    return emails


async def _ask(url: str, people: list[str]) -> tuple[dict[str, list[float]], list[float]]:
    """Ask at a steady pace, whatever the answers do; when each asked, and how long answers took."""
    asked: dict[str, list[float]] = defaultdict(list)
    answered: list[float] = []

    async def ask(http: httpx.AsyncClient, email: str) -> None:
        began = time.monotonic()
        asked[email].append(began)
        given = {"query": FORGOT, "variables": {"email": email}}
        answer = await http.post("/graphql", json=given)
        assert answer.json()["data"]["forgotPassword"]["__typename"] == "MailRequested"
        answered.append(time.monotonic() - began)

    async with httpx.AsyncClient(base_url=url, timeout=60) as http, asyncio.TaskGroup() as group:
        start = time.monotonic()
        for number in range(A_SECOND * SECONDS):
            await asyncio.sleep(max(0.0, start + number / A_SECOND - time.monotonic()))
            group.create_task(ask(http, people[number % PEOPLE]))
    return asked, answered


def _spans(server: MailServer, asked: dict[str, list[float]]) -> list[float]:
    came: dict[str, list[float]] = defaultdict(list)
    for each in server.taken:
        came[each.recipient].append(each.at)
    return [
        arrival - began
        for email, times in asked.items()
        for began, arrival in zip(times, sorted(came[email]), strict=True)
    ]


def _spelled(spans: list[float]) -> str:
    cuts = statistics.quantiles(spans, n=100)
    return f"p50 {cuts[49]:.3f} s, p99 {cuts[98]:.3f} s, longest {max(spans):.3f} s"
