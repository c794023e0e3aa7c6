"""Hostile HTTP requests, sent to the application: method, path, headers, body."""

import gzip
import json
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

JSON: Final = "application/json"
OK: Final = b'{"query": "{ __typename }"}'
LOGOUT: Final = b'{"query": "mutation { logout { sessionEnded } }"}'


@dataclass(frozen=True)
class Sent:
    """One request; JSON unless its headers say something else."""

    body: bytes = OK
    method: str = "POST"
    path: str = "/graphql"
    headers: list[tuple[str, str]] = field(default_factory=list)


def typed(value: str, body: bytes = OK) -> Sent:
    return Sent(body, headers=[("Content-Type", value)])


def accepting(*values: str, **more: Any) -> Sent:
    return Sent(headers=[("Accept", value) for value in values], **more)


def got(query: str) -> Sent:
    return Sent(b"", "GET", f"/graphql?{query}")


def apq(name: Any, version: Any = 1, **more: Any) -> Sent:
    said = {"persistedQuery": {"version": version, "sha256Hash": name}}
    return Sent(json.dumps({"extensions": said, **more}).encode())


REQUESTS: Final[dict[str, Sent]] = {
    # Content types: what a page of any site may send without a preflight, and what is like JSON
    "no content type": Sent(headers=[("Content-Type", "")]),
    "form": typed("application/x-www-form-urlencoded", b"query=%7B__typename%7D"),
    "multipart": typed("multipart/form-data; boundary=x", b"--x--"),
    "text": typed("text/plain"),
    "text that names JSON": typed("text/plain; charset=application/json"),
    "GraphQL": typed("application/graphql", b"{ __typename }"),
    "JSON by another name": typed("application/jsonp"),
    "JSON of a kind": typed("application/vnd.api+json"),
    "the answer's own type": typed("application/graphql-response+json"),
    "two types in one": typed("text/plain, application/json"),
    "two content types": Sent(headers=[("Content-Type", JSON), ("Content-Type", "text/plain")]),
    "UTF-7": typed("application/json; charset=utf-7"),
    "UTF-16": typed("application/json; charset=utf-16", '{"query":"{__typename}"}'.encode("utf-16")),
    "gzip": Sent(gzip.compress(OK), headers=[("Content-Encoding", "gzip")]),
    "bomb": Sent(gzip.compress(b" " * 5_000_000), headers=[("Content-Encoding", "gzip")]),
    "brotli": Sent(headers=[("Content-Encoding", "br")]),
    # Bodies
    "empty body": Sent(b""),
    "null": Sent(b"null"),
    "number": Sent(b"1"),
    "string": Sent(b'"{ __typename }"'),
    "true": Sent(b"true"),
    "NaN": Sent(b'{"query": "{ __typename }", "variables": {"a": NaN}}'),
    "cut short": Sent(OK[:-1]),
    "more behind it": Sent(OK + b"{}"),
    "not UTF-8": Sent(b'{"query": "{ __typename } #\xff"}'),
    "NUL in JSON": Sent(b'{"query": "{ __typename }\\u0000"}'),
    "surrogate in JSON": Sent(b'{"query": "{ __typename } #\\ud800"}'),
    "byte order mark": Sent(b"\xef\xbb\xbf" + OK),
    "hundred thousand lists": Sent(b"[" * 100_000),
    "hundred thousand objects": Sent(b'{"a":' * 100_000),
    "megabyte and one": Sent(b" " * 1_000_001),
    "empty list": Sent(b"[]"),
    "list of two": Sent(b"[" + OK + b"," + OK + b"]"),
    "list of a thousand": Sent(b"[" + b",".join([OK] * 1_000) + b"]"),
    "list of a list": Sent(b"[[" + OK + b"]]"),
    "list of null": Sent(b"[null]"),
    "no query": Sent(b"{}"),
    "query null": Sent(b'{"query": null}'),
    "query empty": Sent(b'{"query": ""}'),
    "query of spaces": Sent(b'{"query": "  \\n "}'),
    "query an object": Sent(b'{"query": {"a": 1}}'),
    "query a list": Sent(b'{"query": ["{ __typename }"]}'),
    "variables a string": Sent(b'{"query": "{ __typename }", "variables": "{}"}'),
    "variables a list": Sent(b'{"query": "{ __typename }", "variables": []}'),
    "extensions a string": Sent(b'{"query": "{ __typename }", "extensions": "x"}'),
    "operation name a number": Sent(b'{"query": "{ __typename }", "operationName": 1}'),
    "operation name of nothing": Sent(b'{"query": "{ __typename }", "operationName": "a"}'),
    "operation name of a fragment": Sent(
        b'{"query": "query A { ...F } fragment F on Query { __typename }", "operationName": "F"}'),
    "which of two": Sent(b'{"query": "query A { __typename } query B { __typename }"}'),
    "query twice": Sent(b'{"query": "{ nothing }", "query": "{ __typename }"}'),
    # Documents by name
    "hash of nothing": apq("0" * 64),
    "hash of another text": apq("0" * 64, query="{ __typename }"),
    "hash that is short": apq("0"),
    "hash that is long": apq("0" * 5_000),
    "hash a number": apq(1),
    "hash a path": apq("../../../etc/passwd"),
    "version two": apq("0" * 64, 2),
    "version a string": apq("0" * 64, "1"),
    "persisted query a list": Sent(b'{"extensions": {"persistedQuery": [1]}}'),
    "document id of nothing": Sent(b'{"documentId": "__proto__"}'),
    "document id a number": Sent(b'{"documentId": 1}'),
    "document id beside a query": Sent(b'{"documentId": "a", "query": "{ __typename }"}'),
    # Methods
    "HEAD": Sent(b"", "HEAD"),
    "PUT": Sent(method="PUT"),
    "PATCH": Sent(method="PATCH"),
    "DELETE": Sent(b"", "DELETE"),
    "TRACE": Sent(b"", "TRACE"),
    "a method of nobody's": Sent(b"", "PROPFIND"),
    "OPTIONS without an origin": Sent(b"", "OPTIONS"),
    "method override": Sent(b"", "GET", "/graphql?query={__typename}",
                            [("X-HTTP-Method-Override", "POST")]),
    # Queries by GET
    "GET of nothing": got(""),
    "GET of a mutation": got("query=" + quote("mutation { logout { sessionEnded } }")),
    "GET of a mutation by name": got("operationName=B&query=" + quote(
        "query A { __typename } mutation B { logout { sessionEnded } }")),
    "GET of a subscription": got("query=" + quote("subscription { sessionEvents { __typename } }")),
    "GET twice": got("query={__typename}&query={nothing}"),
    "GET of variables that are no JSON": got("query={__typename}&variables=%7B"),
    "GET of variables that are a list": got("query={__typename}&variables=[]"),
    "GET of a deep list": got("query={__typename}&variables=" + "[" * 3_000),
    "GET of what is not UTF-8": got("query=%ff%fe"),
    "GET of a NUL": got("query={__typename}%00"),
    "GET with brackets": got("query[]={__typename}"),
    "GET of a semicolon": got("a=1;query={__typename}"),
    "GET with a token in the address": got("query={me{id}}&access_token=eyJ.eyJ.x"),
    # What is accepted
    "accepts pictures": accepting("image/png"),
    "accepts nothing": accepting("application/json;q=0, application/graphql-response+json;q=0"),
    "accepts half a quality": accepting("application/json;q=0.5.5"),
    "accepts many": accepting(",".join(f"a/{n}" for n in range(2_000))),
    "accepts pages by POST": accepting("text/html"),
    # Whose page is asking
    "another site signs out": Sent(LOGOUT, headers=[("Origin", "https://evil.example")]),
    "a site named like ours": Sent(LOGOUT, headers=[("Origin", "http://localhost.evil.example")]),
    "null origin": Sent(LOGOUT, headers=[("Origin", "null")]),
    "two origins": Sent(LOGOUT, headers=[("Origin", "http://localhost:8000"),
                                         ("Origin", "https://evil.example")]),
    "an origin with a path": Sent(LOGOUT, headers=[("Origin", "http://localhost:8000/")]),
    "another port of this machine": Sent(LOGOUT, headers=[("Origin", "http://localhost:9999")]),
    "cross-site without an origin": Sent(LOGOUT, headers=[("Sec-Fetch-Site", "cross-site")]),
    "same-site without an origin": Sent(LOGOUT, headers=[("Sec-Fetch-Site", "same-site")]),
    # Tokens
    "a token that is none": Sent(b'{"query": "{ me { id } }"}', headers=[("Authorization", "Bearer x")]),
    "a token of 60,000 letters": Sent(b'{"query": "{ me { id } }"}',
                                      headers=[("Authorization", "Bearer " + "x" * 60_000)]),
    "another scheme": Sent(b'{"query": "{ me { id } }"}', headers=[("Authorization", "Basic eDp4")]),
    "no scheme": Sent(b'{"query": "{ me { id } }"}', headers=[("Authorization", "eyJ.eyJ.x")]),
    "two tokens": Sent(b'{"query": "{ me { id } }"}',
                       headers=[("Authorization", "Bearer x"), ("Authorization", "Bearer y")]),
    "an empty token": Sent(b'{"query": "{ me { id } }"}', headers=[("Authorization", "Bearer ")]),
    "no token": Sent(b'{"query": "{ me { id } }"}'),
    # Elsewhere
    "another path": Sent(path="/"),
    "a path above": Sent(path="/graphql/../admin"),
    "a path behind": Sent(path="/graphql/"),
    "an encoded path": Sent(path="/graphq%6c%2f"),
    "a parameter in the path": Sent(path="/graphql;a=1"),
    "keys by POST": Sent(path="/.well-known/jwks.json"),
    "documentation of FastAPI": Sent(b"", "GET", "/docs"),
    "OpenAPI": Sent(b"", "GET", "/openapi.json"),
    "metrics": Sent(b"", "GET", "/metrics"),
}  # fmt: skip
