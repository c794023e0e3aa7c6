"""Traces and the trace id in the log: a real server, a real receiver of OTLP over HTTP."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from gql_auth.kernel.settings import Settings
from gql_auth.kernel.telemetry import Parent, parent_of
from tests.collecting import Collector, collecting
from tests.process import STOP, environment, serving, until
from tests.support import PASSWORD, GraphQLClient

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
INTERNAL, SERVER = 1, 2  # kinds of spans
FOREVER = "3600000"  # milliseconds: what arrives was sent at the end


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A receiver to which every server of the test sends its spans, at its end."""
    with collecting() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", FOREVER)
        yield made


async def test_a_request_is_a_span_of_the_clients_trace(
    collector: Collector, tmp_path: Path
) -> None:
    """A request is a child of the client's span, named as GraphQL spans are, with children for
    units of work and hashing; the answer names it; what was not yet sent is sent at the end."""
    with serving(data_dir=tmp_path, tracing="on") as server:
        async with server.client() as client:
            await client.signup()
            _, sign_up, _, flags = client.last.headers["traceresponse"].split("-")
            assert int(flags, 16) & 1, "sampled"
            query = "query Mine { me { email } }"
            await client.post(query, traceparent=PARENT, tracestate="vendor=ada,other=1")
            answered = client.last.headers["traceresponse"]
        assert not collector.bodies, "nothing is due yet"
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 10

    assert collector.paths == {"/v1/traces"}
    assert {each["service.name"] for each in collector.resources} == {"gql-auth"}
    mine = collector.one("query Mine")
    assert (mine.trace_id, mine.parent_id, mine.kind) == (TRACE, SPAN, SERVER)
    assert mine.state == "vendor=ada,other=1"
    assert answered == f"00-{TRACE}-{mine.span_id}-01"
    assert mine.about == {
        "graphql.operation.type": "query",
        "graphql.operation.name": "Mine",
        "gql_auth.outcome": "ok",
    }
    (read,) = collector.children(mine)
    assert (read.name, read.trace_id, read.kind) == ("database read", TRACE, INTERNAL)
    assert read.about == {"db.system.name": "sqlite"}

    made = collector.one("mutation")
    assert (made.trace_id, made.parent_id, made.kind) == (sign_up, "", SERVER)
    assert "graphql.operation.name" not in made.about, "it had none"
    steps = collector.children(made)
    assert {span.name for span in steps} == {
        "database read", "database write", "password hashing",
    }  # fmt: skip
    (hashing,) = [span for span in steps if span.name == "password hashing"]
    assert 0 < hashing.nanoseconds < made.nanoseconds
    assert len(collector.spans) == 2 + 1 + len(steps), "and none of the tasks in the background"


async def test_nothing_secret_is_in_a_trace(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No document, variable, password, token, address or e-mail address is in what is sent, not
    of defects either, and not where FastAPI's own telemetry was switched on."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    held = {PASSWORD, "tr0ub4dor", "ada@example.com", "ada_lovelace", "127.0.0.1", "accessToken"}
    with serving(data_dir=tmp_path, tracing="on") as server:
        async with server.client() as client:
            held.add((await client.signup(username="ada_lovelace"))["user"]["id"])
            held |= {client.access_token or "", client.refresh_token or ""}
            await client.login("tr0ub4dor")
            await client.refresh()
            held |= {client.access_token or "", client.refresh_token or ""}
            secret_name = "query ada_lovelace { __typename }"
            await client.http.get("/graphql", params={"query": secret_name})
            await client.post('mutation { login(input: {email: "ada@example.com"}) }')
            with closing(sqlite3.connect(tmp_path / "gql_auth.sqlite3", timeout=10)) as database:
                broken = "UPDATE gql_auth_users SET roles = 'no JSON: ' || email"
                database.execute(broken)
                database.commit()
            await client.me()
        server.stop()
    assert {span.scope for span in collector.spans} == {"gql_auth"}
    assert collector.paths == {"/v1/traces"}
    sent = b"".join(collector.bodies).lower()
    assert b"password hashing" in sent
    for hidden in held - {""}:
        assert hidden.lower().encode() not in sent, hidden
    failed = {span.name: span.about["error.type"] for span in collector.spans if span.failed}
    assert failed == {"database read": "JSONDecodeError", "query": "internal_server_error"}


async def test_outcomes_and_names_of_spans(collector: Collector, tmp_path: Path) -> None:
    """Refusals are outcomes and no failures; names that strangers make up name no span."""
    with serving(data_dir=tmp_path, tracing="on") as server:
        async with server.client() as client:
            await client.post("query Stranger { me { id } }", traceparent=PARENT)
            await client.post("query Stranger { nothing }", traceparent=PARENT)
        server.stop()
    spans = [span for span in collector.spans if span.parent_id == SPAN]
    assert [(span.name, span.about["gql_auth.outcome"], span.failed) for span in spans] == [
        ("query", "unauthenticated", False),
        ("graphql", "graphql_validation_failed", False),
    ]


async def test_the_clients_word_on_sampling_counts(collector: Collector, tmp_path: Path) -> None:
    """A request of a trace that is not sampled is not sent, its answer says so, and its lines of
    the log still bear the trace."""
    with serving(data_dir=tmp_path, tracing="on") as server:
        async with server.client() as client:
            await client.post("{ __typename }", traceparent=PARENT[:-2] + "00")
            version, trace_id, span_id, flags = client.last.headers["traceresponse"].split("-")
            assert (version, trace_id, flags) == ("00", TRACE, "00")
            line = server.line_of(client.last)
            assert (line["trace_id"], line["span_id"]) == (TRACE, span_id)
        server.stop()
    assert collector.spans == []


async def test_lines_of_the_log_bear_trace_and_span(collector: Collector, tmp_path: Path) -> None:
    """Each line that is logged while a request is answered bears its trace and its span; lines
    of other tasks bear none."""
    with serving(data_dir=tmp_path, tracing="on") as server:
        async with server.client() as client:
            await client.post("{ __typename }", traceparent=PARENT, tracestate="NO KEY=ada")
            await client.signup()
            await client.post("mutation { logout { sessionEnded } }", traceparent=PARENT)
            request = server.line_of(client.last)
            lines = [line for line in server.log if line.get("trace_id") == TRACE]
            assert [line["event"] for line in lines] == ["request", "audit", "request"]
            answered = client.last.headers["traceresponse"].split("-")
            assert (request["trace_id"], request["span_id"]) == (TRACE, answered[2])
            assert not re.search("w3c|tracestate", server.err), "no stranger fills the log so"
        server.stop()
    assert {line["span_id"] for line in lines} <= {span.span_id for span in collector.spans}


async def test_without_tracing_lines_bear_the_trace_all_the_same(tmp_path: Path) -> None:
    """With tracing off a client's valid trace id is in the log, an invalid one is not, and the
    lines of one request bear one id in any case; the answer tells of no span."""
    with serving(data_dir=tmp_path) as server:
        async with server.client() as client:
            await client.signup()
            line = server.line_of(client.last)
            assert re.fullmatch("[0-9a-f]{32}", line["trace_id"])
            lines = [each for each in server.log if each.get("trace_id") == line["trace_id"]]
            assert [each["event"] for each in lines] == ["audit", "request"]
            assert all("span_id" not in each for each in server.log)
            assert "traceresponse" not in client.last.headers
            await client.post("{ __typename }", traceparent=PARENT)
            assert server.line_of(client.last)["trace_id"] == TRACE
            await client.http.post("/graphql", content=b"{", headers={"traceparent": PARENT})
            refused = [each for each in server.log if each.get("refused")]
            assert [each["trace_id"] for each in refused] == [TRACE]
            await client.post("{ __typename }", traceparent=PARENT.replace("0", "x"))
            assert server.line_of(client.last)["trace_id"] not in {TRACE, "x"}


async def test_lines_of_a_socket_bear_its_trace(tmp_path: Path) -> None:
    """What is logged for operations of a WebSocket bears the trace of its handshake."""
    with serving(data_dir=tmp_path) as server:
        async with server.client() as client:
            await client.signup()
            client.cookies = {}  # another device
            await client.login()
            address = server.url.replace("http", "ws") + "/graphql"
            async with connect(
                address,
                subprotocols=[Subprotocol("graphql-transport-ws")],
                additional_headers={"traceparent": PARENT},
            ) as line:
                token = {"Authorization": f"Bearer {client.access_token}"}
                await line.send(json.dumps({"type": "connection_init", "payload": token}))
                assert "connection_ack" in str(await line.recv())
                revoke = {"query": "mutation { revokeOtherSessions { endedSessions } }"}
                await line.send(json.dumps({"id": "1", "type": "subscribe", "payload": revoke}))
                assert '"endedSessions":1' in str(await line.recv()).replace(" ", "")
        server.stop()
        lines = [each for each in server.log if each.get("trace_id") == TRACE]
        assert [each["event"] for each in lines] == ["socket opened", "audit", "socket closed"]
        assert lines[1]["tag"] == "session:end:done"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([PARENT], Parent(TRACE, SPAN, 1, "")),
        ([f" {PARENT}\t"], Parent(TRACE, SPAN, 1, "")),
        ([PARENT[:-2] + "00"], Parent(TRACE, SPAN, 0, "")),
        ([PARENT[:-2] + "03"], Parent(TRACE, SPAN, 3, "")),
        (["cc" + PARENT[2:]], Parent(TRACE, SPAN, 1, "")),
        (["cc" + PARENT[2:] + "-what-comes-later"], Parent(TRACE, SPAN, 1, "")),
        (["cc" + PARENT[2:] + ".what"], None),
        (["ff" + PARENT[2:]], None),
        ([PARENT + "-what"], None),
        ([PARENT[:-1]], None),
        ([PARENT + "0"], None),
        ([PARENT.upper()], None),
        ([PARENT.replace(TRACE, "0" * 32)], None),
        ([PARENT.replace(SPAN, "0" * 16)], None),
        ([PARENT, PARENT], None),
        ([""], None),
        ([], None),
        (["-" * 60_000], None),
    ],
)
def test_which_parents_are_valid(headers: list[str], expected: Parent | None) -> None:
    """A `traceparent` is read as W3C Trace Context says, or not at all."""
    assert parent_of(headers) == expected


def test_how_much_of_tracestate_is_kept() -> None:
    """Several headers are one list; what is longer than all systems pass on is left out."""
    parent = parent_of([PARENT], ["a=1", "b=2"])
    assert parent is not None
    assert parent.state == "a=1,b=2"
    assert parent_of([PARENT], ["a=" + "x" * 510]) == parent._replace(state="a=" + "x" * 510)
    assert parent_of([PARENT], ["a=" + "x" * 511]) == parent._replace(state="")


# -- when it goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("silent", [False, True], ids=["refuses", "never answers"])
async def test_a_dead_collector_harms_nobody(
    silent: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where spans go nowhere, requests are answered as ever, and the server ends in time."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    with socket.socket() as black_hole:
        black_hole.bind(("127.0.0.1", 0))
        if silent:
            black_hole.listen()
        endpoint = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        with serving(data_dir=tmp_path, tracing="on") as server:
            async with server.client() as client:
                await client.signup()
                deadline = time.monotonic() + 3
                while time.monotonic() < deadline:
                    assert "errors" not in await client.me()
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 10, "5 s for what is left, and some"
            assert not re.search("Traceback|ada@", server.err)
            if not silent:
                until(lambda: "Failed to export" in server.err or "Transient" in server.err, "told")


def hidden(package: str, *arguments: str, **settings: object) -> "subprocess.CompletedProcess[str]":
    """Run the command where a package is not installed."""
    code = (
        f"import sys; sys.modules[{package!r}] = None; "
        "from gql_auth.cli import main; main()"
    )  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=STOP,
        env=environment(**settings),
        check=False,
    )


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("package", ["opentelemetry.sdk", "opentelemetry.exporter"])
def test_without_the_libraries_the_start_says_so(
    package: str, workers: str, tmp_path: Path
) -> None:
    """Tracing without OpenTelemetry ends the start with the command that installs it, before
    anything is made."""
    data = tmp_path / "data"
    done = hidden(package, "serve", "--port", "0", "--workers", workers, data_dir=data,
                  tracing="on")  # fmt: skip
    assert done.returncode == 3
    assert "GQL_AUTH_TRACING" in done.stderr
    assert "pip install 'gql-auth[tracing]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not data.exists()


async def test_disabled_by_its_own_variable(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_SDK_DISABLED means no spans, and answers and log as with tracing off."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with serving(data_dir=tmp_path, tracing="on") as server:
        async with server.client() as client:
            await client.post("{ __typename }", traceparent=PARENT)
            assert "traceresponse" not in client.last.headers
            assert server.line_of(client.last)["trace_id"] == TRACE
        server.stop()
    assert not collector.bodies


async def test_a_front_end_elsewhere_may_send_and_read_it(tmp_path: Path) -> None:
    """Pages of allowed origins may send the headers of a trace and read the answer's."""
    origin = "http://localhost:3000"
    with serving(data_dir=tmp_path, allowed_origins=origin) as server:
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,traceparent,tracestate",
        }
        async with httpx.AsyncClient(base_url=server.url) as http:
            assert (await http.options("/graphql", headers=asked)).status_code == 200
            client = GraphQLClient(http, origin)
            await client.post("{ __typename }")
            assert "traceresponse" in client.last.headers["access-control-expose-headers"]


# -- inside a host's application -------------------------------------------------------------

HOST = '''
import asyncio, json, sys
import httpx
from fastapi import FastAPI
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from gql_auth import GraphQLAuth

kept = InMemorySpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
outgoing = {}

def claims(user):
    propagate.inject(outgoing)  # as a client of another service would
    return {}

auth = GraphQLAuth(claims=claims)
app = FastAPI(lifespan=auth.lifespan, telemetry={"tracing": False})
app.include_router(auth.router())

async def main():
    transport = httpx.ASGITransport(app)
    async with auth.running(), httpx.AsyncClient(transport=transport,
                                                 base_url="http://localhost:8000") as http:
        with provider.get_tracer("host").start_as_current_span("around"):
            answer = await http.post("/graphql", json={"query": sys.argv[1]})
    with provider.get_tracer("host").start_as_current_span("afterwards"):
        pass
    print(json.dumps({
        "answer": answer.json(),
        "response": answer.headers["traceresponse"],
        "outgoing": outgoing["traceparent"],
        "spans": [[span.name, span.context.span_id, span.parent and span.parent.span_id]
                  for span in kept.get_finished_spans()],
    }))

asyncio.run(main())
'''  # fmt: skip


def test_inside_a_hosts_own_traces(sqlite_settings: Settings) -> None:
    """In an application that traces, ours are spans of its traces by its own provider, what it
    calls meanwhile can carry them on, and its provider outlives us."""
    query = (
        'mutation { signup(input: {email: "ada@example.com", password: "correct horse battery"}) '
        "{ __typename } }"
    )
    done = subprocess.run(
        [sys.executable, "-c", HOST, query],
        capture_output=True,
        text=True,
        timeout=STOP,
        env=environment(data_dir=sqlite_settings.data_dir, secret=sqlite_settings.secret,
                        tracing="on") | {"PYTHONPATH": os.getcwd()},  # noqa: PTH109
        check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["answer"]["data"]["signup"]["__typename"] == "AuthPayload"
    spans = {name: (own, parent) for name, own, parent in told["spans"]}
    ours, around = spans["mutation"]
    assert around == spans["around"][0]
    assert spans["password hashing"][1] == ours
    assert spans["afterwards"]
    assert told["outgoing"].split("-")[2] == f"{ours:016x}"
    assert told["response"] == told["outgoing"]
