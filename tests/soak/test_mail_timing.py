"""How long answers take for addresses with an account and without: a statistical test, in time."""

import json
import random
import sys
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import httpx
import pytest
from sqlmodel import update

from gql_auth.features.users.tables import UserRow
from gql_auth.kernel.settings import Settings
from tests import process
from tests.database import tamper
from tests.mailbox import CHANGE, FORGOT, MAGIC, RESEND
from tests.support import LOGIN, PASSWORD, SIGNUP

PAIRS = 300  # of each mutation; every address is asked for once
SIGNUPS = 120  # these hash a password
DRAWS = 2_000  # of the bootstrap
SHOWN = 0.05  # of the answer's time: a difference of which the interval leaves no doubt
SIGHT = 0.2  # of it: how wide the interval may be, so that a real difference would show


def middle(sample: list[float]) -> float:
    """The mean of the middle half: a garbage collection or a disk is no difference."""
    ordered = sorted(sample)
    quarter = len(ordered) // 4
    return fmean(ordered[quarter : len(ordered) - quarter])


def interval(known: list[float], unknown: list[float]) -> tuple[float, float, float]:
    """The difference of the middles in milliseconds, and its 99 % confidence interval."""
    draw = random.Random(1)
    found = sorted(
        middle(draw.choices(known, k=len(known))) - middle(draw.choices(unknown, k=len(unknown)))
        for _ in range(DRAWS)
    )
    low, high = found[DRAWS // 200], found[-DRAWS // 200]
    return (middle(known) - middle(unknown)) * 1e3, low * 1e3, high * 1e3


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def test_known_and_unknown_addresses(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether an address has an account makes no difference to how long its answer takes, in
    whatever way one asks: the 99 % intervals show no difference of 5 %, and would show one of
    20 %."""
    off = {
        f"throttle_{name}": "off"
        for name in ("mail_recipient", "mail_address", "mail_account", "signup_address",
                     "change_password_session", "login_address", "login_account",
                     "login_account_address")
    }  # fmt: skip
    base: dict[str, Any] = {
        "data_dir": tmp_path,
        "database_url": database,
        "secret": "Zx3vQ9_kLw7TbN2mRc8YpHs5Ju1Fg6Dd-test",
        "bcrypt_cost": 10,
        "log_lines": "off",
        **off,
    }
    rows, worst = [], []
    known = [f"known{number}@example.com" for number in range(PAIRS)]
    with process.serving(**base) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        for email in known:
            post(http, SIGNUP, {"input": {"email": email, "password": PASSWORD}})
    place = Settings(data_dir=tmp_path, database_url=database, secret=base["secret"])
    tamper(place, update(UserRow).where(UserRow.email == known[-1]).values(email_verified=True))
    with (
        process.serving(**base, require_verified_email="on") as server,
        httpx.Client(base_url=server.url, timeout=60) as http,
    ):
        entered = post(http, LOGIN, {"input": {"email": known[-1], "password": PASSWORD}})
        bearer = entered["data"]["login"]["accessToken"]
        for name, mutation, count in (
            ("forgotPassword", FORGOT, PAIRS),
            ("requestMagicLink", MAGIC, PAIRS),
            ("resendVerifyEmail", RESEND, PAIRS),
            ("requestEmailChange", CHANGE, SIGNUPS),
            ("signup", SIGNUP, SIGNUPS),
        ):
            times: dict[bool, list[float]] = {True: [], False: []}
            order = [(email, True) for email in known[:count]]
            order += [(f"{name.lower()}{n}@example.com", False) for n in range(count)]
            random.Random(2).shuffle(order)
            for email, is_known in order:
                sent: dict[str, Any] = {"email": email}
                if mutation is SIGNUP:
                    sent = {"input": {"email": email, "password": PASSWORD}}
                elif mutation is CHANGE:
                    sent = {"newEmail": email, "password": PASSWORD}
                idle(http)
                began = time.perf_counter()
                answer = post(http, mutation, sent, bearer if mutation is CHANGE else "")
                times[is_known].append(time.perf_counter() - began)
                assert "errors" not in answer, answer
            difference, low, high = interval(times[True], times[False])
            usual = middle(times[True] + times[False]) * 1e3
            rows.append(f"{name:20} {count:4} {usual:8.2f} {difference:+8.3f} "
                        f"[{low:+.3f}, {high:+.3f}]")  # fmt: skip
            worst.append((max(low, -high) / usual, max(-low, high) / usual, name))
    with capsys.disabled():
        head = "mutation              each   ms      difference, 99 % interval (ms)"
        sys.stdout.write("\n".join(["", head, *rows, ""]))
    assert all(shown < SHOWN and reach < SIGHT for shown, reach, _ in worst), worst


def idle(http: httpx.Client) -> None:
    """Let what the answer before has left to do be done: it shall not be in the next one's time."""
    for _ in range(3):
        http.get("/readyz")
        time.sleep(0.004)


def post(
    http: httpx.Client, query: str, variables: dict[str, Any], bearer: str = ""
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    sent = {"query": query, "variables": variables}
    found: dict[str, Any] = json.loads(http.post("/graphql", json=sent, headers=headers).content)
    return found
