"""/metrics: what is counted, when it happens, and what never gets in."""

import asyncio
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gql_auth.observing.names import MOST, OF_ONE, OF_SIGN_INS, Codes, Names
from tests.faults.cable import Cable
from tests.live import within
from tests.process import until
from tests.replicas import PLENTY
from tests.support import ME, PASSWORD, SECRET
from tests.watching import sql, watched

LOGOUT = "mutation { logout { sessionEnded } }"
REFRESHES = {"rotated", "replayed", "raced", "ahead", "reused", "expired", "invalid", "missing",
             "revoked", "throttled", "unavailable"}  # fmt: skip


# -- what is counted -------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
async def test_each_refresh_outcome_is_counted_when_it_happens(
    workers: int, tmp_path: Path
) -> None:
    """Right after each refresh its outcome, and no other, is one more on the page, whichever
    worker it went to."""
    settings = {"throttle_refresh_session": "6/5m", "refresh_race_window": "5m"}
    with watched(tmp_path, "--workers", str(workers), **settings) as it:
        begun = it.figures()
        for outcome in REFRESHES:  # there from the start: a rate misses no first one
            assert begun[f'gql_auth_refreshes_total{{outcome="{outcome}"}}'] == 0

        async with it.client() as client:

            async def refreshed(outcome: str) -> None:
                await client.refresh()
                assert it.grown("gql_auth_refreshes_total") == {f'outcome="{outcome}"': 1}

            await refreshed("missing")
            await client.signup()
            await refreshed("rotated")
            first = dict(client.cookies)
            await refreshed("rotated")
            newest = dict(client.cookies)
            client.cookies = dict(first)
            await refreshed("replayed")
            assert (await client.me())["data"], "whoever has the answer uses it"
            confirmed = "SELECT 1 FROM gql_auth_sessions WHERE confirmed"
            until(lambda: sql(tmp_path, confirmed), "the use is written")
            client.cookies = dict(first)
            await refreshed("raced")
            client.cookies = {name: value[:-4] + "AAAA" for name, value in newest.items()}
            await refreshed("invalid")
            client.cookies = dict(newest)
            await refreshed("rotated")
            client.cookies = dict(first)
            await refreshed("reused")
            client.cookies = dict(newest)
            await refreshed("revoked")

            await client.login()
            await refreshed("rotated")
            sql(tmp_path, "UPDATE gql_auth_sessions SET generation = 0 WHERE revoked_at IS NULL")
            await refreshed("ahead")
            sql(tmp_path, "UPDATE gql_auth_sessions SET expires_at = created_at")
            await refreshed("expired")

            await client.login()
            for _ in range(6):
                await client.refresh()
            it.figures()
            it.grown("gql_auth_refreshes_total")
            await refreshed("throttled")
            assert it.figures()['gql_auth_throttled_total{policy="refresh.session"}'] == 1


async def test_each_sign_in_and_sign_up_is_counted_when_it_happens(tmp_path: Path) -> None:
    """Right after it, the outcome of a sign-in or sign-up, and the throttle that refused it, is
    one more on the page."""
    throttles = {"throttle_login_account_address": "2/1h", "throttle_signup_address": "3/1h"}
    with watched(tmp_path, **throttles) as it:
        async with it.client() as client:

            def counted(name: str, outcome: str) -> None:
                assert it.grown(f"gql_auth_{name}_total") == {f'outcome="{outcome}"': 1}

            await client.signup()
            counted("signups", "succeeded")
            await client.signup()
            counted("signups", "refused")
            await client.signup("nobody")
            counted("signups", "invalid")
            await client.signup("bob@example.com")
            counted("signups", "succeeded")
            await client.signup("eve@example.com")
            counted("signups", "throttled")
            assert it.grown("gql_auth_throttled") == {'policy="signup.address"': 1}
            await client.login()
            counted("logins", "succeeded")
            await client.login("")
            counted("logins", "invalid")
            for _ in range(2):
                await client.login("tr0ub4dor and three")
                counted("logins", "refused")
            await client.login()
            counted("logins", "throttled")
            assert it.grown("gql_auth_throttled") == {'policy="login.account_address"': 1}


async def test_requests_are_counted_by_kind_and_outcome(tmp_path: Path) -> None:
    """Operations count by name, kind and outcome, what could not be run as `none`, and the page
    for browsers not at all; the histogram has as many."""
    with watched(tmp_path) as it:
        async with it.client() as client:

            def counted(name: str, kind: str, outcome: str) -> None:
                expected = f'kind="{kind}",operation="{name}",outcome="{outcome}"'
                assert it.grown("gql_auth_requests_total") == {expected: 1}

            await client.signup()
            counted("anonymous", "mutation", "ok")
            await client.post("query Mine { me { id } }")
            counted("Mine", "query", "ok")
            await client.post("query Mine { me { id } } query Other { me { id } }")
            counted("none", "none", "bad_user_input")
            await client.http.post("/graphql", json={
                "query": "query A { __typename } query Mine { __typename }",
                "operationName": "Mine"})  # fmt: skip
            counted("Mine", "query", "ok")
            await client.post("query Mine { me { id } }", token="x.y.z")
            counted("Mine", "query", "unauthenticated")
            await client.post("query Nobody { nothing }")
            counted("none", "none", "graphql_validation_failed")
            await client.post("query Nobody {")
            counted("none", "none", "graphql_parse_failed")
            await client.http.post("/graphql", content=b"{")
            counted("none", "none", "bad_user_input")
            await client.post(ME, {"unused": 1})
            counted("anonymous", "query", "ok")
            await client.post("mutation In($i: LoginInput!) { login(input: $i) { __typename } }")
            counted("other", "mutation", "bad_user_input")
            page = await client.http.get("/graphql", headers={"Accept": "text/html"})
            assert page.headers["content-type"].startswith("text/html")
            assert it.grown("gql_auth_requests_total") == {}
            figures = it.figures()
            for kind, count in (("query", 4), ("mutation", 2), ("none", 4)):
                assert figures[f'gql_auth_request_seconds_count{{kind="{kind}"}}'] == count
                if kind != "none":
                    assert figures[f'gql_auth_request_seconds_sum{{kind="{kind}"}}'] > 0


async def test_a_flood_of_names_does_not_grow_the_page(tmp_path: Path) -> None:
    """Of names that strangers make up none reaches the page; somebody with an account brings
    half of what there is room for at most."""
    with watched(tmp_path) as it:
        async with it.server.client() as client:
            await client.signup()
            await client.post("query Honest { me { id } }")
            assert it.grown("gql_auth_requests_total")

            async def flood(count: int, query: str, **headers: str) -> None:
                for first in range(0, count, 25):
                    await asyncio.gather(*(
                        client.http.post("/graphql", json={"query": query % each}, headers=headers)
                        for each in range(first, first + 25)
                    ))  # fmt: skip

            await flood(500, "query Stranger%d { __typename }")
            await flood(25, "query Liar%d { me { id } }")
            await flood(25, "query Careless%d { nothing }")
            other = 'kind="query",operation="other",outcome="%s"'
            assert it.grown("gql_auth_requests_total") == {
                other % "ok": 500,
                other % "unauthenticated": 25,
                'kind="none",operation="none",outcome="graphql_validation_failed"': 25,
            }

            member = {"Authorization": f"Bearer {client.access_token}"}
            await flood(75, "query Member%d { me { id } }", **member)
            mine = [key for key in it.figures() if 'operation="Member' in key]
            assert len(mine) == OF_ONE - 1, "Honest was the first"
            full = set(it.figures())
            await flood(25, "query More%d { me { id } }", **member)
            assert set(it.figures()) == full


def test_how_many_names_there_are() -> None:
    """A process tells a hundred names apart in all its life, of one account half of them, of
    sign-ins ten; what it has told apart once it tells apart for everybody."""
    names = Names()
    assert names.label("Evil", "query", None) == "other"
    assert names.label("x" * 65, "query", "ada") == "other"
    assert names.label("Login", "mutation", "sign-in") == "Login"
    assert names.label("Login", "mutation", None) == "Login"
    assert names.label("Login", "none", "sign-in") == "none"
    assert names.label(None, "query", "ada") == "anonymous"
    for who, bound in (("sign-in", OF_SIGN_INS - 1), ("ada", OF_ONE), ("bob", 40)):
        given = [names.label(f"{who.title().replace('-', '')}{each}", "query", who)
                 for each in range(80)]  # fmt: skip
        assert given[bound:] == ["other"] * (80 - bound), who
        assert "other" not in given[:bound]
    assert 1 + OF_SIGN_INS - 1 + OF_ONE + 40 == MOST
    assert names.label("New", "query", "eve") == "other"
    assert names.label("Ada0", "query", "eve") == "Ada0"


def test_how_many_outcomes_there_are() -> None:
    """Codes that a host's resolvers make up are bounded in number and in form."""
    codes = Codes()
    assert [codes.label(each) for each in ("ok", "host_code")] == ["ok", "host_code"]
    for odd in ("ada@example.com", "", "x" * 41, "two words", "UPPER", "1st"):
        assert codes.label(odd) == "other"
    assert {codes.label(f"code_{each}") for each in range(500)} == {
        *(f"code_{each}" for each in range(38)),
        "other",
    }
    assert codes.label("ok") == "ok"


async def test_nothing_secret_is_on_the_page(tmp_path: Path) -> None:
    """No password, token, cookie, address, id or e-mail address of anybody gets to /metrics."""
    with watched(tmp_path, throttle_login_account_address="1/1h") as it:
        async with it.client() as client:
            user = (await client.signup(username="ada_lovelace"))["user"]
            held = {PASSWORD, user["id"], user["email"], "ada_lovelace", "127.0.0.1"}
            held |= {client.access_token or "", client.refresh_token or ""}
            (session,) = (await client.post("{ sessions { id } }"))["data"]["sessions"]
            held.add(session["id"])
            await client.refresh()
            held |= {client.access_token or "", client.refresh_token or ""}
            for _ in range(2):
                await client.login("tr0ub4dor")
            await client.post('query Q { login(email: "ada@example.com") }')
            await client.http.post("/graphql", json={
                "query": "query Q { me { id } }", "operationName": "ada@example.com"})  # fmt: skip
            await client.field(LOGOUT)
        page = it.page().text
    held |= {part for each in held for part in each.split(".") if each.startswith("ey")}
    for hidden in held - {"", "0", "1"}:
        assert hidden.lower() not in page.lower()
    assert not re.search(r"eyJ|\$2b\$|\w@\w|[0-9a-f]{8}-[0-9a-f]{4}", page)


# -- levels ----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_hash_queue_is_seen_while_it_is_long(workers: int, tmp_path: Path) -> None:
    """While more people sign in than there are threads, the queue and the checks that run are on
    the page; afterwards they are gone."""
    settings = {"bcrypt_cost": 12, "throttle_login_address": PLENTY}
    with watched(tmp_path, "--workers", str(workers), **settings) as it:
        async with it.client() as client:
            attempts = [
                asyncio.ensure_future(client.login("wrong one", email=f"u{each}@example.com"))
                for each in range(12)
            ]

            def level(name: str) -> float:
                return it.figures()[f"gql_auth_{name}"]

            async def busy() -> bool:
                await asyncio.sleep(0)
                figures = await asyncio.to_thread(it.figures)
                return figures["gql_auth_hash_queue"] > 0 and figures["gql_auth_hash_running"] > 0

            await within(30, busy)
            await asyncio.gather(*attempts)
            until(lambda: level("hash_queue") == level("hash_running") == 0, "all is worked out")
            assert level("pool_size") == 10 * workers


async def test_revocations_that_others_made(postgres_url: str, tmp_path: Path) -> None:
    """A session that ended through one process is counted by the other, with the time it took to
    hear of it, and is one of those that it refuses."""
    place: dict[str, object] = {"database_url": postgres_url, "secret": SECRET}
    with watched(tmp_path, **place) as one, watched(tmp_path, **place) as two:
        assert one.figures()["gql_auth_ended_sessions"] == 0
        async with two.client() as client:
            await client.signup()
            await client.field(LOGOUT)
        heard = 'gql_auth_revocation_lag_seconds_count{way="notification"}'
        found = until(lambda: (now := one.figures())[heard] == 1 and now, "it was heard")
        assert 0 < found['gql_auth_revocation_lag_seconds_sum{way="notification"}'] < 5
        assert found["gql_auth_ended_sessions"] == 1


async def test_staleness_grows_while_the_database_is_away(
    postgres_url: str, tmp_path: Path
) -> None:
    """Cut off from the database, a process shows how old its knowledge is, and counts what it
    cannot answer; back again, the age is small."""
    parts = urlsplit(postgres_url)
    with Cable.to(parts.port or 5432) as line:
        url = postgres_url.replace(f":{parts.port}/", f":{line.port}/")
        with watched(tmp_path, database_url=url, secret=SECRET, revocation_poll="1s") as it:
            async with it.client() as client:
                await client.signup()
                line.cut()
                until(lambda: it.figures()["gql_auth_staleness_seconds"] > 4, "it grows")
                assert (await client.post("query Away { __typename }"))["data"]
                await client.post("mutation { refreshToken { __typename } }")
                now = it.figures()
                assert now['gql_auth_refreshes_total{outcome="unavailable"}'] == 1
                line.join()
                until(lambda: it.figures()["gql_auth_staleness_seconds"] < 3, "it is back")
