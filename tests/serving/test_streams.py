"""Answers that stay open: server-sent events as graphql-sse has them, and Apollo's multipart."""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from gql_auth.serving.streams import Multipart, ServerSentEvents, form_for
from tests.lines import streamed
from tests.live import within
from tests.serving.hosts import GUARDED, MINE, WAIT, Stage, streams
from tests.support import LOGIN, ME, PASSWORD, REFRESH, GraphQLClient, SettableClock

LOGOUT = "mutation { logout { sessionEnded } }"
COUNT = "subscription { count }"
APOLLO = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"
URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, "
    "text/event-stream, multipart/mixed"
)


def parts_of(body: bytes) -> list[Any]:
    """The JSON of the parts of a multipart body, which has its end."""
    start, *parts, end = body.split(b"\r\n--graphql")
    assert (start, end) == (b"", b"--\r\n")
    found = []
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        assert head == b"\r\nContent-Type: application/json"
        found.append(json.loads(content))
    return found


# --- what is asked for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/event-stream", ServerSentEvents),
        ("text/event-stream, multipart/mixed", ServerSentEvents),  # urql's for subscriptions
        ("text/event-stream, */*;q=0.5", ServerSentEvents),
        ("Text/Event-Stream;q=0.9, application/json;q=0.8", ServerSentEvents),
        (APOLLO, Multipart),
        ('multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json', Multipart),
        ("multipart/mixed;subscriptionSpec=1.0", Multipart),
        (URQL, None),
        ("application/json, text/event-stream", None),
        ("text/event-stream;q=0", None),
        ("text/event-stream;q=x", None),
        ("multipart/mixed;subscriptionSpec=1.0;q=0", None),
        ("multipart/mixed;deferSpec=20220824,application/json", None),  # Apollo's for @defer
        ("*/*", None),
        ("", None),
        (None, None),
    ],
)
def test_which_form_a_client_gets(accept: str | None, expected: Any) -> None:
    """A stream is for those who ask for it; who reads either gets one answer in JSON."""
    form = form_for(accept)
    assert form is None if expected is None else isinstance(form, expected)


# --- what is answered -------------------------------------------------------------------------


async def test_a_subscription_as_events(host: Stage) -> None:
    """Each result is a `next`, the last is `complete`; nothing may hold the events back."""
    async with host() as it, streamed(it.app, COUNT) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store, no-transform"
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["vary"] == "Accept, Origin"
        assert "content-length" not in answer.headers
        for number in range(3):
            assert await answer.event() == ("next", {"data": {"count": number}})
        assert await answer.event() == ("complete", None)
        assert await answer.event() == ("", None)


async def test_a_subscription_in_parts(host: Stage) -> None:
    """Apollo's multipart: each result a part under `payload`, each boundary sent with its part."""
    async with host() as it, streamed(it.app, WAIT, accept=APOLLO) as answer:
        media = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
        assert answer.headers["content-type"] == media
        assert await answer.chunk() == b"\r\n--graphql"
        first = await answer.chunk()
        assert first
        assert first.endswith(b"\r\n--graphql")
    async with host() as it, streamed(it.app, COUNT, accept=APOLLO) as answer:
        assert parts_of(await answer.body()) == [
            {"payload": {"data": {"count": number}}} for number in range(3)
        ]


async def test_queries_and_mutations(host: Stage) -> None:
    """Any operation may be asked for as a stream: one result, and it is over."""
    async with host() as it:
        await it.client.signup()
        async with streamed(it.app, "{ hello }") as answer:
            assert await answer.event() == ("next", {"data": {"hello": "world"}})
            assert await answer.event() == ("complete", None)
        others = "mutation { revokeOtherSessions { endedSessions } }"
        async with streamed(it.app, others, it.client.access_token) as answer:
            assert await answer.next() == {"endedSessions": 0}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("query($to: Int!) { hello @skip(if: $to) }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { hello } query B { hello }", "BAD_USER_INPUT"),
        ("subscription($to: Int!) { count(to: $to) }", "BAD_USER_INPUT"),
        (ME, "UNAUTHENTICATED"),
    ],
)
@pytest.mark.parametrize("accept", ["text/event-stream", APOLLO])
async def test_what_cannot_run_is_told_within_the_stream(
    query: str, code: str, accept: str, host: Stage
) -> None:
    """graphql-sse: "validation steps that run before execution MUST report errors through an
    accepted SSE connection by emitting `next` events"."""
    async with host() as it, streamed(it.app, query, accept=accept) as answer:
        assert answer.status == 200
        if accept == APOLLO:
            (part,) = parts_of(await answer.body())
            (error,) = part["payload"]["errors"]
        else:
            (error,) = await answer.errors()
        assert error["extensions"]["code"] == code


async def test_named_documents(host: Stage) -> None:
    """A document may be named by its hash once it is known; one that is not is refused with the
    code that clients know."""
    name = {"persistedQuery": {"version": 1, "sha256Hash": sha256(COUNT.encode()).hexdigest()}}
    async with host() as it:
        ask = {"accept": "text/event-stream"}
        found = await it.http.post("/graphql", json={"extensions": name}, headers=ask)
        assert "PERSISTED_QUERY_NOT_FOUND" in found.text
        assert found.text.endswith("event: complete\ndata:\n\n")
        for sent in ({"query": COUNT, "extensions": name}, {"extensions": name}):
            found = await it.http.post("/graphql", json=sent, headers=ask)
            assert found.text.count("event: next\n") == 3


async def test_what_is_no_request_is_answered_at_once(host: Stage) -> None:
    """What is no GraphQL request at all gets its status, as without a stream."""
    async with host() as it:
        for status, more in (
            (400, {"content": b"{"}),
            (415, {"content": b"{}", "headers": {"content-type": "text/plain"}}),
            (413, {"content": b"x" * 1_000_001}),
        ):
            headers = {"accept": "text/event-stream", "content-type": "application/json"}
            headers |= more.pop("headers", {})  # type: ignore[arg-type, operator]
            answer = await it.http.post("/graphql", headers=headers, **more)  # type: ignore[arg-type]
            assert answer.status_code == status
            assert answer.json()["errors"]
        assert (await it.http.put("/graphql", headers=headers)).status_code == 405


async def test_by_get(host: Stage) -> None:
    """A browser's EventSource asks by GET: queries and subscriptions run, mutations do not."""
    async with host() as it:
        ask = {"accept": "text/event-stream"}
        found = await it.http.get("/graphql", params={"query": COUNT}, headers=ask)
        assert found.text.count("event: next\n") == 3
        assert found.text.endswith("event: complete\ndata:\n\n")
        found = await it.http.get("/graphql", params={"query": "{ hello }"}, headers=ask)
        assert 'data: {"data":{"hello":"world"}}' in found.text
        found = await it.http.get("/graphql", params={"query": LOGOUT}, headers=ask)
        assert '"code":"BAD_USER_INPUT"' in found.text
        assert "use POST" in found.text


async def test_a_defect_in_a_stream(host: Stage) -> None:
    """A defect is masked behind a reference."""
    async with host() as it, streamed(it.app, "subscription { broken }") as answer:
        assert await answer.next() == 1
        (error,) = await answer.errors()
        assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
        assert "says too much" not in error["message"]


@pytest.mark.parametrize("accept", ["text/event-stream", APOLLO])
async def test_the_line_is_kept_alive(
    accept: str, host: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing happens, something is sent now and then that clients skip."""
    monkeypatch.setattr(ServerSentEvents, "pause", 0.01)
    monkeypatch.setattr(Multipart, "pause", 0.01)
    async with host() as it, streamed(it.app, WAIT, accept=accept) as answer:
        beat = ServerSentEvents.beat if accept != APOLLO else Multipart.beat
        seen = b""
        while seen.count(beat) < 2:
            seen += await answer.chunk() or b""
        streams.more.set()
        while b'{"wait":1}' not in seen:
            seen += await answer.chunk() or b""


# --- how it ends ------------------------------------------------------------------------------


async def test_a_stream_ends_when_its_token_expires(host: Stage) -> None:
    """When the token's time is over the stream says so and completes, by itself."""
    async with host(access_token_ttl=timedelta(seconds=1)) as it:
        await it.client.signup()
        async with streamed(it.app, GUARDED, it.client.access_token) as answer:
            assert await answer.next() == 0
            (error,) = await answer.errors()
            assert error["message"] == "Token expired"
            assert error["extensions"]["reason"] == "ACCESS_TOKEN_EXPIRED"
            await streams.down_to(0)
        assert it.open == 0


@pytest.mark.parametrize("accept", ["text/event-stream", APOLLO])
async def test_a_stream_ends_with_its_session(accept: str, host: Stage) -> None:
    """A session that ends ends its streams, and no others."""
    async with host() as it:
        await it.client.signup()
        other = GraphQLClient(it.http)
        await other.login()
        async with (
            streamed(it.app, GUARDED, it.client.access_token, accept=accept) as mine,
            streamed(it.app, GUARDED, other.access_token) as others,
            streamed(it.app, WAIT, it.client.access_token) as public,
        ):
            for answer in (others, public):
                assert await answer.next() == 0
            if accept == APOLLO:
                assert await mine.chunk()
                assert await mine.chunk()
            else:
                assert await mine.next() == 0
            await it.client.field(LOGOUT)
            if accept == APOLLO:
                (error,) = parts_of(b"\r\n--graphql" + await mine.body())[0]["payload"]["errors"]
            else:
                (error,) = await mine.errors()
            assert error["extensions"]["reason"] == "SESSION_REVOKED"
            assert streams.running == 2


async def test_no_value_leaves_after_the_token(host: Stage, clock: SettableClock) -> None:
    """A value that is ready just after the end is not sent, however late the timer is."""
    async with host(clock=clock) as it:
        await it.client.signup()
        for query, first in ((GUARDED, 0), (MINE, "for somebody")):
            await it.client.refresh()
            async with streamed(it.app, query, it.client.access_token) as answer:
                assert await answer.next() == first
                clock.forward(seconds=900)
                streams.more.set()
                (error,) = await answer.errors()
                assert error["extensions"]["reason"] == "ACCESS_TOKEN_EXPIRED"
                await streams.down_to(0)


async def test_a_client_that_leaves(host: Stage) -> None:
    """Who leaves in the middle of it leaves nothing behind."""
    async with host() as it:
        async with streamed(it.app, WAIT) as answer:
            assert await answer.next() == 0
            assert (it.open, streams.running) == (1, 1)
        assert (it.open, streams.running) == (0, 0)


async def test_a_client_that_reads_nothing(host: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes nothing of what it is told holds nothing for long."""
    monkeypatch.setattr("gql_auth.serving.streams.STALL", 0.1)
    async with host() as it:
        async with streamed(it.app, WAIT) as answer:
            assert await answer.next() == 0
            answer.reads.clear()
            streams.more.set()
            await within(10, lambda: not it.open)
        assert (streams.running, it.limited("slow")) == (0, 1)


async def test_a_server_that_ends(host: Stage) -> None:
    """At the server's end streams are cut without `complete`, so that clients come again; new
    ones are refused until it is gone."""
    async with host() as it:
        async with streamed(it.app, WAIT) as answer:
            assert await answer.next() == 0
            it.auth.hang_up()
            assert await answer.body() == b""
        async with streamed(it.app, WAIT) as answer:
            assert answer.status == 503
    it.auth.hang_up()  # nothing runs any more


# --- the cookie -------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["login", "refreshToken", "logout"])
async def test_a_stream_never_uses_the_cookie(field: str, host: Stage) -> None:
    """The head of a stream is gone before an operation could set a cookie: those that need it are
    refused, and nothing of them happens."""
    async with host() as it:
        await it.client.signup()
        credentials = {"input": {"email": "ada@example.com", "password": PASSWORD}}
        query, variables = {"login": (LOGIN, credentials), "refreshToken": (REFRESH, None),
                            "logout": (LOGOUT, None)}[field]  # fmt: skip
        cookie = f"refresh_token={it.client.refresh_token}"
        async with streamed(it.app, query, variables=variables, cookie=cookie) as answer:
            assert "set-cookie" not in answer.headers
            (error,) = await answer.errors()
            assert error["extensions"] == {"code": "FORBIDDEN", "reason": "POST_REQUIRED"}
        assert (await it.client.refresh())["__typename"] == "AuthPayload"
