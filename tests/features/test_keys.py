"""Signing keys through their life, on both databases; and what other processes learn of them."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from sqlmodel import col, select, update

from gql_auth import Unauthenticated
from gql_auth.app import GraphQLAuth
from gql_auth.features.keys.core import KeyRefused, KeyRings, Keys, SecretMismatch, StoredKey
from gql_auth.features.keys.tables import KeyRow
from gql_auth.features.signin.core import SignIn
from gql_auth.features.tokens import jws
from gql_auth.kernel.caller import Client
from gql_auth.kernel.settings import Settings
from gql_auth.kernel.transports import Presented
from gql_auth.system import System
from tests.database import events, look, tamper
from tests.live import within
from tests.support import PASSWORD, GraphQLClient, SettableClock, reason_of

Start = Callable[..., Any]
_CLIENT = Client()


@pytest.fixture
async def start(settings: Settings, clock: SettableClock) -> AsyncIterator[Start]:
    """Starts systems on the database, each in the place of another process."""
    async with AsyncExitStack() as stack:

        async def begin(**changes: Any) -> System:
            auth = GraphQLAuth(replace(settings, **changes), clock=clock)
            return await stack.enter_async_context(auth.running())

        yield begin


async def rotate(system: System, **options: Any) -> StoredKey:
    async with system.units.write() as unit:
        return await unit.get(Keys).rotate(**options)


async def retire(system: System, kid: str, **options: Any) -> StoredKey:
    life = system.settings.access_token_ttl
    async with system.units.write() as unit:
        return await unit.get(Keys).retire(kid, access_token_ttl=life, **options)


async def states(system: System) -> dict[str, str]:
    """Every key's state, oldest first."""
    async with system.units.read() as unit:
        return {key.kid: key.state.value for key in await unit.get(Keys).list()}


async def published(client: GraphQLClient) -> dict[str, dict[str, Any]]:
    """The JWKS as other services get it, by key id."""
    answer = await client.http.get("/.well-known/jwks.json")
    assert answer.headers["content-type"].startswith("application/jwk-set+json")
    return {key["kid"]: key for key in answer.json()["keys"]}


def kid_of(token: str | None) -> str:
    assert token
    kid: str = json.loads(jws.canonical(token.split(".", maxsplit=1)[0]))["kid"]
    return kid


def signing_kid(auth: GraphQLAuth) -> str:
    """The key that the running server signs with."""
    return auth.system.part(KeyRings).ring.kid


# --- life -----------------------------------------------------------------------------------


async def test_the_first_start_makes_two_keys(auth: GraphQLAuth, client: GraphQLClient) -> None:
    """On an empty database there are then the key that signs and the coming one, both public."""
    assert sorted((await states(auth.system)).values()) == ["current", "next"]
    for kid, jwk in (await published(client)).items():
        assert jwk.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (jwk["kid"], jwk["use"], jwk["alg"]) == (kid, "sig", "ES256")
    assert (await states(auth.system)).keys() == (await published(client)).keys()


async def test_a_second_start_finds_the_keys(start: Start) -> None:
    """Starting again makes nothing new."""
    first = await states(await start())
    assert await states(await start()) == first


async def test_a_rotation(
    auth: GraphQLAuth, client: GraphQLClient, start: Start, clock: SettableClock
) -> None:
    """The coming key is public before it signs; tokens of the one before still count; a running
    server takes a rotation made elsewhere within its poll interval."""
    await client.signup()
    old_token, before = client.access_token, await published(client)
    operator = await start()
    clock.forward(minutes=5)
    new = await rotate(operator)
    assert new.kid in before
    assert kid_of(old_token) != new.kid
    await within(5, lambda: signing_kid(auth) == new.kid)

    await client.refresh()
    assert kid_of(client.access_token) == new.kid
    assert (await client.me())["data"]["me"]["email"] == "ada@example.com"
    assert "errors" not in await client.me(token=old_token)
    after = await published(client)
    assert before.keys() < after.keys()
    assert len(after) == 3
    assert sorted((await states(operator)).values()) == ["current", "next", "previous"]
    (event,) = events(auth.settings, "key:rotation:done")
    assert event.detail == {"kid": new.kid, "replaced": kid_of(old_token)}


async def test_rotating_too_early(start: Start, clock: SettableClock) -> None:
    """A second rotation is refused until verifiers have surely seen the key it would use."""
    system = await start()
    clock.forward(seconds=1)
    await rotate(system)  # both first keys were published together
    clock.forward(seconds=299.999)
    with pytest.raises(KeyRefused, match=r"published 299 s ago.*--force"):
        await rotate(system)
    assert sorted((await states(system)).values()) == ["current", "next", "previous"]
    clock.forward(seconds=0.001)
    await rotate(system)
    await rotate(system, force=True)
    assert sorted((await states(system)).values()) == ["current", "next", *["previous"] * 3]


async def test_two_rotate_at_once(start: Start, clock: SettableClock) -> None:
    """Of two operators who rotate at the same instant one does, the other is refused."""
    first, second = await start(), await start()
    clock.forward(hours=1)
    results = await asyncio.gather(rotate(first), rotate(second), return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["KeyRefused", "StoredKey"]
    assert sorted((await states(first)).values()) == ["current", "next", "previous"]


async def test_retiring_a_key(
    auth: GraphQLAuth, client: GraphQLClient, start: Start, clock: SettableClock
) -> None:
    """A previous key is retired once its last token has expired, and then it is gone."""
    await client.signup()
    old = kid_of(client.access_token)
    operator = await start()
    await rotate(operator)
    clock.forward(seconds=899.999)
    with pytest.raises(KeyRefused, match=r"live until 2026-01-02 03:19:05 UTC.*--force"):
        await retire(operator, old)
    assert old in await published(client)
    clock.forward(seconds=0.001)
    await retire(operator, old)

    async def gone() -> bool:
        return old not in await published(client)

    await within(5, gone)
    assert (await states(operator))[old] == "retired"
    (event,) = events(auth.settings, "key:retirement:done")
    assert event.detail == {"kid": old}
    with pytest.raises(KeyRefused, match="is retired; only a previous key"):
        await retire(operator, old)


async def test_retiring_by_force_ends_the_keys_tokens(
    auth: GraphQLAuth, client: GraphQLClient, start: Start
) -> None:
    """After a leak a key is retired at once: its tokens are refused, and a refresh mends it."""
    await client.signup()
    old = kid_of(client.access_token)
    operator = await start()
    await rotate(operator)
    await retire(operator, old, force=True)
    await within(5, lambda: old not in {key["kid"] for key in auth.system.jwks["keys"]})
    assert reason_of(await client.me()) == "ACCESS_TOKEN_INVALID"
    await client.refresh()
    assert (await client.me())["data"]["me"]["email"] == "ada@example.com"


async def test_an_older_look_brings_no_key_back(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before a rotation does not take the place of what was read after it, however
    late it comes."""
    system = await start()
    read, go_on = asyncio.Event(), asyncio.Event()
    real = Keys.ring

    async def late(keys: Keys, known: KeyRings | None = None) -> Any:
        found = await real(keys, known)
        if not read.is_set():
            read.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(Keys, "ring", late)
    older = asyncio.create_task(system.learn())
    await read.wait()
    new = await rotate(system, force=True)
    newer = asyncio.create_task(system.learn())
    await asyncio.wait({newer}, timeout=0.5)  # it may be that it does not wait for the older
    go_on.set()
    await asyncio.gather(older, newer)
    assert system.part(KeyRings).ring.kid == new.kid


async def test_what_cannot_be_retired(start: Start) -> None:
    """The key that signs, the coming one and one that is not there cannot be retired, by force
    neither."""
    system = await start()
    for kid, state in (await states(system)).items():
        with pytest.raises(KeyRefused, match=f"is {state}; only a previous key can be retired"):
            await retire(system, kid, force=True)
    with pytest.raises(KeyRefused, match="no key 'nobody'"):
        await retire(system, "nobody", force=True)
    assert sorted((await states(system)).values()) == ["current", "next"]


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256", "HS256"])
async def test_another_algorithm(
    settings: Settings, start: Start, clock: SettableClock, algorithm: str
) -> None:
    """A changed SIGNING_ALGORITHM counts from the next rotation on, which waits until the new
    kind of key has been public; tokens signed before go on counting."""
    before = await start()
    old_kid = before.part(KeyRings).ring.kid
    grant = await before.part(SignIn).signup(
        email="ada@example.com", password=PASSWORD, username=None, name=None, client=_CLIENT
    )
    clock.forward(minutes=1)
    system = await start(signing_algorithm=algorithm)
    assert system.part(KeyRings).ring.kid == old_kid
    assert sorted((await states(system)).values()) == ["current", "next", "retired"]
    clock.forward(seconds=299.999)
    with pytest.raises(KeyRefused, match="--force"):
        await rotate(system)
    clock.forward(seconds=0.001)
    new = await rotate(system)
    assert new.algorithm == algorithm
    await within(5, lambda: system.part(KeyRings).ring.kid == new.kid)

    kinds = {"EdDSA": "OKP", "RS256": "RSA"}
    public = [key["kty"] for key in system.jwks["keys"]]
    # HS256 has no public half: nothing of it may show.
    assert public == ["EC", *[kinds[algorithm]] * 2] if algorithm in kinds else public == ["EC"]
    assert all(not key.keys() & {"d", "k", "p", "q"} for key in system.jwks["keys"])
    refreshed = await system.part(SignIn).refresh(Presented(grant.refresh_token), _CLIENT)
    assert kid_of(refreshed.access.token) == new.kid
    for token in (grant.access.token, refreshed.access.token):
        assert system.authenticate(token).user_id == grant.user.id
    # The replica that still has the old setting takes both, too.
    await within(5, lambda: before.part(KeyRings).ring.kid == new.kid)
    assert before.authenticate(refreshed.access.token).user_id == grant.user.id


# --- at rest --------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "HS256"])
async def test_private_keys_are_encrypted(settings: Settings, start: Start, algorithm: str) -> None:
    """Nothing that is stored holds a private key in any form it could be used in."""
    system = await start(signing_algorithm=algorithm)
    private = system.part(KeyRings).ring.private
    forms = [private] if algorithm == "HS256" else _forms(private)
    forms += [base64.b64encode(form) for form in forms]
    forms += [base64.urlsafe_b64encode(form).rstrip(b"=") for form in forms]
    forms += [form.hex().encode() for form in forms]
    stored = _stored_bytes(settings)
    assert system.part(KeyRings).ring.kid.encode() in stored, "this is where keys are kept"
    for form in forms:
        assert form not in stored


def _forms(private: Any) -> list[bytes]:
    """A private key as DER, as PEM, and its secret number alone."""
    plain = serialization.NoEncryption()
    forms = [
        private.private_bytes(encoding, kind, plain)
        for encoding in (serialization.Encoding.DER, serialization.Encoding.PEM)
        for kind in (serialization.PrivateFormat.PKCS8,)
    ]
    if hasattr(private, "private_bytes_raw"):
        return [*forms, private.private_bytes_raw()]
    numbers = private.private_numbers()
    secret = numbers.private_value if hasattr(numbers, "private_value") else numbers.d
    return [*forms, secret.to_bytes((secret.bit_length() + 7) // 8)]


def _stored_bytes(settings: Settings) -> bytes:
    if settings.embedded:
        files = [path for path in settings.data_dir.iterdir() if "sqlite3" in path.name]
        assert files
        return b"".join(path.read_bytes() for path in files)
    rows = look(settings, select(KeyRow))
    return b"".join(
        value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row
    )


async def test_another_master_secret(start: Start, settings: Settings) -> None:
    """With another secret the start is refused with the mend, and nothing has changed."""
    before = await states(await start())
    with pytest.raises(SecretMismatch, match=r"GQL_AUTH_SECRET .* Put the old secret back"):
        await start(secret="another-Zx3vQ9_kLw7TbN2mRc8YpHs5Ju1Fg6Dd")
    assert await states(await start()) == before


async def test_private_keys_are_bound_to_their_ids(start: Start, settings: Settings) -> None:
    """Whoever can write to the database cannot make one key pass for another."""
    found = await states(await start())
    current, coming = (
        next(kid for kid, state in found.items() if state == wanted)
        for wanted in ("current", "next")
    )
    (row,) = look(settings, select(KeyRow).where(col(KeyRow.kid) == coming))
    swap = update(KeyRow).where(col(KeyRow.kid) == current)
    assert tamper(settings, swap.values(private_encrypted=row.private_encrypted)) == 1
    with pytest.raises(SecretMismatch):
        await start()


# --- several processes ----------------------------------------------------------------------


async def test_systems_that_start_at_once(start: Start) -> None:
    """Any number of systems that start on an empty database make one pair of keys."""
    systems = await asyncio.gather(*(start() for _ in range(5)))
    assert sorted((await states(systems[0])).values()) == ["current", "next"]
    assert len({system.part(KeyRings).ring.kid for system in systems}) == 1
    assert len({json.dumps(system.jwks) for system in systems}) == 1


PROCESS = """
import asyncio, json, sys
from pathlib import Path
from gql_auth.app import GraphQLAuth
from gql_auth.kernel.settings import Settings

async def main() -> None:
    auth = GraphQLAuth(Settings.from_environment())
    print("ready", flush=True)
    sys.stdin.readline()
    async with auth.running() as system:
        print(json.dumps(system.jwks), flush=True)

asyncio.run(main())
"""


async def test_processes_that_start_at_once(settings: Settings, start: Start) -> None:
    """Two processes that start together on an empty database make one pair of keys."""
    environment = {
        **os.environ,
        "GQL_AUTH_DATA_DIR": str(settings.data_dir),
        "GQL_AUTH_DATABASE_URL": settings.database_url,
        "GQL_AUTH_SECRET": settings.secret,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    processes = [
        subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on this loop
            [sys.executable, "-c", PROCESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        found = {process.communicate(timeout=60)[0] for process in processes}
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert len(found) == 1
    system = await start()
    assert json.loads(found.pop()) == system.jwks
    assert sorted((await states(system)).values()) == ["current", "next"]


async def test_a_restart_still_refuses(
    settings: Settings, clock: SettableClock, start: Start
) -> None:
    """What was revoked before a process ended is refused after it has started again, for as long
    as the token would live."""
    async with GraphQLAuth(settings, clock=clock).running() as first:
        signin = first.part(SignIn)
        ended, kept = [
            await signin.signup(
                email=email, password=PASSWORD, username=None, name=None, client=_CLIENT
            )
            for email in ("ada@example.com", "grace@example.com")
        ]
        assert await signin.logout(Presented(ended.refresh_token), _CLIENT)
    clock.forward(seconds=899)
    second = await start()
    with pytest.raises(Unauthenticated, match="Session revoked"):
        second.authenticate(ended.access.token)
    assert second.authenticate(kept.access.token).user_id == kept.user.id
    clock.forward(seconds=1)
    with pytest.raises(Unauthenticated, match="Token expired"):
        second.authenticate(ended.access.token)


@pytest.mark.parametrize("how", ["logout", "disable"])
async def test_what_one_process_revokes_all_refuse(start: Start, how: str) -> None:
    """A session that ends in one process is refused by the others within their poll interval;
    another account's is not."""
    here, there = await start(), await start(revocation_poll=timedelta(seconds=1))
    signin = here.part(SignIn)
    ended, kept = [
        await signin.signup(
            email=email, password=PASSWORD, username=None, name=None, client=_CLIENT
        )
        for email in ("ada@example.com", "grace@example.com")
    ]
    assert there.authenticate(ended.access.token).user_id == ended.user.id
    if how == "logout":
        assert await signin.logout(Presented(ended.refresh_token), _CLIENT)
    else:
        assert await signin.disable(ended.user.id) == 1
    with pytest.raises(Unauthenticated, match="Session revoked"):
        here.authenticate(ended.access.token)

    def refused_there() -> bool:
        try:
            there.authenticate(ended.access.token)
        except Unauthenticated as refused:
            return refused.reason is Unauthenticated.Reason.REVOKED
        return False

    await within(5, refused_there)
    assert there.authenticate(kept.access.token).user_id == kept.user.id
