"""GraphQL over HTTP, line by line: which type answers, with which status, and what is refused.

Where the newest draft (August 2026) and the audits of graphql-http differ, the audits stand: 400
where the draft has 422, and 200 for whatever `application/json` answers.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

JSON = "application/json"
GRAPHQL_RESPONSE = "application/graphql-response+json"
TYPENAME = {"query": "{ __typename }"}
LOGOUT = "mutation { logout { sessionEnded } }"
SKIP = "query($x: Boolean!) { __typename name: __typename @skip(if: $x) }"
SEVERAL = "query A { a: __typename } query B { b: __typename }"


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    """A client that sends no header by itself."""
    with httpx.Client(base_url=url.removesuffix("/graphql")) as made:
        del made.headers["accept"]
        yield made


def post(http: httpx.Client, body: Any, **headers: str) -> httpx.Response:
    """A body, JSON unless it is bytes, with these headers and the content type."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": JSON} | {key.replace("_", "-"): text for key, text in headers.items()}
    return http.post("/graphql", content=content, headers=sent)


def code_of(answer: httpx.Response) -> str:
    """The code of an answer that is one refusal, without data, in the type that was wanted."""
    wanted = answer.request.headers.get("accept")
    media_type = wanted if wanted in {JSON, GRAPHQL_RESPONSE} else JSON
    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert "accept" in answer.headers["vary"].lower()
    body = answer.json()
    assert "data" not in body
    (error,) = body["errors"]
    code: str = error["extensions"]["code"]
    return code


ACCEPTED = {
    "": JSON,
    "*/*": JSON,
    "application/*": JSON,
    JSON: JSON,
    GRAPHQL_RESPONSE: GRAPHQL_RESPONSE,
    "APPLICATION/GraphQL-Response+JSON": GRAPHQL_RESPONSE,
    # Apollo Client 4, urql 6, graphql-request 7, GraphiQL, the draft's own example.
    f"{GRAPHQL_RESPONSE},{JSON};q=0.9": GRAPHQL_RESPONSE,
    f"{GRAPHQL_RESPONSE}, application/graphql+json, {JSON}, text/event-stream, multipart/mixed":
        GRAPHQL_RESPONSE,
    f"{GRAPHQL_RESPONSE}, {JSON}": GRAPHQL_RESPONSE,
    f"{JSON}, multipart/mixed": JSON,
    f"{GRAPHQL_RESPONSE}; charset=utf-8, {JSON}; charset=utf-8": GRAPHQL_RESPONSE,
    # The higher q wins, the more specific range says which q is a type's.
    f"{JSON}, {GRAPHQL_RESPONSE}": GRAPHQL_RESPONSE,
    f"{JSON};q=0.9, {GRAPHQL_RESPONSE};q=0.8": JSON,
    f"{JSON};q=0.8, {GRAPHQL_RESPONSE};q=0.9": GRAPHQL_RESPONSE,
    f"{JSON};q=0.001": JSON,
    f"{JSON};q=0, {GRAPHQL_RESPONSE};q=0.001": GRAPHQL_RESPONSE,
    f"{GRAPHQL_RESPONSE};q=0, */*": JSON,
    f"{JSON};q=0, */*;q=0.1": GRAPHQL_RESPONSE,
    f"{JSON};q=0.5, */*": GRAPHQL_RESPONSE,
    f"{JSON};q=0.5, application/*;q=0.4, */*": JSON,
    f"*/*, {GRAPHQL_RESPONSE}": GRAPHQL_RESPONSE,
    f"*/*, {JSON}": JSON,
    f"{GRAPHQL_RESPONSE};q=0.5, */*;q=0.5": GRAPHQL_RESPONSE,
    f"{GRAPHQL_RESPONSE} ; q = 0.5 , {JSON} ; q=0.4": GRAPHQL_RESPONSE,
    f"{JSON};profile=x;q=0.5, {GRAPHQL_RESPONSE};q=0.4": JSON,
    # What is no q counts as none at all.
    f"{JSON};q=x, {GRAPHQL_RESPONSE};q=0.1": GRAPHQL_RESPONSE,
    f"{JSON};q=nan, {GRAPHQL_RESPONSE};q=0.1": GRAPHQL_RESPONSE,
    f"{JSON};q=1e0, {GRAPHQL_RESPONSE};q=0.1": GRAPHQL_RESPONSE,
    f"{JSON};q=7, {GRAPHQL_RESPONSE};q=0.1": GRAPHQL_RESPONSE,
    f"{JSON};q=-1, {GRAPHQL_RESPONSE};q=0.1": GRAPHQL_RESPONSE,
    f"{JSON};q=0.0001, {GRAPHQL_RESPONSE};q=0.1": GRAPHQL_RESPONSE,
    "text/html, */*": JSON,
    f"{JSON}, text/html": JSON,
}  # fmt: skip


@pytest.mark.parametrize("accept", ACCEPTED)
def test_the_type_that_answers(accept: str, http: httpx.Client) -> None:
    """The most wanted type answers, says that it is UTF-8, and tells caches what it depends on."""
    answer = post(http, TYPENAME, accept=accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{ACCEPTED[accept]}; charset=utf-8"
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert "accept" in answer.headers["vary"].lower()


def test_no_accept(http: httpx.Client) -> None:
    """Without `Accept` it is the type that every client reads."""
    assert post(http, TYPENAME).headers["content-type"] == f"{JSON}; charset=utf-8"
    answer = http.get("/graphql", params=TYPENAME)
    assert answer.headers["content-type"] == f"{JSON}; charset=utf-8"


def test_several_accept_lines_are_one(http: httpx.Client) -> None:
    """Lines of `Accept` add up, as RFC 9110 (section 5.3) has it."""
    lines = [("accept", f"{JSON};q=0.5"), ("accept", GRAPHQL_RESPONSE), ("content-type", JSON)]
    answer = http.post("/graphql", content=json.dumps(TYPENAME), headers=lines)
    assert answer.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "text/*",
        "text/html",
        "application/xml",
        f"{JSON};q=0",
        f"{JSON};q=0.000, {GRAPHQL_RESPONSE};q=0",
        "*/*;q=0",
        f"application/*;q=0, {JSON};q=0, */*",
        "text/event-stream;q=0",
    ],
)
def test_not_acceptable(accept: str, http: httpx.Client) -> None:
    """406 says which types there are, and nothing has run."""
    answer = post(http, {"query": LOGOUT}, accept=accept)
    assert answer.status_code == 406
    assert GRAPHQL_RESPONSE in answer.json()["errors"][0]["message"]
    assert code_of(answer) == "BAD_USER_INPUT"


PAGES = {
    "text/html": True,
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": True,
    "text/html, */*": True,
    "text/html;q=0.1, */*": False,
    f"text/html, {JSON}": False,
    f"text/html;q=0.9, {JSON}": False,
    f"text/html, {JSON};q=0.9": True,
    f"text/html, {GRAPHQL_RESPONSE}": False,
    f"text/html;q=0, {JSON}": False,
    "*/*": False,
}


@pytest.mark.parametrize("accept", PAGES)
def test_who_gets_the_page(accept: str, http: httpx.Client) -> None:
    """A browser's GET gets the page, whoever asks for data gets data."""
    answer = http.get("/graphql", params=TYPENAME, headers={"accept": accept})
    assert answer.status_code == 200
    assert (answer.headers["content-type"].split(";")[0] == "text/html") == PAGES[accept]


# The body; the status with the newer type, with application/json; the code of the refusal.
STATUSES: dict[str, tuple[dict[str, Any], int, int, str]] = {
    "parse failure": ({"query": "{"}, 400, 200, "GRAPHQL_PARSE_FAILED"),
    "comment alone": ({"query": "# nothing"}, 400, 200, "GRAPHQL_PARSE_FAILED"),
    "validation failure": ({"query": "{ nothing }"}, 400, 200, "GRAPHQL_VALIDATION_FAILED"),
    "unused fragment": (
        {"query": "{ __typename } fragment F on Query { __typename }"},
        400,
        200,
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "variable missing": ({"query": SKIP}, 400, 200, "BAD_USER_INPUT"),
    "variable null": ({"query": SKIP, "variables": {"x": None}}, 400, 200, "BAD_USER_INPUT"),
    "variable of a wrong type": (
        {"query": SKIP, "variables": {"x": "yes"}},
        400,
        200,
        "BAD_USER_INPUT",
    ),
    "protected, no token": ({"query": "{ me { id } }"}, 401, 200, "UNAUTHENTICATED"),
}


@pytest.mark.parametrize("name", STATUSES)
def test_refusals_of_well_formed_requests(name: str, http: httpx.Client) -> None:
    """The newer type's status says what went wrong; the older type's is always 200. A request
    that was not executed has no data entry."""
    body, newer, older, code = STATUSES[name]
    answer = post(http, body, accept=GRAPHQL_RESPONSE)
    assert answer.status_code == newer
    assert answer.headers["content-type"] == f"{GRAPHQL_RESPONSE}; charset=utf-8"
    assert code_of(answer) == code
    answer = post(http, body, accept=JSON)
    assert answer.status_code == older
    assert answer.headers["content-type"] == f"{JSON}; charset=utf-8"
    assert answer.json()["errors"][0]["extensions"]["code"] == code
    assert ("data" in answer.json()) == (code == "UNAUTHENTICATED")


def test_partial_success(mounted_url: str) -> None:
    """Data beside errors is 294 with the newer type, so that proxies and logs see it; every
    client takes it for success."""
    with httpx.Client(base_url=mounted_url.removesuffix("/graphql")) as http:
        body = {"query": "{ hello hint }"}
        answer = post(http, body, accept=GRAPHQL_RESPONSE)
        assert answer.status_code == 294
        assert answer.is_success
        assert "www-authenticate" not in answer.headers
        assert answer.json()["data"] == {"hello": "hello world", "hint": None}
        (error,) = answer.json()["errors"]
        assert error["path"] == ["hint"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
        assert post(http, body, accept=JSON).status_code == 200


def test_nothing_but_refused_fields(mounted_url: str) -> None:
    """Where every field is refused, 401 says so although each might have been null."""
    with httpx.Client(base_url=mounted_url.removesuffix("/graphql")) as http:
        body = {"query": "{ hint again: hint }"}
        answer = post(http, body, accept=GRAPHQL_RESPONSE)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="gql-auth"'
        assert "data" not in answer.json()
        answer = post(http, body, accept=JSON)
        assert answer.status_code == 200
        assert answer.json()["data"] == {"hint": None, "again": None}


def test_nothing_but_an_outage(mounted_url: str) -> None:
    """Where nothing could be served for an outage it is 503, without data."""
    with httpx.Client(base_url=mounted_url.removesuffix("/graphql")) as http:
        answer = post(http, {"query": "{ away }"}, accept=GRAPHQL_RESPONSE)
        assert answer.status_code == 503
        assert code_of(answer) == "SERVICE_UNAVAILABLE"
        answer = post(http, {"query": "{ hello away }"}, accept=GRAPHQL_RESPONSE)
        assert answer.status_code == 294
        assert answer.json()["data"] == {"hello": "hello world", "away": None}


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b'{"query":',
        b"{'query': '{ __typename }'}",
        b'{"query": "{ __typename }",}',
        b'{"query": "{ __typename }"} trailing',
        b'{"query": "{ __typename }", "variables": {"x": NaN}}',
        b'\xef\xbb\xbf{"query": "{ __typename }"}',
        '{"query": "{ __typename # é }"}'.encode("latin-1"),
        '{"query": "{ __typename }"}'.encode("utf-16"),
        b'{"query": "{ __typename # \\ud83d }"}',
        b"null",
        b"1",
        b'"{ __typename }"',
        b"[]",
        b"{}",
        b'{"qeury": "{ __typename }"}',
        b'{"query": null}',
        b'{"query": ""}',
        b'{"query": " \\n"}',
        b'{"query": 1}',
        b'{"query": {}}',
        b'{"query": "{ __typename }", "operationName": 1}',
        b'{"query": "{ __typename }", "operationName": {}}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "variables": "{}"}',
        b'{"query": "{ __typename }", "variables": false}',
        b'{"query": "{ __typename }", "extensions": []}',
        b'{"query": "{ __typename }", "extensions": "{}"}',
    ],
)
def test_bodies_that_are_no_request(body: bytes, accept: str, http: httpx.Client) -> None:
    """What is no GraphQL request is 400, whichever type is wanted."""
    answer = post(http, body, accept=accept)
    assert answer.status_code == 400
    assert code_of(answer) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "more",
    [
        {"variables": None, "operationName": None, "extensions": None},
        {"variables": {}, "extensions": {}},
        {"extensions": {"anything": [1, {"deep": None}]}},
        {"variables": {"unknown": 1}},
        {"operationName": ""},
        {"something": "else", "documentVersion": 7},
    ],
)
@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
def test_bodies_that_say_more(more: dict[str, Any], accept: str, http: httpx.Client) -> None:
    """Null is as good as absent; extensions and properties we do not know are ignored."""
    answer = post(http, TYPENAME | more, accept=accept)
    assert answer.status_code == 200
    assert answer.json() == {"data": {"__typename": "Query"}}


def test_text_in_utf_8(mounted_url: str) -> None:
    """Text goes in and comes out as it is, declared as UTF-8 or not, raw or escaped."""
    name = "Zoë 🏃 日本"
    query = "query($name: String!) { hello(name: $name) }"
    with httpx.Client(base_url=mounted_url.removesuffix("/graphql")) as http:
        for ascii_only in (True, False):
            for charset in ("", "; charset=utf-8", "; charset=UTF-8", ';charset="utf-8"'):
                body = json.dumps(
                    {"query": query, "variables": {"name": name}}, ensure_ascii=ascii_only
                )
                answer = post(http, body.encode(), content_type=JSON + charset)
                assert json.loads(answer.content.decode()) == {"data": {"hello": f"hello {name}"}}
        inside = {"query": f'{{ hello(name: "{name}") }}'}
        assert http.get("/graphql", params=inside).json() == {"data": {"hello": f"hello {name}"}}


CONTENT_TYPES = {
    JSON: 200,
    "Application/JSON": 200,
    f"{JSON}; charset=utf-8": 200,
    f"{JSON} ;charset=UTF8": 200,
    f"{JSON}; profile=x": 200,
    f"{JSON}; charset=iso-8859-1": 415,
    f"{JSON}; charset=utf-16": 415,
    "": 415,
    "text/plain": 415,
    f"text/plain; {JSON}": 415,
    f"{JSON}x": 415,
    f"{JSON}, text/plain": 415,
    "application/graphql": 415,
    GRAPHQL_RESPONSE: 415,
    "application/x-www-form-urlencoded": 415,
    "multipart/form-data; boundary=x": 415,
    "*/*": 415,
}


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_content_types(content_type: str, accept: str, http: httpx.Client) -> None:
    """JSON in UTF-8 and nothing else, least of all what a page may send without a preflight."""
    answer = post(http, TYPENAME, content_type=content_type, accept=accept)
    assert answer.status_code == CONTENT_TYPES[content_type]
    if answer.status_code == 415:
        assert code_of(answer) == "BAD_USER_INPUT"


def test_no_content_type(http: httpx.Client) -> None:
    """A body that does not say what it is is refused."""
    answer = http.post("/graphql", content=json.dumps(TYPENAME).encode())
    assert "content-type" not in answer.request.headers
    assert answer.status_code == 415


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity, gzip"])
def test_compressed_bodies(encoding: str, http: httpx.Client) -> None:
    """A compressed body is refused, whatever it would grow to."""
    assert post(http, TYPENAME, content_encoding=encoding).status_code == 415


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
def test_methods(method: str, accept: str, http: httpx.Client) -> None:
    """Other methods are told which there are."""
    answer = http.request(method, "/graphql", headers={"accept": accept})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    if method != "HEAD":
        assert code_of(answer) == "BAD_USER_INPUT"


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    "sent",
    [
        {"query": LOGOUT},
        {"query": f"query A {{ __typename }} {LOGOUT.replace('mutation', 'mutation B')}"}
        | {"operationName": "B"},
    ],
)
def test_mutations_by_get(sent: dict[str, str], accept: str, http: httpx.Client) -> None:
    """A safe method changes nothing: the mutation that is meant does not run."""
    answer = http.get("/graphql", params=sent, headers={"accept": accept})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert code_of(answer) == "BAD_USER_INPUT"


def test_a_mutation_beside_the_query_that_is_meant(http: httpx.Client) -> None:
    """GET runs the query that is meant, whatever else the document holds."""
    both = f"query A {{ __typename }} {LOGOUT.replace('mutation', 'mutation B')}"
    answer = http.get("/graphql", params={"query": both, "operationName": "A"})
    assert answer.json() == {"data": {"__typename": "Query"}}


PARAMETERS = {
    "variables": {"query": SKIP, "variables": '{"x": true}'},
    "spread out": {"query": SKIP, "variables": ' {\n"x"\t: true } '},
    "a name": {"query": "query A { __typename } query B { b: __typename }", "operationName": "A"},
    "empty is absent": TYPENAME | {"variables": "", "operationName": "", "extensions": ""},
    "null": TYPENAME | {"variables": "null", "extensions": "null"},
    "an operation named null": {"query": "query null{__typename}", "operationName": "null"},
    "unknown parameter": TYPENAME | {"version": "1"},
    "extensions": TYPENAME | {"extensions": '{"a": 1}'},
    "special characters": {"query": "# +&=%#?/;\n{ __typename }"},
}


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize("name", PARAMETERS)
def test_get(name: str, accept: str, http: httpx.Client) -> None:
    """Parameters are encoded as in a form, variables and extensions are JSON beneath."""
    answer = http.get("/graphql", params=PARAMETERS[name], headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.json() == {"data": {"__typename": "Query"}}


def test_form_encoding(http: httpx.Client) -> None:
    """A plus sign is a space, as URLSearchParams writes it."""
    answer = http.get("/graphql?query=query+A%7B+__typename+%7D&operationName=A")
    assert answer.json() == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_RESPONSE])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "query=",
        "query=%20",
        "query=%7B__typename%7D&query=%7B__typename%7D",
        "query=%7B__typename%7D&variables=%5B%5D",
        "query=%7B__typename%7D&variables=%7B",
        "query=%7B__typename%7D&variables=x",
        "query=%7B__typename%7D&extensions=1",
    ],
)
def test_get_that_is_no_request(query: str, accept: str, http: httpx.Client) -> None:
    """What is missing, given twice or of a wrong kind is 400."""
    answer = http.get(f"/graphql?{query}", headers={"accept": accept})
    assert answer.status_code == 400
    assert code_of(answer) == "BAD_USER_INPUT"


@pytest.mark.parametrize("name", ["C", "a", "null", None])
def test_an_operation_that_cannot_be_determined(name: str | None, http: httpx.Client) -> None:
    """Which operation is meant is never guessed, and nothing runs."""
    answer = post(http, {"query": SEVERAL, "operationName": name}, accept=GRAPHQL_RESPONSE)
    assert answer.status_code == 400
    assert code_of(answer) == "BAD_USER_INPUT"


def test_the_operation_that_is_named(http: httpx.Client) -> None:
    """Of several operations the one that is named runs, each time."""
    for name in "ABAB":
        answer = post(http, {"query": SEVERAL, "operationName": name}, accept=GRAPHQL_RESPONSE)
        assert answer.json() == {"data": {name.lower(): "Query"}}
