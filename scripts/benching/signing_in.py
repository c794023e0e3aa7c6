"""Part d: logins as fast as they go, beside bcrypt's own limit, and what they do to everybody
else's queries."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

import bcrypt

from scripts.benching.asking import Answer, Asking, Script, post, require
from scripts.benching.contenders import Contender
from scripts.benching.figures import Effort, Ratio, Section, spread
from scripts.benching.load import Traffic, drive
from scripts.benching.machine import ALL_CORES, SERVER_CORE, on_cores
from scripts.benching.scene import Scene
from scripts.benching.servers import PASSWORD, Site

LOGIN_CONNECTIONS: Final = 16
PACED_CONNECTIONS, PACE = 20, 200  # protected queries a second beside the logins

PAYLOAD: Final = "__typename ... on AuthPayload { accessToken expiresIn user { id } }"
LOGIN: Final = f"mutation($input: LoginInput!) {{ login(input: $input) {{ {PAYLOAD} }} }}"


def require_grant(answer: Answer, field: str, user_id: str) -> None:
    """The answer signs that account in."""
    begin = f'{{"data":{{"{field}":{{"__typename":"AuthPayload","accessToken":"ey'.encode()
    end = f'"user":{{"id":"{user_id}"}}}}}}}}'.encode()
    right = answer.body.startswith(begin) and answer.body.endswith(end)
    require(right and answer.cookie.startswith(b"refresh_token=ey"), f"{field} failed", answer)


def _logging_in(email: str, user_id: str) -> Script:
    """Log in over and over."""
    request = post(LOGIN, {"input": {"email": email, "password": PASSWORD}})
    while True:
        answer = yield Asking(request)
        assert answer is not None
        require_grant(answer, "login", user_id)


def bcrypt_limit(cost: int, seconds: float, cores: frozenset[int]) -> float:
    """Checks a second on these cores, nothing else running there."""
    stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(cost))

    def check(_: int) -> float:
        checks, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            bcrypt.checkpw(PASSWORD.encode(), stored)
            checks += 1
        return checks / (time.perf_counter() - began)

    threads = max(len(cores), 1)
    with on_cores(cores), ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(check, range(threads)))


@dataclass(slots=True)
class _Found:
    limits: list[float] = field(default_factory=list)
    logins: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)  # milliseconds, 99th percentile
    beside: list[float] = field(default_factory=list)


def signing_in(scene: Scene) -> Iterator[Section]:
    """Protected queries, paced, alone and while others log in without pause."""
    kinds = {"two cores": ALL_CORES, "one core": SERVER_CORE}
    if len(ALL_CORES) > 2:  # noqa: PLR2004
        kinds = {f"{len(ALL_CORES)} cores": ALL_CORES, "one core": SERVER_CORE}
    effort, site = scene.effort, scene.site
    seconds, found = effort.flood_seconds, {name: _Found() for name in kinds}
    with ExitStack() as stack:
        asked = {}
        for name, cores in kinds.items():
            server = scene.server
            if cores != SERVER_CORE:
                server = stack.enter_context(site.serving(cores=cores))
            asked[name] = site, Contender("gql-auth", server, site, site.tokens)
        for _, queries in asked.values():
            queries.load(effort.seconds / 2)  # warms up
        for _ in range(effort.rounds):
            for name, cores in kinds.items():
                _round(effort, found[name], *asked[name], cores)
    columns = (
        "server on", f"bcrypt alone, cost {effort.bcrypt_cost}, checks/s", "logins/s",
        f"99th percentile of {PACE} queries/s, idle, ms", "beside the logins, ms",
    )  # fmt: skip
    about = _ABOUT.format(logins=LOGIN_CONNECTIONS, pace=PACE, paced=PACED_CONNECTIONS)
    section = Section("Login", columns, about=about + f" Each for {seconds:g} s.\n")
    for name, each in found.items():
        key = "one" if name == "one core" else "all"
        section.rows.append(
            (
                name,
                spread(each.limits, ".2f"),
                spread(each.logins, ".2f"),
                spread(each.idle, ".1f"),
                spread(each.beside, ".1f"),
            )
        )
        section.ratios += [
            Ratio.between(
                f"d.logins-{key}", f"logins to bcrypt's limit, {name}", each.logins, each.limits,
                target=0.93,
            ),
            Ratio.between(
                f"d.latency-{key}", f"99th percentile beside logins to idle, {name}",
                each.beside, each.idle, target=2.0, at_most=True,
            ),
        ]  # fmt: skip
    yield section


def _round(
    effort: Effort, found: _Found, site: Site, queries: Contender, cores: frozenset[int]
) -> None:
    def paced() -> Traffic:
        scripts = queries.scripts(PACED_CONNECTIONS)
        return Traffic(queries.server.port, scripts, effort.flood_seconds, PACE)

    found.limits.append(bcrypt_limit(effort.bcrypt_cost, effort.flood_seconds / 2, cores))
    (alone,) = drive(paced())
    people = [grant.user for grant in site.grants[:LOGIN_CONNECTIONS]]
    flood = [_logging_in(str(user.email), str(user.id)) for user in people]
    beside, login = drive(paced(), Traffic(queries.server.port, flood, effort.flood_seconds))
    queries.require_refusal()
    found.idle.append(alone.percentile(99) * 1000)
    found.beside.append(beside.percentile(99) * 1000)
    found.logins.append(login.rate)


_ABOUT: Final = """\
{logins} connections log in without pause while {pace} protected queries a second come over {paced}
connections. Their latency counts from when each was due, so that a stall is charged to all whom it
kept waiting. The load runs on the last of the server's cores, beside it; where the server has one,
on another."""
