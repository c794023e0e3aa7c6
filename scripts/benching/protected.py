"""Part a: the protected query, beside the ASGI limit and the peers."""

import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

import orjson

from scripts.benching.contenders import COLUMNS, Contender, compared
from scripts.benching.figures import Effort, Section
from scripts.benching.machine import Running, free_port, running
from scripts.benching.peers import Accounts
from scripts.benching.scene import Scene
from scripts.benching.servers import Site

OURS, LIMIT, MOUNTED = "gql-auth", "bare ASGI application", "gql-auth in a FastAPI application"
UNCACHED: Final = "gql-auth, HS256, no token cache"
OWN_UNCACHED: Final = "gql-auth, no token cache"
MERCURIUS, APOLLO = "mercurius-jit, HS256", "Apollo Server, HS256"
MERCURIUS_OWN, APOLLO_OWN = "mercurius-jit, ES256", "Apollo Server, ES256"
MERCURIUS_CACHE: Final = "mercurius-jit, HS256, its token cache"
NO_CACHE: Final = {"TOKEN_CACHE": "0"}


class Stage:
    """The servers of part a, all running, idle until it is their turn."""

    def __init__(self, scene: Scene, name: str, stack: ExitStack) -> None:
        folder = scene.folder / name
        folder.mkdir()
        self._scene = scene
        self.site = scene.site
        self._accounts = Accounts.of(self.site, folder)
        self._stack = stack
        self.contenders: dict[str, Contender] = {}

    def ours(self, name: str = OURS, *, mounted: bool = False, **environment: str) -> None:
        """Our server, as it starts by default but for these settings."""
        server = self._scene.server
        if mounted or environment:
            server = self._stack.enter_context(self.site.serving(mounted=mounted, **environment))
        self._add(Contender(name, server, self.site, self.site.tokens))

    def shared(self) -> None:
        """Our server with HS256 and no cache of tokens."""
        folder = self._accounts.folder / "shared"
        site = Site.prepared(folder, users=len(self.site.grants), signing_algorithm="HS256")
        server = self._stack.enter_context(site.serving(**NO_CACHE))
        self._add(Contender(UNCACHED, server, site, site.tokens))

    def bare(self) -> None:
        """The limit."""
        accounts, port = self._accounts, free_port()
        known = accounts.folder / "bare.json"
        users = {str(grant.user.id): grant.user.email for grant in self.site.grants}
        known.write_bytes(orjson.dumps({"key": accounts.key, "users": users}))
        command = [sys.executable, "-m", "scripts.benching.bare", str(port), known]
        server = self._stack.enter_context(running(command, port, known.with_suffix(".log")))
        self._add(Contender(LIMIT, server, self.site, accounts.shared, reads=False))

    def peers(self, node: Path, only: Collection[str] = ()) -> None:
        """The peers, with tokens of HS256 and with the site's own; or some of them."""
        accounts = self._accounts
        for name, peer, own, cache in (
            (MERCURIUS, "mercurius", False, False),
            (MERCURIUS_CACHE, "mercurius", False, True),
            (MERCURIUS_OWN, "mercurius", True, False),
            (APOLLO, "apollo", False, False),
            (APOLLO_OWN, "apollo", True, False),
        ):
            if only and name not in only:
                continue
            server: Running = self._stack.enter_context(
                accounts.serving(node, peer, own=own, cache=cache)
            )
            tokens = self.site.tokens if own else accounts.shared
            tail = b"\n" if peer == "apollo" else b""
            self._add(Contender(name, server, self.site, tokens, tail=tail))

    def _add(self, contender: Contender) -> None:
        self.contenders[contender.name] = contender

    def measure(self, effort: Effort) -> None:
        """Warm up, then round by round."""
        for each in self.contenders.values():
            each.load(effort.seconds)
        for _ in range(effort.rounds):
            for each in self.contenders.values():
                each.measure(effort.seconds)


def protected(scene: Scene) -> Iterator[Section]:
    """The protected query of every server."""
    with ExitStack() as stack:
        stage = Stage(scene, "protected", stack)
        stage.bare()
        stage.ours()
        stage.ours(OWN_UNCACHED, **NO_CACHE)
        stage.ours(MOUNTED, mounted=True)
        stage.shared()
        if scene.node:
            stage.peers(scene.node)
        stage.measure(scene.effort)
    found = stage.contenders
    section = Section("Protected query", COLUMNS, about=_ABOUT.format(users=scene.effort.users))
    section.rows.extend(each.row for each in found.values())
    section.bars.update({name: median(each.rounds.rates) for name, each in found.items()})
    for key, what, upper, lower, target in (
        ("a.limit", "protected query to the ASGI limit", OURS, LIMIT, 0.70),
        ("a.mercurius", "to mercurius-jit, HS256", OURS, MERCURIUS, 1.1),
        ("a.mercurius-es256", "to mercurius-jit, ES256", OURS, MERCURIUS_OWN, None),
        ("a.mercurius-cache", "to mercurius-jit with its token cache", OURS, MERCURIUS_CACHE, None),
        ("a.apollo", "to Apollo Server standalone, HS256", OURS, APOLLO, 2.2),
        ("a.apollo-es256", "to Apollo Server standalone, ES256", OURS, APOLLO_OWN, None),
        ("a.uncached", "token cache off, HS256, to mercurius-jit", UNCACHED, MERCURIUS, 0.85),
        (
            "a.uncached-es256",
            "token cache off, to mercurius-jit",
            OWN_UNCACHED,
            MERCURIUS_OWN,
            None,
        ),
        ("a.mounted", "mounted in FastAPI, to the ASGI limit", MOUNTED, LIMIT, 0.5),
    ):
        if upper in found and lower in found:
            section.ratios.append(compared(key, what, found[upper], found[lower], target))
    yield section


_ABOUT: Final = """\
`{{ me {{ id email }} }}` with a bearer token through `gql-auth serve` on SQLite with its default
settings: {users:,} tokens of as many accounts, each with each of 20 documents that spell the query
differently (names, aliases, fragments, variables, `@include` and `@skip`), over 32 keep-alive
connections. Each request verifies its token and reads its account's row. The bare application, on
the same uvicorn (httptools, uvloop), reads the body, parses it with orjson, checks an HS256
signature with hmac, looks the account up in a dict and answers with the same bytes: what the stack
beneath allows. The peers run on Node, read the row from SQLite by a prepared statement, get the
same tokens (or their claims, signed with HS256) and answer with the same bytes.
"""
