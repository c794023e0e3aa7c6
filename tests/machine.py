"""The rotation machine: random histories of browsers, networks and a thief against real servers.

Two replicas of the server share one real database; every request crosses GraphQL over HTTP. The
machine keeps a model of each session that is worked out from the contract alone, and after every
step the rows must equal it. The four promises are checked besides, in words of their own:

- an honest browser is never signed out (`_promises_browser`);
- one generation has one refresh token (`_remember`);
- a replay after the browser has moved on, was seen, and the window has passed ends the session,
  and that one alone (`_promises_owner`, and `rows_equal_the_model`);
- a session that has ended yields no token and passes no protected field (`_present`, `_query`,
  and `teardown`, which tries everything that was ever issued last).

The network may lose, double, delay and reorder answers, and delay requests. What no server can
tell from theft is counted as such: an answer or a request that was overtaken by a newer generation
(`put_back`, `kept_time`). There the model says what must happen, but no promise is made.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

import httpx
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gql_auth.app import GraphQLAuth, create_app
from gql_auth.features.audit.core import Audit, Tag
from gql_auth.features.sessions.core import Sessions
from gql_auth.features.sessions.refusals import EndReason
from gql_auth.features.signin.core import SignIn
from gql_auth.features.users.core import Users
from gql_auth.features.users.naming import checked_profile
from gql_auth.kernel.caller import Client
from gql_auth.kernel.settings import Settings
from gql_auth.system import System
from tests.support import GraphQLClient, SettableClock, reason_of

T = TypeVar("T")

MAX_AGE = timedelta(days=12)
WINDOW = timedelta(seconds=10)
A_SECOND = timedelta(seconds=1)
LIFE = timedelta(days=7)
ACCESS_LIFE = timedelta(minutes=15)
LOGOUT = "mutation { logout { sessionEnded } }"
REPLICAS = st.integers(0, 1)
BROWSERS = st.integers(0, 1)
# What is drawn must not hang on who won a race, or an example could not be run again: so lists
# are picked from by remainder, and a rule that finds nothing to do does nothing.
PICKS = st.integers(0, 11)
BACK = st.integers(0, 3)
FATES = st.sampled_from(["taken", "lost", "late", "doubled", "held"])
SPANS = st.one_of(
    st.sampled_from([0.3, 4.0, 9.7, 10.0, 10.000001, 61.0, 899.7, 900.0]),
    st.sampled_from([86400.0, 3 * 86400.0, 604799.0, 604800.0]),
)


class World:
    """Two replicas on one database and one clock, on an event loop of their own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = replace(settings, session_max_age=MAX_AGE)
        self.clock = SettableClock()
        self.ahead = timedelta(0)
        self.systems: list[System] = []
        self.https: list[httpx.AsyncClient] = []
        self.names = count()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()

    def run(self, act: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(act)

    async def start(self) -> None:
        for number in range(2):
            auth = GraphQLAuth(self.settings, clock=ReplicaClock(self, number))
            system = await self._stack.enter_async_context(auth.running())
            # The machine itself says when confirmations are written and revocations learned.
            for task in system._tasks._tasks:
                task.cancel()
            http = httpx.AsyncClient(
                transport=httpx.ASGITransport(create_app(auth)), base_url=self.settings.public_url
            )
            self.systems.append(system)
            self.https.append(await self._stack.enter_async_context(http))

    @contextmanager
    def clocks_apart(self) -> Iterator[None]:
        """Meanwhile the second replica's clock is a second ahead: what two replicas make of one
        moment then differs, so that a generation made twice shows."""
        self.ahead = A_SECOND
        try:
            yield
        finally:
            self.ahead = timedelta(0)
            self.clock.forward(seconds=1)

    async def stop(self) -> None:
        await self._stack.aclose()

    async def confirm(self) -> None:
        """Write pending confirmations."""
        for system in self.systems:
            await system.confirm()

    async def learn(self) -> None:
        """Let each replica learn what the other ended."""
        for system in self.systems:
            await system.learn()

    @contextmanager
    def running(self) -> Iterator["World"]:
        with self._runner:
            self.run(self.start())
            try:
                yield self
            finally:
                self.run(self.stop())


class ReplicaClock:
    """The clock of one replica: the world's, or for the second one a little ahead of it."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._number = number

    def now(self) -> datetime:
        return self._world.clock.now() + self._number * self._world.ahead


def generation_in(token: str) -> int:
    return int(_claims(token)["gen"])


def _claims(token: str) -> dict[str, Any]:
    segment = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))))


@dataclass
class Line:
    """A session as the contract describes it: the model of its row."""

    id: UUID
    created_at: datetime
    generation: int
    rotated_at: datetime
    expires_at: datetime
    confirmed: bool = False
    ended: str | None = None
    stolen: bool = False  # a thief has used a token of it
    tokens: dict[int, str] = field(default_factory=dict)  # the refresh token of each generation
    access: list[str] = field(default_factory=list)

    def verdict(self, token: str, now: datetime) -> str:
        """What the contract answers to a refresh token of this session."""
        said = _claims(token)
        gen = said["gen"]
        if now.timestamp() >= said["exp"] or now >= self.created_at + MAX_AGE:
            # A session's greatest age is part of every token's `exp`.
            return "EXPIRED"
        if self.ended:
            return "REVOKED"
        if gen == self.generation:
            return "ROTATED"
        if gen == self.generation - 1 and not self.confirmed:
            return "REPEATED"
        if gen == self.generation - 1 and now <= self.rotated_at + WINDOW:
            return "REPEATED"
        return "REUSED"

    def rotate(self, now: datetime) -> None:
        self.generation += 1
        self.rotated_at = now
        self.confirmed = False
        end = min(now + LIFE, self.created_at + MAX_AGE)
        self.expires_at = datetime.fromtimestamp(int(end.timestamp()), UTC)

    @property
    def row(self) -> tuple[Any, ...]:
        return (self.generation, self.rotated_at, self.confirmed, self.expires_at, self.ended)


@dataclass
class Answer:
    """What one refresh came back with."""

    reason: str | None  # None: granted
    token: str | None
    access: str | None
    deletes: bool


@dataclass(eq=False)
class Browser:
    """A cookie jar, the tabs' access token, and what is still on the network."""

    line: Line
    jar: str
    access: str
    late: list[Answer] = field(default_factory=list)
    held: list[tuple[str, datetime]] = field(default_factory=list)  # requests: token, sent at
    put_back: bool = False  # the jar went back to an older generation


class RotationMachine(RuleBasedStateMachine):
    """See the module. One example is one account with two browsers and a thief."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.clock = world.clock
        self.lines: list[Line] = []
        self.browsers: list[Browser] = []
        self.learned = 0

    # ------------------------------------------------------------ the edge

    def client(
        self, replica: int, cookie: str | None = None, access: str | None = None
    ) -> GraphQLClient:
        made = GraphQLClient(self.world.https[replica], self.world.settings.public_url)
        made.cookies = {"refresh_token": cookie} if cookie else {}
        made.access_token = access
        return made

    async def _present(self, line: Line, token: str, replica: int, access: str | None) -> Answer:
        """Refresh with a token; a session that had ended before yields nothing."""
        had_ended = line.ended
        client = self.client(replica, token, access)
        result = await client.refresh()
        cookies = client.last.headers.get_list("set-cookie")
        if result["__typename"] == "AuthPayload":
            assert not had_ended, f"a session that ended ({had_ended}) yielded a token"
            (cookie,) = cookies
            answer = Answer(None, client.refresh_token, client.access_token, deletes=False)
            assert cookie.startswith("refresh_token=ey")
            assert answer.token
            assert answer.access
            self._remember(line, answer.token)
            assert generation_in(answer.access) == generation_in(answer.token)
            line.access.append(answer.access)
            return answer
        assert result["__typename"] == "RefreshTokenRejected", result
        assert result["reason"] in {"EXPIRED", "REVOKED", "REUSED"}
        (cookie,) = cookies
        assert cookie.startswith('refresh_token=""; Max-Age=0; ')
        return Answer(result["reason"], None, None, deletes=True)

    @staticmethod
    def _remember(line: Line, token: str) -> None:
        """One generation has one refresh token."""
        first = line.tokens.setdefault(generation_in(token), token)
        assert first == token, "one generation got two different successors"

    async def _query(self, line: Line, token: str, replica: int) -> str | None:
        """Ask a protected field; the reason of a refusal. Confirms in the model."""
        answer = await self.client(replica, access=token).me()
        if "errors" in answer:
            return reason_of(answer)
        assert not line.ended, f"a session that ended ({line.ended}) passed a protected field"
        return None

    def _expected_at_field(self, line: Line, token: str) -> str | None:
        if self.clock.now().timestamp() >= _claims(token)["exp"]:
            return "ACCESS_TOKEN_EXPIRED"
        return "SESSION_REVOKED" if line.ended else None

    def _seen(self, line: Line, token: str) -> None:
        if generation_in(token) == line.generation and line.generation > 0:
            line.confirmed = True

    # ------------------------------------------------------------ promises

    def _promises_browser(self, browser: Browser, verdict: str, *, kept_time: bool = True) -> None:
        """An honest browser is never signed out."""
        line = browser.line
        if line.ended or verdict == "EXPIRED" or line.stolen or browser.put_back or not kept_time:
            return
        assert verdict in {"ROTATED", "REPEATED"}, f"an honest browser was signed out: {verdict}"

    def _promises_owner(self, line: Line, token: str, verdict: str) -> None:
        """A thief's replay after the browser has moved on, was seen, and the window has passed
        always ends the session."""
        moved_on = generation_in(token) < line.generation
        over = self.clock.now() > line.rotated_at + WINDOW
        if moved_on and line.confirmed and over and not line.ended and verdict != "EXPIRED":
            assert verdict == "REUSED"

    def _judge(self, line: Line, token: str, answers: list[Answer]) -> str:
        """Compare the answers to one token, presented once or many times at once, with the
        model, and bring that up to date."""
        verdict = line.verdict(token, self.clock.now())
        reasons = [answer.reason for answer in answers]
        event(f"verdict {verdict}")
        if verdict in {"ROTATED", "REPEATED"}:
            assert reasons == [None] * len(answers), f"{verdict}: {reasons}"
            if verdict == "ROTATED":
                # By the clock of whichever replica won.
                issued = _claims(str(answers[0].token))["iat"]
                times = {self.clock.now(), self.clock.now() + self.world.ahead}
                (at,) = [each for each in times if int(each.timestamp()) == issued]
                line.rotate(at)
            assert {generation_in(str(answer.token)) for answer in answers} == {line.generation}
        elif verdict == "REUSED":
            # Of several at once one finds it out; the others may find the session ended already.
            assert "REUSED" in reasons
            assert set(reasons) <= {"REUSED", "REVOKED"}, reasons
            line.ended = EndReason.TOKEN_REUSED.value
        else:
            assert reasons == [verdict] * len(answers), f"{verdict}: {reasons}"
        return verdict

    # ------------------------------------------------------------ the owner

    async def _open(self) -> tuple[Line, str, str]:
        system = self.world.systems[0]
        async with system.units.write() as unit:
            opened = await unit.get(Sessions).open(self.user.id, Client("127.0.0.1", "browser"))
        grant = await system.part(SignIn)._grants.make(self.user, opened)
        line = Line(opened.id, opened.created_at, 0, opened.rotated_at, opened.expires_at)
        self._remember(line, grant.refresh_token)
        line.access.append(grant.access.token)
        self.lines.append(line)
        return line, grant.refresh_token, grant.access.token

    @initialize()
    def two_browsers_sign_in(self) -> None:
        async def act() -> None:
            email = f"user-{next(self.world.names)}@example.com"
            profile, _ = checked_profile(email=email, username=None, name=None)
            async with self.world.systems[0].units.write() as unit:
                self.user = await unit.get(Users).create(profile)
            self.browsers = [Browser(*await self._open()) for _ in range(2)]

        self.world.run(act())

    def _sign_in_again(self, browser: Browser) -> None:
        """The jar is empty, so the user signs in; no tab waits for an older answer any more."""
        self.browsers[self.browsers.index(browser)] = Browser(*self.world.run(self._open()))

    def _take(self, browser: Browser, answer: Answer) -> None:
        """The browser processes one answer: the jar takes its cookie, the tab its token."""
        if browser not in self.browsers:
            return  # signed in anew meanwhile
        if answer.deletes:
            self._sign_in_again(browser)
            return
        newest = generation_in(str(answer.token)) == browser.line.generation
        browser.put_back = not newest
        browser.jar, browser.access = str(answer.token), str(answer.access)
        if not newest:
            event("the jar was put back")

    def _deal(self, browser: Browser, answers: list[Answer], fates: list[str]) -> None:
        """The network hands over, loses, doubles or delays answers."""
        for answer, fate in zip(answers, fates, strict=True):
            if fate in {"late", "doubled"}:
                browser.late.append(answer)
            if fate in {"taken", "doubled"}:
                self._take(browser, answer)

    @rule(
        which=BROWSERS,
        tabs=st.lists(st.tuples(FATES, REPLICAS), min_size=1, max_size=5),
        order=st.randoms(use_true_random=False),
    )
    def tabs_refresh(self, which: int, tabs: list[tuple[str, int]], order: Any) -> None:
        """Tabs refresh at once with the shared jar; the answers arrive in any order or not."""
        self._refresh(self.browsers[which], tabs, order.shuffle)

    def _refresh(
        self,
        browser: Browser,
        tabs: list[tuple[str, int]],
        shuffle: Callable[[list[Answer]], None] = lambda _: None,
    ) -> None:
        line, token = browser.line, browser.jar
        browser.held += [(token, self.clock.now()) for fate, _ in tabs if fate == "held"]
        sent = [tab for tab in tabs if tab[0] != "held"]
        if not sent:
            return

        async def act() -> list[Answer]:
            calls = [self._present(line, token, replica, browser.access) for _, replica in sent]
            return list(await asyncio.gather(*calls))

        now = self.clock.now()
        self._promises_browser(browser, line.verdict(token, now))
        if {line.verdict(token, now + ahead) for ahead in (A_SECOND, 0 * A_SECOND)} == {"ROTATED"}:
            with self.world.clocks_apart():
                answers = self.world.run(act())
                self._judge(line, token, answers)
        else:
            answers = self.world.run(act())
            self._judge(line, token, answers)
        shuffle(answers)
        self._deal(browser, answers, [fate for fate, _ in sent])

    @rule(which=BROWSERS, fate=FATES, replica=REPLICAS)
    def a_tab_refreshes(self, which: int, fate: str, replica: int) -> None:
        """One tab refreshes alone, as most do."""
        self._refresh(self.browsers[which], [(fate, replica)])

    @rule(which=BROWSERS, pick=PICKS)
    def a_late_answer_arrives(self, which: int, pick: int) -> None:
        """An answer that was delayed, or doubled, arrives; out of order, too."""
        browser = self.browsers[which]
        if browser.late:
            self._take(browser, browser.late.pop(pick % len(browser.late)))

    @rule(which=BROWSERS, pick=PICKS, fate=FATES, replica=REPLICAS)
    def a_held_request_arrives(self, which: int, pick: int, fate: str, replica: int) -> None:
        """A delayed refresh arrives. While at most one rotation has overtaken it, and it is not
        older than the race window, it is served like any other."""
        browser = self.browsers[which]
        if not browser.held:
            return
        token, sent_at = browser.held.pop(pick % len(browser.held))
        line = browser.line
        overtaken_once = line.generation - generation_in(token) <= 1
        in_time = overtaken_once and self.clock.now() - sent_at <= WINDOW
        self._promises_browser(browser, line.verdict(token, self.clock.now()), kept_time=in_time)
        answer = self._sent(line, token, replica)
        event(f"held request {self._judge(line, token, [answer])}")
        self._deal(browser, [answer], [fate])

    @rule(which=BROWSERS, replica=REPLICAS)
    def ask_protected(self, which: int, replica: int) -> None:
        """A tab asks a protected field."""
        browser = self.browsers[which]
        line = browser.line
        expected = self._expected_at_field(line, browser.access)
        assert self.world.run(self._query(line, browser.access, replica)) == expected
        if expected is None:
            self._seen(line, browser.access)

    @rule(
        which=BROWSERS,
        tabs=st.lists(REPLICAS, min_size=1, max_size=3),
        asks=st.lists(REPLICAS, min_size=1, max_size=2),
    )
    def refresh_while_asking(self, which: int, tabs: list[int], asks: list[int]) -> None:
        """Tabs refresh while others ask protected fields and confirmations are being written."""
        browser = self.browsers[which]
        line, token, access = browser.line, browser.jar, browser.access
        expected = self._expected_at_field(line, access)
        verdict = line.verdict(token, self.clock.now())
        # With the jar put back, what it meets depends on which comes first.
        if browser.put_back or verdict == "REUSED":
            return
        self._promises_browser(browser, verdict)

        async def act() -> list[Any]:
            refreshes = [self._present(line, token, each, access) for each in tabs]
            queries = [self._query(line, access, each) for each in asks]
            writes = [system.confirm() for system in self.world.systems]
            calls: list[Awaitable[Any]] = [*refreshes, *queries, *writes]
            return list(await asyncio.gather(*calls))

        done = self.world.run(act())
        answers, reasons = done[: len(tabs)], done[len(tabs) : len(tabs) + len(asks)]
        assert reasons == [expected] * len(asks)
        # Asked with the generation that was just refreshed away, it confirms nothing.
        if expected is None and verdict != "ROTATED":
            self._seen(line, access)
        self._judge(line, token, answers)
        self._deal(browser, answers, ["taken"] * len(answers))

    @rule(span=SPANS)
    def time_passes(self, span: float) -> None:
        """The clock goes on, past the race window, the access token's life, the session's."""
        self.clock.forward(seconds=span)

    def _alive(self, line: Line) -> bool:
        return not line.ended and self.clock.now() < line.expires_at

    @rule(which=BROWSERS, replica=REPLICAS, pick=PICKS)
    def log_out(self, which: int, replica: int, pick: int) -> None:
        """The owner signs out, now and then, with whatever the jar holds."""
        if pick % 3:
            return
        browser = self.browsers[which]
        line = browser.line
        alive = self._alive(line)
        client = self.client(replica, browser.jar)
        result = self.world.run(client.field(LOGOUT))
        assert result == {"sessionEnded": alive}
        assert client.cookies == {}
        assert self.world.run(client.refresh())["reason"] == "MISSING"
        if alive:
            line.ended = EndReason.LOGOUT.value
        self._sign_in_again(browser)

    @rule(which=BROWSERS, pick=PICKS, replica=REPLICAS)
    def revoke(self, which: int, pick: int, replica: int) -> None:
        """The owner ends, now and then, one of the last three sessions from a browser."""
        browser = self.browsers[which]
        target = self._recent(pick)
        if pick > 3 or self._expected_at_field(browser.line, browser.access):
            return
        alive = self._alive(target)
        client = self.client(replica, access=browser.access)
        query = "mutation($id: ID!) { revokeSession(id: $id) { __typename } }"
        result = self.world.run(client.field(query, {"id": str(target.id)}))
        expected = "RevokeSessionPayload" if alive else "SessionNotFound"
        assert result == {"__typename": expected}
        self._seen(browser.line, browser.access)
        if alive:
            target.ended = EndReason.REVOKED_BY_OWNER.value

    # ------------------------------------------------------------ the thief

    def _recent(self, pick: int) -> Line:
        return self.lines[-1 - pick % min(3, len(self.lines))]

    @staticmethod
    def _copied(line: Line, back: int) -> str:
        """A refresh token that was issued so many generations ago, from the thief's pocket."""
        tokens = [line.tokens[generation] for generation in sorted(line.tokens)]
        return tokens[-1 - back % len(tokens)]

    @rule(pick=PICKS, back=BACK, replica=REPLICAS)
    def the_thief_refreshes(self, pick: int, back: int, replica: int) -> None:
        """The thief presents a refresh token that was copied at any time."""
        line = self._recent(pick)
        token = self._copied(line, back)
        self._promises_owner(line, token, line.verdict(token, self.clock.now()))
        before = [each.row for each in self.lines if each is not line]
        answer = self._sent(line, token, replica)
        event(f"thief {self._judge(line, token, [answer])}")
        line.stolen = True
        assert [each.row for each in self.lines if each is not line] == before

    @rule(which=BROWSERS, span=st.sampled_from([9.7, 10.0, 10.000001, 60.0]), replica=REPLICAS)
    def the_thief_comes_late(self, which: int, span: float, replica: int) -> None:
        """A theft from end to end, which chance alone would seldom put together: copied, then
        the browser moves on and works on, then the thief comes, about when the window ends."""
        browser = self.browsers[which]
        line, token = browser.line, browser.jar
        self._refresh(browser, [("taken", replica)])
        if browser not in self.browsers:
            return
        self.ask_protected(which, replica)
        self.world.run(self.world.confirm())
        self.clock.forward(seconds=span)
        verdict = line.verdict(token, self.clock.now())
        self._promises_owner(line, token, verdict)
        event(f"late thief {self._judge(line, token, [self._sent(line, token, 1 - replica)])}")
        line.stolen = True

    def _sent(self, line: Line, token: str, replica: int) -> Answer:
        return self.world.run(self._present(line, token, replica, None))

    @rule(pick=PICKS, back=BACK, replica=REPLICAS)
    def the_thief_asks(self, pick: int, back: int, replica: int) -> None:
        """The thief asks a protected field with an access token that was copied at any time."""
        line = self._recent(pick)
        token = line.access[-1 - back % len(line.access)]
        expected = self._expected_at_field(line, token)
        assert self.world.run(self._query(line, token, replica)) == expected
        if expected is None:
            line.stolen = True
            self._seen(line, token)
        event(f"thief asks: {expected}")

    @rule(
        which=BROWSERS,
        back=BACK,
        tabs=st.lists(REPLICAS, min_size=1, max_size=3),
        ends=st.sampled_from([False, False, False, True]),
    )
    def everybody_at_once(self, which: int, back: int, tabs: list[int], ends: bool) -> None:
        """Tabs and the thief refresh, a tab asks a protected field, perhaps the owner signs out:
        all in flight at once. Which comes first is open, so the model follows the row; what was
        issued is held to one token a generation, and to nothing once the session has ended."""
        browser = self.browsers[which]
        line = browser.line
        before = line.row
        jar, access, stolen = browser.jar, browser.access, self._copied(line, back)

        async def act() -> list[Any]:
            calls: list[Awaitable[Any]] = [self._present(line, jar, each, access) for each in tabs]
            calls += [self._present(line, stolen, 1 - tabs[0], None)]
            calls += [self._query(line, access, tabs[0])]
            if ends:
                calls += [self.client(tabs[-1], jar).field(LOGOUT)]
            return list(await asyncio.gather(*calls))

        was_alive, generation = self._alive(line), line.generation
        # To the replica that is ahead its last second is over already, and there is nothing to end.
        outlives_this = was_alive and self.clock.now() + A_SECOND < line.expires_at
        with self.world.clocks_apart():
            done = self.world.run(act())
        self.world.run(self.world.confirm())
        line.stolen = True
        self._follow(line)
        event(f"everybody at once: {line.ended}")
        assert line.generation - generation <= 1
        if not was_alive:
            assert line.row == before
        if ends:
            assert line.ended or not outlives_this
            self._sign_in_again(browser)
        else:
            self._deal(browser, done[: len(tabs)], ["taken"] * len(tabs))

    def _follow(self, line: Line) -> None:
        row = self.world.run(self._rows())[line.id]
        line.generation, line.rotated_at, line.confirmed, line.expires_at, line.ended = row

    # ------------------------------------------------------------ what must always hold

    async def _rows(self) -> dict[UUID, tuple[Any, ...]]:
        async with self.world.systems[1].units.read() as unit:
            found = await unit.get(Sessions).of_user(self.user.id, ended_too=True)
        return {
            row.id: (row.generation, row.rotated_at, row.confirmed, row.expires_at, row.end_reason)
            for row in found
        }

    @invariant()
    def rows_equal_the_model(self) -> None:
        """The database holds what the contract says, of every session of the account."""
        if not self.lines:
            return

        async def act() -> dict[UUID, tuple[Any, ...]]:
            await self.world.confirm()
            ended = sum(bool(line.ended) for line in self.lines)
            if ended > self.learned:
                await self.world.learn()
                self.learned = ended
            return await self._rows()

        assert self.world.run(act()) == {line.id: line.row for line in self.lines}

    def teardown(self) -> None:
        """At the end everything that was issued for ended sessions is tried: all of it is
        refused; and exactly the sessions with a reused token have an event that tells so."""
        if self.lines:
            self.world.run(self._nothing_is_left())

    async def _nothing_is_left(self) -> None:
        for line in (each for each in self.lines if each.ended):
            calls: list[Awaitable[Any]] = [
                self._present(line, token, generation % 2, None)
                for generation, token in list(line.tokens.items())[-4:]
            ]
            calls += [self._query(line, token, 1) for token in line.access[-3:]]
            await asyncio.gather(*calls)
        async with self.world.systems[0].units.read() as unit:
            story = await unit.get(Audit).story(self.user.id, limit=1000)
        told = {each.session_id for each in story if each.tag is Tag.REFRESH_REUSED}
        reused = {line.id for line in self.lines if line.ended == EndReason.TOKEN_REUSED.value}
        assert told >= reused
        # A reuse may be found out while a logout wins the race to end the session.
        assert told <= {line.id for line in self.lines if line.ended}


def machine_on(world: World) -> Callable[[], RotationMachine]:
    """What Hypothesis calls for each example."""
    return lambda: RotationMachine(world)
