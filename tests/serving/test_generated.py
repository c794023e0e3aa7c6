"""Operations that nobody thought of, generated from the schema, against the live endpoint."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema

from gql_auth import GraphQLAuth
from gql_auth.app import create_app
from gql_auth.building import build_schema
from gql_auth.kernel.settings import Settings
from gql_auth.serving.costs.exceeding import CODES
from gql_auth.storage.migrate import migrate
from tests.live import serving
from tests.support import SECRET

GRAPHQL_RESPONSE = "application/graphql-response+json"
OPERATIONS = from_schema(build_schema().as_str())
# What an operation that fits the schema may be refused for: who asks, and how much of it.
REFUSED = CODES | {"UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED",
                   "SERVICE_UNAVAILABLE"}  # fmt: skip
BROKEN = REFUSED | {"GRAPHQL_PARSE_FAILED"}
GENTLY = settings(
    max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A real server on a real port, throttled by nothing."""
    made = Settings(data_dir=tmp_path_factory.mktemp("server"), secret=SECRET, bcrypt_cost=10,
                    throttle_signup_address=None, throttle_login_address=None,
                    throttle_login_account=None, throttle_login_account_address=None)  # fmt: skip
    migrate(made)
    with (
        serving(create_app(GraphQLAuth(made))) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def codes_of(answer: httpx.Response) -> set[str]:
    """The codes of an answer that is none of a defect."""
    body: dict[str, Any] = answer.json()
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    assert answer.headers["content-type"].startswith(GRAPHQL_RESPONSE)
    assert ("data" in body) or body["errors"]
    assert (answer.status_code >= 400) == (body.get("data") is None and "errors" in body)
    return {error["extensions"]["code"] for error in body.get("errors", [])}


def send(http: httpx.Client, document: str) -> httpx.Response:
    """A document by POST."""
    return http.post("/graphql", json={"query": document}, headers={"Accept": GRAPHQL_RESPONSE})


@GENTLY
@given(document=OPERATIONS)
def test_what_fits_the_schema(document: str, http: httpx.Client) -> None:
    """Whatever the schema allows is answered, or refused for a reason that clients know."""
    assert codes_of(send(http, document)) <= REFUSED


@GENTLY
@given(document=OPERATIONS, data=st.data())
def test_what_does_not(document: str, data: st.DataObject, http: httpx.Client) -> None:
    """Cut, torn and spoilt, it is refused as what it is, and never a defect."""
    place = data.draw(st.integers(0, len(document)))
    cut = data.draw(st.integers(0, 20))
    letters = st.characters(exclude_categories=["Cs"])
    spoilt = document[:place] + data.draw(st.text(letters, max_size=5)) + document[place + cut :]
    answer = send(http, spoilt or "{")
    if spoilt.strip():
        assert codes_of(answer) <= BROKEN
