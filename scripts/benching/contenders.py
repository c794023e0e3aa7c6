"""Servers under the protected query, measured by turns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from scripts.benching.asking import Asking, Script, post, repeat, require
from scripts.benching.documents import DOCUMENTS, plain
from scripts.benching.figures import Ratio, spread
from scripts.benching.load import Outcome, Traffic, ask, drive
from scripts.benching.machine import Running
from scripts.benching.servers import Site
from scripts.benching.tokens import forged

CONNECTIONS: Final = 32
_FULL: Final = 90.0  # percent of its core, from which on requests a second compare


@dataclass(slots=True)
class Rounds:
    """What was found, round by round."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)  # microseconds of CPU time a request
    shares: list[float] = field(default_factory=list)  # percent of a core
    medians: list[float] = field(default_factory=list)  # milliseconds
    tails: list[float] = field(default_factory=list)  # milliseconds, 99th percentile
    load: list[float] = field(default_factory=list)  # percent of its core that the load took


class Contender:
    """A server, what it is asked and the one right body of each answer. Every token meets every
    document.

    Args:
        tail: what the server ends its answers with.
        reads: it reads the document, and answers with its keys.
    """

    def __init__(
        self,
        name: str,
        server: Running,
        site: Site,
        tokens: Sequence[str],
        *,
        tail: bytes = b"",
        reads: bool = True,
    ) -> None:
        self.name = name
        self.server = server
        self.tokens = tokens
        self.rounds = Rounds()
        self._askings = []
        for turn in range(len(DOCUMENTS)):
            for number, (grant, token) in enumerate(zip(site.grants, tokens, strict=True)):
                document = DOCUMENTS[(number + turn) % len(DOCUMENTS)]
                right = document.data if reads else plain
                body = right(str(grant.user.id), str(grant.user.email)) + tail
                request = post(document.text, document.variables, Authorization=f"Bearer {token}")
                self._askings.append(Asking(request, body))

    def scripts(self, connections: int = CONNECTIONS) -> list[Script]:
        """One a connection; together they ask everything."""
        return [repeat(self._askings[each::connections]) for each in range(connections)]

    def load(self, seconds: float, rate: float = 0.0, connections: int = CONNECTIONS) -> Outcome:
        """The queries, as fast as it goes unless there is a rate; then a forged token, which must
        be refused."""
        (outcome,) = drive(Traffic(self.server.port, self.scripts(connections), seconds, rate))
        self.require_refusal()
        return outcome

    def measure(self, seconds: float, connections: int = CONNECTIONS) -> None:
        """One round."""
        before = self.server.cpu_seconds
        outcome = self.load(seconds, connections=connections)
        used = max(self.server.cpu_seconds - before, 0.001)
        found = self.rounds
        found.rates.append(outcome.rate)
        found.costs.append(1e6 * used / outcome.answers)
        found.shares.append(100 * used / outcome.seconds)
        found.medians.append(1000 * outcome.percentile(50))
        found.tails.append(1000 * outcome.percentile(99))
        found.load.append(100 * outcome.cpu_seconds / outcome.seconds)

    def ask_once(self) -> None:
        """One query, which must be answered right."""
        one = self._askings[0]
        answer = ask(self.server.port, one.request)
        right = answer.status == 200 and answer.body == one.right  # noqa: PLR2004
        require(right, f"{self.name} answered", answer)

    def require_refusal(self) -> None:
        """A token with another token's signature is refused, although both were just in use."""
        token = forged(self.tokens[0], self.tokens[1])
        accept = "application/graphql-response+json, application/json;q=0.5"
        answer = ask(
            self.server.port,
            post("{ me { id email } }", Authorization=f"Bearer {token}", Accept=accept),
        )
        refused = b'"errors"' in answer.body and b"@" not in answer.body
        require(refused, f"{self.name} took a forged token", answer)

    @property
    def row(self) -> tuple[str, ...]:
        """For the report."""
        found = self.rounds
        return (
            self.name,
            spread(found.rates, ",.0f"),
            spread(found.costs, ",.0f"),
            spread(found.shares, ".0f"),
            spread(found.load, ".0f"),
            spread(found.medians, ".1f"),
            spread(found.tails, ".1f"),
        )


COLUMNS: Final = (
    "server", "requests/s", "CPU time a request, µs", "its core, %", "load's core, %",
    "median, ms", "99th percentile, ms",
)  # fmt: skip


def compared(
    key: str, what: str, upper: Contender, lower: Contender, target: float | None = None
) -> Ratio:
    """How many times as fast one is. By requests a second where both had their core all the time;
    else by CPU time a request, and the report says so: then somebody else was on that core, or the
    load could not keep up."""
    one, other = upper.rounds, lower.rounds
    if min(*one.shares, *other.shares) >= _FULL:
        return Ratio.between(key, what, one.rates, other.rates, target=target)
    what = f"{what} (by CPU time)"
    return Ratio.between(key, what, other.costs, one.costs, target=target)
