"""The page behind the links in mails, as a person uses it in Chromium."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from fastapi import FastAPI

from gql_auth import GraphQLAuth
from gql_auth.kernel.settings import Settings
from tests import chromium, live, node
from tests.mailbox import CHANGE, FORGOT, MAGIC, Mailbox
from tests.support import PASSWORD, SECRET, GraphQLClient

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"


@contextmanager
def serving(folder: Path, box: Mailbox) -> Iterator[str]:
    """A host's application whose API is below a prefix; where links lead says so."""
    port = live.free_port()
    origin = f"http://127.0.0.1:{port}"
    settings = Settings(
        data_dir=folder,
        secret=SECRET,
        bcrypt_cost=10,
        public_url=origin,
        link_url_template=f"{origin}/api/graphql/links/{{action}}#token={{token}}",
    )
    auth = GraphQLAuth(settings, mail=box)
    app = FastAPI(lifespan=auth.lifespan)
    app.include_router(auth.router(), prefix="/api")
    with live.serving(app, port=port):
        yield f"{origin}/api"


async def links_of(base: str, box: Mailbox) -> dict[str, str]:
    """A link for each action, of accounts of their own."""
    found = {}

    async def link(to: str, action: str) -> str:
        token = await live.within(20, lambda: box.take(to, action))
        return f"{base}/graphql/links/{action}#token={token}"

    async with httpx.AsyncClient(base_url=base) as http:
        for email in (ADA, BOB, EVE):
            client = GraphQLClient(http)
            await client.signup(email)
            if email == ADA:
                found["verify-email"] = await link(ADA, "verify-email")
            elif email == BOB:
                await client.field(FORGOT, {"email": BOB})
                found["reset-password"] = await link(BOB, "reset-password")
                sent = {"newEmail": "bobby@example.com", "password": PASSWORD}
            else:
                await client.field(MAGIC, {"email": EVE})
                found["other"] = await link(EVE, "magic-link")
                sent = {"newEmail": "eva@example.com", "password": PASSWORD}
                await client.field(CHANGE, sent)
                found["change-email"] = await link("eva@example.com", "change-email")
    return found


def test_following_links(tmp_path: Path) -> None:
    """Nothing is sent before the button is pressed; the token leaves the address bar; each page
    says what has happened, is usable by anybody (axe), and loads and runs nothing else."""
    box = Mailbox()
    with serving(tmp_path, box) as base, TemporaryDirectory() as folder:
        links = asyncio.run(links_of(base, box))
        told: dict[str, Any] = node.run(
            "links", seconds=120, links=links, chromium=chromium.given(Path(folder))
        )
    for name in ("verify-email", "reset-password", "other", "change-email"):
        page = told[name]
        assert page["sent"] == 0, name
        assert "token" not in page["address"]
        assert page["axe"] == page["violations"] == page["errors"] == [], name
    assert "Your address is confirmed" in told["verify-email"]["after"]
    assert "Your new password is set" in told["reset-password"]["after"]
    assert f"Sign in as {EVE} here?" in told["other"]["asked"]
    assert "You are signed in" in told["other"]["after"]
    assert told["other"]["cookies"] == ["refresh_token"]
    assert "new address" in told["change-email"]["after"]
    assert told["used"] == "This link was already used"
    assert "nicht vollständig" in told["bare"] or "unvollständig" in told["bare"]
