"""What the parts share: one site whose accounts' tokens are fresh, and our server on it."""

import time
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Final

from scripts.benching.figures import Effort
from scripts.benching.machine import Running
from scripts.benching.servers import Site

_FRESH: Final = 60.0  # seconds; access tokens live for 15 minutes, a part takes some


class Scene:
    """Made for one run; all ends with `stack`.

    Args:
        node: the path of Node; None without the peers.
    """

    def __init__(self, effort: Effort, folder: Path, node: Path | None, stack: ExitStack) -> None:
        self.effort = effort
        self.folder = folder
        self.node = node
        self._stack = stack
        self._granted_at = 0.0

    @cached_property
    def _prepared(self) -> Site:
        effort = self.effort
        self._granted_at = time.monotonic()
        return Site.prepared(
            self.folder / "site", users=effort.users, bcrypt_cost=effort.bcrypt_cost
        )

    @property
    def site(self) -> Site:
        """On SQLite; its access tokens are good for the part that asks."""
        site = self._prepared
        if time.monotonic() - self._granted_at > _FRESH:
            site.renew()
            self._granted_at = time.monotonic()
        return site

    @cached_property
    def server(self) -> Running:
        """`gql-auth serve` as it is by default on that site, on the server's core."""
        return self._stack.enter_context(self._prepared.serving())
