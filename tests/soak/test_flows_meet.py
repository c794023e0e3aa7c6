"""All flows of one account at the same time, on both databases: none waits for another in a circle,
and no answer is a defect."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx

from gql_auth import GraphQLAuth, Settings
from gql_auth.app import create_app
from gql_auth.features.signin.core import SignIn
from gql_auth.features.users.core import Users
from gql_auth.kernel.errors import Refused
from gql_auth.kernel.settings import declared
from tests.mailbox import (
    CHANGE,
    CONFIRM,
    DELETE,
    ENTER,
    EXPORT,
    FORGOT,
    MAGIC,
    PROFILE,
    RESEND,
    RESET,
    VERIFY,
    Mailbox,
    link_of,
)
from tests.support import LOGIN, PASSWORD, GraphQLClient

SECONDS = 40
PEOPLE = 12
ADDRESSES = ("ada@example.com", "ada@elsewhere.example")
SPENT = {"verify-email": VERIFY, "reset-password": RESET, "magic-link": ENTER,
         "change-email": CONFIRM}  # fmt: skip


async def test_everything_at_once(
    settings: Settings, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Twelve who know the password do whatever there is to do to one account, while it is cleaned,
    delivered, disabled and enabled: refusals are all that comes of it."""
    off: dict[str, Any] = {name: None for name in declared() if name.startswith("throttle_")}
    box, told = Mailbox(), Counter()
    auth = GraphQLAuth(replace(settings, **off), mail=box)
    transport = httpx.ASGITransport(create_app(auth))
    until = time.monotonic() + SECONDS
    async with (
        auth.running() as system,
        httpx.AsyncClient(transport=transport, base_url=settings.public_url, timeout=60) as http,
        asyncio.TaskGroup() as lives,
    ):
        first = GraphQLClient(http, settings.public_url)
        first_id = UUID((await first.signup())["user"]["id"])

        async def one(number: int) -> None:
            who, choose = GraphQLClient(http, settings.public_url), random.Random(number)
            while time.monotonic() < until:
                email = choose.choice(ADDRESSES)
                acts: list[tuple[str, dict[str, Any]]] = [
                    (LOGIN, {"input": {"email": email, "password": PASSWORD}}),
                    (FORGOT, {"email": email}),
                    (MAGIC, {"email": email}),
                    (RESEND, {"email": email}),
                    (CHANGE, {"newEmail": choose.choice(ADDRESSES), "password": PASSWORD}),
                    (PROFILE, {"input": {"name": f"Ada {number}"}}),
                    (EXPORT, {}),
                    (DELETE, {"password": PASSWORD}),
                    ("mutation { refreshToken { __typename } }", {}),
                    ("mutation { revokeOtherSessions { endedSessions } }", {}),
                ]
                if box.mails and (found := link_of(mail := choose.choice(box.mails[-4:]))):
                    action, token = found
                    sent = {"token": token, "newPassword": PASSWORD, "confirmed": True}
                    wanted = {name: sent[name] for name in sent if f"${name}" in SPENT[action]}
                    acts += [(SPENT[action], wanted)] * 20
                    if choose.random() < 0.3:
                        box.mails = [each for each in box.mails if each is not mail]
                answer = await who.post(*choose.choice(acts))
                for error in answer.get("errors", []):
                    told[error["extensions"]["code"]] += 1
                for value in (answer.get("data") or {}).values():
                    told[value.get("__typename")] += 1
                    who.access_token = value.get("accessToken", who.access_token)

        async def operator() -> None:
            while time.monotonic() < until:
                await asyncio.sleep(0.5)
                await system.clean()
                try:
                    await system.part(SignIn).disable(first_id)
                    async with system.units.write() as unit:
                        await unit.get(Users).enable(first_id)
                except Refused as refused:
                    told[refused.code] += 1

        for number in range(PEOPLE):
            lives.create_task(one(number))
        lives.create_task(operator())
    record_testsuite_property("flows at once", str(dict(told)))
    assert told["AuthPayload"] > SECONDS, told
    assert told["ConfirmEmailChangePayload"], told
    assert told["ResetPasswordPayload"], told
    assert not {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"} & set(told), told
