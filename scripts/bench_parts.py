"""What `scripts/bench` measures, part by part; every answer is judged while it is timed."""

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import bcrypt
from bench_bare import Bare
from bench_load import Answer, Outcome, Script, Traffic, WrongAnswer, ask, drive, post, repeat
from bench_servers import PASSWORD, SERVER_CORE, Running, Site, on_core

CONNECTIONS: Final = 32
LOGIN_CONNECTIONS: Final = 16
PACED_CONNECTIONS, PACE = 20, 200  # protected queries a second beside the logins

ME: Final = "{ me { id email } }"
PAYLOAD: Final = "__typename ... on AuthPayload { accessToken expiresIn user { id } }"
LOGIN: Final = f"mutation($input: LoginInput!) {{ login(input: $input) {{ {PAYLOAD} }} }}"


class Effort(NamedTuple):
    """How long everything takes."""

    rounds: int
    warm_ups: int  # rounds before them
    seconds: float  # of one measurement
    flood_seconds: float
    users: int
    racers: int
    bcrypt_cost: int
    many: int  # sessions


class Row(NamedTuple):
    """One line of the report: the median, with the range over the rounds."""

    what: str
    absolute: str
    ratio: str = ""


def spread(values: Sequence[float], form: str) -> str:
    """The median and the range."""
    low, middle, high = (
        format(each, form) for each in (min(values), statistics.median(values), max(values))
    )
    return middle if low == high else f"{middle} ({low} to {high})"


def spread_ratio(upper: Sequence[float], lower: Sequence[float], to: str) -> str:
    """The spread of the ratios, round by round."""
    ratios = [one / other for one, other in zip(upper, lower, strict=True)]
    return f"{spread(ratios, '.3f')} of {to}"


def require(holds: bool, what: str, answer: Answer | None = None) -> None:
    """Raise WrongAnswer unless it holds."""
    if not holds:
        raise WrongAnswer(f"{what}: {answer}" if answer else what)


def require_grant(answer: Answer, field: str, user_id: str) -> None:
    """The answer signs that account in."""
    begin = f'{{"data":{{"{field}":{{"__typename":"AuthPayload","accessToken":"ey'.encode()
    end = f'"user":{{"id":"{user_id}"}}}}}}}}'.encode()
    right = answer.body.startswith(begin) and answer.body.endswith(end)
    require(right and answer.cookie.startswith(b"refresh_token=ey"), f"{field} failed", answer)


# ---- a: the protected query -------------------------------------------------------------------


class Asked(NamedTuple):
    """A server that is asked the protected query, and by whom."""

    port: int
    tokens: Sequence[str]
    exchanges: Sequence[tuple[bytes, bytes]]  # a request, the one right body

    @classmethod
    def by(cls, site: Site, port: int, tokens: Sequence[str]) -> "Asked":
        """By all accounts of a site, each with its token."""
        exchanges = []
        for grant, token in zip(site.grants, tokens, strict=True):
            right = f'{{"data":{{"me":{{"id":"{grant.user.id}","email":"{grant.user.email}"}}}}}}'
            exchanges.append((post(ME, Authorization=f"Bearer {token}"), right.encode()))
        return cls(port, tokens, exchanges)

    @classmethod
    def of(cls, site: Site) -> "Asked":
        """The site's own server, with the accounts' access tokens."""
        return cls.by(site, site.settings.port, [grant.access.token for grant in site.grants])

    def scripts(self, connections: int) -> list[Script]:
        """One a connection; together they use every token."""
        share = len(self.exchanges)
        return [repeat(self.exchanges[each % share :: connections]) for each in range(connections)]

    def load(self, seconds: float) -> Outcome:
        """The query as fast as it goes; then a forged token, which must be refused."""
        (outcome,) = drive(Traffic(self.port, self.scripts(CONNECTIONS), seconds))
        self.require_refusal()
        return outcome

    def require_refusal(self) -> None:
        """A token with another token's signature is refused, although both were just in use."""
        forged = self.tokens[0].rpartition(".")[0] + "." + self.tokens[1].rpartition(".")[2]
        accept = "application/graphql-response+json"
        answer = ask(self.port, post(ME, Authorization=f"Bearer {forged}", Accept=accept))
        refused = answer.status == 401 and b"email" not in answer.body  # noqa: PLR2004
        require(refused, "a forged token was not refused", answer)


class Contender:
    """A server under the protected query, and what each round said. Requests a second mean
    something only where the server got nearly all of its core; CPU time does in any case."""

    def __init__(self, asked: Asked, server: Running) -> None:
        self.asked = asked
        self._server = server
        self.rates: list[float] = []
        self.costs: list[float] = []  # microseconds of CPU time a request
        self.shares: list[float] = []  # percent
        self.tails: list[float] = []  # milliseconds

    def measure(self, seconds: float) -> None:
        """One round."""
        before = self._server.cpu_seconds
        outcome = self.asked.load(seconds)
        used = self._server.cpu_seconds - before
        self.rates.append(outcome.rate)
        self.costs.append(1e6 * used / outcome.answers)
        self.shares.append(100 * used / outcome.seconds)
        self.tails.append(1000 * outcome.percentile(99))


def protected(effort: Effort, site: Site, folder: Path) -> Iterator[Row]:
    """Requests a second, and CPU time a request, beside the bare application."""
    bare = Bare.prepared(folder, site.grants)
    with bare.serving() as bare_server:
        ours = Contender(Asked.of(site), site.server)
        limit = Contender(Asked.by(site, bare.port, bare.tokens), bare_server)
        for each in (ours, limit):
            each.asked.load(effort.seconds / 2)  # warms up
        for _ in range(effort.rounds):
            for each in (ours, limit):
                each.measure(effort.seconds)
    what, to = f"protected `{ME}`", "the bare one"
    yield Row("bare ASGI application, CPU time a request, µs", spread(limit.costs, ",.0f"), "1")
    ratio = spread_ratio(limit.costs, ours.costs, to)
    yield Row(f"{what}, CPU time a request, µs", spread(ours.costs, ",.0f"), ratio)
    yield Row("bare ASGI application, requests/s", spread(limit.rates, ",.0f"), "1")
    ratio = spread_ratio(ours.rates, limit.rates, to)
    yield Row(f"{what}, requests/s", spread(ours.rates, ",.0f"), ratio)
    yield Row("share of its core the bare one got, %", spread(limit.shares, ".0f"))
    yield Row("share of its core the server got, %", spread(ours.shares, ".0f"))
    tails = spread(ours.tails, ".1f")
    yield Row(f"{what}, 99th percentile at {CONNECTIONS} connections, ms", tails)


# ---- d: starting ------------------------------------------------------------------------------


def starting(effort: Effort, site: Site) -> Iterator[Row]:
    """The second start (preparing the site was the first), and memory before and after load."""
    seconds, fresh, loaded = list[float](), list[float](), list[float]()
    for _ in range(effort.rounds):
        with site.serving():
            seconds.append(site.server.start_seconds)
            fresh.append(site.server.memory)
            Asked.of(site).load(effort.seconds)
            loaded.append(site.server.memory)
    yield Row("second start, until `/readyz` answers, s", spread(seconds, ".2f"))
    yield Row("resident memory after the start, MiB", spread(fresh, ".0f"))
    what = f"resident memory after {effort.seconds:g} s of protected queries, MiB"
    yield Row(what, spread(loaded, ".0f"))


# ---- e: the login flood -----------------------------------------------------------------------


def login_loop(email: str, user_id: str) -> Script:
    """Log in over and over."""
    request = post(LOGIN, {"input": {"email": email, "password": PASSWORD}})
    while True:
        require_grant((yield request), "login", user_id)


def bcrypt_limit(cost: int, seconds: float) -> float:
    """Checks a second on the server's core, nothing else running there."""
    stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost))
    checks, began = 0, time.perf_counter()
    with on_core(SERVER_CORE):
        while time.perf_counter() - began < seconds:
            bcrypt.checkpw(PASSWORD.encode(), stored)
            checks += 1
    return checks / (time.perf_counter() - began)


def flooding(effort: Effort, site: Site) -> Iterator[Row]:
    """Protected queries, paced, alone and while others log in without pause."""
    asked, port, seconds = Asked.of(site), site.settings.port, effort.flood_seconds
    idle, flooded, logins, limits = (list[float]() for _ in range(4))

    def queries() -> Traffic:
        every = PACED_CONNECTIONS / PACE
        return Traffic(port, asked.scripts(PACED_CONNECTIONS), seconds, every)

    asked.load(effort.seconds / 2)  # warms up
    for _ in range(effort.rounds):
        limits.append(bcrypt_limit(effort.bcrypt_cost, effort.seconds / 2))
        (alone,) = drive(queries())
        people = [grant.user for grant in site.grants[:LOGIN_CONNECTIONS]]
        flood = [login_loop(user.email, str(user.id)) for user in people]
        beside, login = drive(queries(), Traffic(port, flood, seconds))
        idle.append(alone.percentile(99) * 1000)
        flooded.append(beside.percentile(99) * 1000)
        logins.append(login.rate)
    yield Row(f"99th percentile of {PACE} protected queries/s, ms", spread(idle, ".1f"), "1")
    yield Row(
        f"the same while {LOGIN_CONNECTIONS} connections log in, ms",
        spread(flooded, ".1f"),
        spread_ratio(flooded, idle, "idle"),
    )
    yield Row(
        f"bcrypt alone on that core, cost {effort.bcrypt_cost}, checks/s",
        spread(limits, ".2f"),
        "1",
    )
    yield Row("logins/s meanwhile", spread(logins, ".2f"), spread_ratio(logins, limits, "bcrypt"))
