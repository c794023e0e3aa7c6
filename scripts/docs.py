"""Writes the tables of docs/configuration.md and docs/errors.md that are made from the code.

A table stands between `<!-- generated: name -->` and `<!-- end -->`. What the errors look like is
not copied from the code but asked of the server itself, over its HTTP edge; a refusal, a reason
or a violation that no table shows is a failure here.
"""

import argparse
import asyncio
import difflib
import logging
import re
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import httpx
import strawberry
from fastapi import FastAPI
from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type
from graphql import build_schema as read_sdl

from gql_auth.app import GraphQLAuth, build_schema, create_app
from gql_auth.catalog import FEATURES
from gql_auth.features.links.core import MailTokenRejected, MailTokenRejection
from gql_auth.features.mail.wording import WORDS
from gql_auth.features.sessions.refusals import RefreshRejected, Rejection
from gql_auth.kernel import parsing
from gql_auth.kernel.declaring import PREFIX
from gql_auth.kernel.entropy import random_name
from gql_auth.kernel.errors import Forbidden, Refused, Unauthenticated, Unavailable, ViolationCode
from gql_auth.kernel.settings import Settings, declared
from gql_auth.kernel.transports import Transport
from gql_auth.serving import errors, http
from gql_auth.serving.costs.exceeding import BOUNDS, setting_of
from gql_auth.serving.permissions import HasRole
from gql_auth.storage.migrate import migrate

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = (
    "docs/configuration.md",
    "docs/errors.md",
    "docs/limits.md",
    "docs/mail-templates.md",
)
SLOT: Final = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
PASSWORD: Final = "correct horse battery"


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; `head` holds the titles with bars between them."""
    titles = [title.strip() for title in head.split("|")]
    lines = [titles, ["---"] * len(titles), *rows]
    cells = [" | ".join(cell.replace("|", r"\|").replace("<", "&lt;") for cell in line)
             for line in lines]  # fmt: skip
    return "".join(f"| {line} |\n" for line in cells)


def code(text: object) -> str:
    return f"`{text}`" if text else ""


# Settings


def settings_table() -> str:
    """Every setting, as it is declared."""
    rows = []
    for name, setting in declared().items():
        meta = setting.metadata
        what = " ".join([meta["doc"], *_accepted(name, meta["parse"])])
        example = meta["example"]
        shown = example if example.startswith("the output of") else code(example)
        rows.append([code(PREFIX + name.upper()), _default(setting.default, example), what, shown])
    return table("Variable | Default | What | Example", rows)


def _default(value: object, example: object) -> str:
    if isinstance(value, timedelta):
        same = parsing.duration(str(example)) == value
        return code(example if same else parsing.spell(value))
    if isinstance(value, bool):
        return code("on" if value else "off")
    if isinstance(value, tuple) and value:
        return code(",".join(value))
    return code(str(value)) if value not in {"", (), None} else "(none)"


def _accepted(name: str, parse: Callable[[str], Any]) -> Iterable[str]:
    if declared()[name].metadata["between"] is not None:
        low, high = declared()[name].metadata["between"]
        spans = isinstance(declared()[name].default, timedelta)
        ends = (parsing.spell(timedelta(seconds=n)) if spans else str(n) for n in (low, high))
        yield "From {} to {}.".format(*ends)
    try:
        parse("?")
    except ValueError as problem:
        if choices := re.match(r"is none of (.*)", str(problem)):
            yield f"One of {choices[1]}."


# Errors, as the server tells them


@strawberry.type
class Probe:
    """Fields of a host application, each with one thing wrong."""

    @strawberry.field(permission_classes=[HasRole("admin")])
    def for_admins(self) -> str:
        return ""

    @strawberry.field
    def broken(self) -> str:
        raise RuntimeError("for the documentation")

    @strawberry.field
    def busy(self) -> str:
        raise Unavailable


@dataclass(frozen=True, kw_only=True)
class Case:
    """A request that is refused, and what its sender should do."""

    when: str
    do: str
    query: str = "{ me { id } }"
    variables: object = None
    operation_name: str | None = None
    bearer: str = ""
    hours_later: int = 0
    host: bool = False
    method: str = "POST"
    path: str = "/graphql"
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


MEND = "A defect in the client: mend the request."
OPERATIONS: Final = [
    Case(when="A protected field without a token", bearer="none",
         do="`refreshToken` once; on `AuthPayload` repeat, else show the sign-in page."),
    Case(when="The access token's time is over", hours_later=1,
         do="The same. This is the everyday case."),
    Case(when="No token of this server, or a damaged one", bearer="eyJ.eyJ.x",
         do="The same; if it persists, issuer, audience or keys differ: see the log."),
    Case(when="The session has ended (sign-out, revoked, reuse, account disabled)",
         bearer="ended", do="The same; the refresh will say `REVOKED`."),
    Case(when="The caller lacks a role", query="{ forAdmins }", host=True,
         do="Say that it is not allowed. A role given meanwhile counts from the next refresh on."),
    Case(when="A page of an origin that is not allowed signs in, up, out or refreshes",
         query="mutation { refreshToken { __typename } }",
         headers={"Origin": "https://elsewhere.example"},
         do="Operator: put the origin into `GQL_AUTH_ALLOWED_ORIGINS`."),
    Case(when="A request asks for a way that `REFRESH_TRANSPORTS` does not allow",
         query="mutation { refreshToken { __typename } }",
         headers={"X-Refresh-Transport": "carrier-pigeon"},
         do="Operator: `GQL_AUTH_REFRESH_TRANSPORTS=cookie,body` lets clients without a cookie "
            "jar in."),
    Case(when="A page asks for the refresh token in the body",
         query="mutation { refreshToken { __typename } }",
         headers={"X-Refresh-Transport": "body", "Sec-Fetch-Site": "same-origin"},
         do="Leave the header out: a browser has the cookie."),
    Case(when="`token` without the header, or the header together with the cookie",
         query='mutation { logout(token: "x") { sessionEnded } }',
         do="One way for each session, the one it was born with."),
    Case(when="The database is out of reach, or too many sign-ins wait", host=True,
         query="{ busy }",
         do="Keep the session. Try again after `retryAfter` seconds (header `Retry-After`)."),
    Case(when="A defect in the server", query="{ broken }", host=True,
         do="Keep the session. Report the reference; the log has the cause under it."),
    Case(when="The document cannot be parsed", query="{ me ", do=MEND),
    Case(when="The document does not fit the schema", query="{ nothing }", do=MEND),
    Case(when="More fields that check or set a password than `CREDENTIAL_FIELDS` allows",
         query="mutation { " + " ".join(
             f'n{n}: login(input: {{email: "a@b.test", password: "x"}}) {{ __typename }}'
             for n in range(2)) + " }",
         do="One operation for each."),
    Case(when="A variable does not fit its type", variables={"input": {}},
         query="mutation($input: LoginInput!) { login(input: $input) { __typename } }", do=MEND),
    Case(when="`operationName` names none of the document's operations", operation_name="Other",
         do=MEND),
]  # fmt: skip
REQUESTS: Final = [
    Case(when="The body is not JSON in UTF-8", content=b"nonsense", do=MEND),
    Case(when="More operations in a list than `MAX_BATCH` allows",
         content=b'[{"query": "{ __typename }"}, {"query": "{ __typename }"}]',
         do="One operation a request."),
    Case(when="No `query`", content=b"{}", do=MEND),
    Case(when="A mutation by GET", method="GET", query="mutation { logout { sessionEnded } }",
         do="Use POST."),
    Case(when="Another method", method="PUT", do="Use POST."),
    Case(when="`Accept` allows neither type", headers={"Accept": "image/png"}, do=MEND),
    Case(when=f"A body of more than {http.MAX_BODY:,} bytes", content=b" " * (http.MAX_BODY + 1),
         do="Send less."),
    Case(when="A body that is not declared as JSON", headers={"Content-Type": "text/plain"},
         do=MEND),
    Case(when="Another path of the standalone server", method="GET", path="/nothing",
         do="The API is at `/graphql`."),
    Case(when="POST to the JWKS or a health check", path="/.well-known/jwks.json", do="Use GET."),
]  # fmt: skip


@dataclass
class Told:
    """What the server answered to a case, in both media types."""

    statuses: list[int]
    code: str
    reason: str
    message: str


class Clock:
    """Stands where a case puts it."""

    start = datetime(2026, 1, 1, tzinfo=UTC)
    hours = 0

    def now(self) -> datetime:
        return self.start + timedelta(hours=self.hours)


class Nowhere:
    """An outlet: nobody reads these mails."""

    async def send(self, message: EmailMessage, *, sender: str, recipient: str) -> None:
        """Take it."""


class Server:
    """A server of this release in this process, with one living and one ended session."""

    def __init__(self, auth: GraphQLAuth, clock: Clock) -> None:
        self._clock = clock
        self._url = auth.settings.public_url
        host = FastAPI()
        host.include_router(auth.router(query=Probe))
        self._apps: dict[bool, Any] = {True: host, False: create_app(auth)}
        self._tokens = {"none": ""}

    async def prepare(self) -> None:
        """Sign two accounts up and one of them out."""
        for name, after in (("", None), ("ended", "mutation { logout { sessionEnded } }")):
            answer = await self.send(Case(when="", do="", bearer="none", query=signup(
                email=f"ada{name}@example.com", password=PASSWORD)))  # fmt: skip
            self._tokens[name] = answer.json()["data"]["signup"]["accessToken"]
            if after:
                cookie = answer.headers["set-cookie"].partition(";")[0]
                case = Case(when="", do="", query=after, headers={"Cookie": cookie})
                assert (await self.send(case)).json()["data"]["logout"]["sessionEnded"]

    async def send(self, case: Case, accept: str = http.JSON) -> httpx.Response:
        """The answer to a case."""
        self._clock.hours = case.hours_later
        token = self._tokens.get(case.bearer, case.bearer)
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {token}"} if token else {})
        body: dict[str, Any] = {
            "query": case.query,
            "variables": case.variables,
            "operationName": case.operation_name,
        }
        by_body = case.method != "GET"
        if by_body:
            headers["Content-Type"] = http.JSON
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self._apps[case.host]), base_url=self._url
        ) as client:
            return await client.request(
                case.method,
                case.path,
                headers=headers | case.headers,
                params=None if by_body else {"query": case.query},
                content=case.content,
                json=body if by_body and case.content is None else None,
            )

    async def tell(self, case: Case) -> Told:
        """What a client hears of a case."""
        answers = [await self.send(case, accept) for accept in (http.JSON, http.GRAPHQL_RESPONSE)]
        (error,) = answers[0].json()["errors"]
        extensions = error["extensions"]
        return Told(
            [answer.status_code for answer in answers],
            extensions["code"],
            extensions.get("reason", ""),
            re.sub(r"(?<=reference )[\w-]+|(?<=in UTF-8: ).*", "…", error["message"]),
        )


def signup(**fields: str) -> str:
    import json  # noqa: PLC0415

    given = ", ".join(f"{name}: {json.dumps(value)}" for name, value in fields.items())
    return (
        f"mutation {{ signup(input: {{{given}}}) {{ ... on AuthPayload {{ accessToken }} "
        "... on InvalidInput { violations { field code message } } } }"
    )


async def operations_table(server: Server) -> str:
    """Errors of operations."""
    rows, seen = [], set()
    for case in OPERATIONS:
        told = await server.tell(case)
        seen |= {told.code, told.reason}
        statuses = " / ".join(map(str, told.statuses))
        rows.append(
            [case.when, code(told.code), code(told.reason), told.message, statuses, case.do]
        )
    named = {getattr(errors, name) for name in vars(errors) if name.isupper() and name[0] != "_"}
    expected = {each for each in named if each.isupper()}  # the codes; messages are sentences
    expected |= {reason.value for reason in Unauthenticated.Reason}
    expected |= {each.code for each in (Unauthenticated, Forbidden, Unavailable)}
    require("error", expected - seen)
    return table("When | `code` | `reason` | Message | Status | What a client does", rows)


async def requests_table(server: Server) -> str:
    """Errors of HTTP requests."""
    rows = []
    for case in REQUESTS:
        told = await server.tell(case)
        (status,) = set(told.statuses)
        rows.append([case.when, str(status), code(told.code), told.message, case.do])
    return table("When | Status | `code` | Message | What a client does", rows)


# Refusals in result unions

SDL = read_sdl(build_schema().as_str())
MEMBERS: Final = {
    "InvalidInput": "Show each violation at its field.",
    "InvalidCredentials": "Show the message. It does not tell what was wrong, on purpose.",
    "EmailTaken": "Offer to log in.",
    "UsernameTaken": "Ask for another one.",
    "TooManyAttempts": "Wait `retryAfter` seconds.",
    "RefreshTokenRejected": "By `reason`, see below.",
    "SessionNotFound": "Read `sessions` again.",
    "EmailNotVerified": "Tell the person to look for the mail; offer `resendVerifyEmail`.",
    "MailTokenRejected": "By `reason`, see below.",
    "ConfirmationRequired": "Show `email`; on the person's yes repeat with `confirmed: true`.",
}
# Members whose message depends.
SPEAKING: Final = {
    "InvalidInput": "(the messages of its `violations`)",
    "TooManyAttempts": "Too many attempts, try again in 90 seconds",
    "RefreshTokenRejected": "(by its `reason`)",
    "MailTokenRejected": "(by its `reason`)",
}
# Refusals that only sockets and streams tell: docs/subscriptions.md.
STREAMED: Final = {"TOO_MANY_CONNECTIONS", "TOO_MANY_OPERATIONS", "TOO_SLOW"}
# Refusals that only the command line tells.
OPERATORS: Final = {"USER_NOT_FOUND", "KEY_REFUSED"}


def members_table() -> str:
    """Members of result unions that are refusals."""
    told_as = {
        kind.__strawberry_definition__.name: refusal  # type: ignore[attr-defined]
        for feature in FEATURES
        for refusal, kind in feature.refusals.items()
    }
    assert SDL.mutation_type
    unions = {name: get_named_type(each.type) for name, each in SDL.mutation_type.fields.items()}
    rows, names = [], set()
    for kind in SDL.type_map.values():
        if not isinstance(kind, GraphQLObjectType) or SDL.type_map["AuthError"] not in (
            kind.interfaces
        ):
            continue
        names.add(kind.name)
        refusal = told_as.get(kind.name)
        message = "(in the schema; this release never answers it)"
        if refusal is not None:
            message = SPEAKING.get(kind.name) or refusal.message
        where = ", ".join(
            code(name)
            for name, union in unions.items()
            if isinstance(union, GraphQLUnionType) and kind in union.types
        )
        rows.append([code(kind.name), message, where, MEMBERS.get(kind.name, "")])
    require("refusal", (names ^ MEMBERS.keys()) | (told_as.keys() - names))
    told = {each.code for each in told_as.values()}
    told |= {each.code for each in (Refused, Unauthenticated, Forbidden, Unavailable)}
    require("refusal", {each.code for each in _descendants(Refused)} - told - OPERATORS - STREAMED)
    page = (ROOT / "docs/subscriptions.md").read_text(encoding="utf-8")
    require("refusal", (each for each in STREAMED if each not in page))
    return table("`__typename` | Message | Answered by | What a client does", rows)


def _descendants(kind: type[Refused]) -> Iterable[type[Refused]]:
    for each in kind.__subclasses__():
        yield each
        yield from _descendants(each)


REJECTIONS: Final = {
    Rejection.MISSING: "Nobody is signed in here: show the sign-in page.",
    Rejection.EXPIRED: "Sign in again.",
    Rejection.INVALID: "Sign in again.",
    Rejection.REUSED: "Sign in again; tell the owner that somebody may have copied the session.",
    Rejection.REVOKED: "Sign in again.",
}


def rejections_table() -> str:
    """Reasons of `RefreshTokenRejected`."""
    require("rejection", set(Rejection) - REJECTIONS.keys())
    rows = []
    for reason, do in REJECTIONS.items():
        refusal = RefreshRejected(reason)
        cookie = "deleted" if refusal.session_has_ended else "kept"
        meaning: str = SDL.type_map["RefreshTokenRejection"].values[reason.value].description  # type: ignore[attr-defined]
        rows.append([code(reason.value), str(refusal), meaning, cookie, do])
    return table("`reason` | Message | Meaning | Cookie | What a client does", rows)


MAIL_TOKENS: Final = {
    MailTokenRejection.INVALID: "Offer to ask for another mail.",
    MailTokenRejection.EXPIRED: "Offer to ask for another mail.",
    MailTokenRejection.USED: "Go on to the sign-in page: it was done.",
    MailTokenRejection.REPLACED: "Tell the person to look for a newer mail.",
}


def mail_tokens_table() -> str:
    """Reasons of `MailTokenRejected`."""
    require("token of a mail", set(MailTokenRejection) - MAIL_TOKENS.keys())
    rows = []
    for reason, do in MAIL_TOKENS.items():
        meaning: str = SDL.type_map["MailTokenRejection"].values[reason.value].description  # type: ignore[attr-defined]
        rows.append([code(reason.value), str(MailTokenRejected(reason)), meaning, do])
    return table("`reason` | Message | Meaning | What a client does", rows)


LONG: Final = "x" * 2_000
GOOD: Final = {"email": "bob@example.com", "password": PASSWORD}
SIGNUPS: Final = [
    {"email": ""}, {"email": "bob"}, {"email": LONG}, {"username": "ab"}, {"username": LONG},
    {"username": "b o b"}, {"name": LONG}, {"name": "bob\u202e"}, {"password": ""},
    {"password": "short"}, {"password": LONG}, {"password": "password1"},
    {"password": GOOD["email"]},
]  # fmt: skip
LOGINS: Final = [
    '{password: "x"}',
    '{email: "a@example.com", username: "a", password: "x"}',
    '{username: "", password: "x"}',
]


async def violations_table(server: Server) -> str:
    """Codes of violations, each as the server tells it."""
    queries = [signup(**GOOD | wrong) for wrong in SIGNUPS] + [
        f"mutation {{ login(input: {given}) {{ ... on InvalidInput "
        "{ violations { field code message } } } }"
        for given in LOGINS
    ]
    rows = []
    for query in queries:
        answer = (await server.send(Case(when="", do="", query=query))).json()
        rows += [
            [code(each["code"]), code(each["field"]), each["message"]]
            for each in next(iter(answer["data"].values()))["violations"]
        ]
    require(
        "violation", {each.value for each in ViolationCode} - {row[0].strip("`") for row in rows}
    )
    order = [each.value for each in ViolationCode]
    rows.sort(key=lambda row: order.index(row[0].strip("`")))
    return table("`code` | `field` | Message", rows)


def bounds_table() -> str:
    """Bounds of operations."""
    rows = []
    for bound, (name, message) in BOUNDS.items():
        told = message.format(limit="…", found="…")
        rows.append([code(name), told, code(setting_of(bound)), code(bound)])
    return table("`code` | Message | Setting | Metric's `bound`", rows)


def mail_words_table() -> str:
    """Kinds of mails, and the words of each."""
    rows = [[code(kind), ", ".join(map(code, words))] for kind, words in WORDS.items()]
    return table("Mail | Words", rows)


# Putting it together


def require(what: str, missing: Iterable[str]) -> None:
    """Fail where the code knows something that the tables do not show."""
    if left := sorted(map(str, missing)):
        sys.exit(f"scripts/docs.py: tell clients what to do about {what}: {', '.join(left)}")


async def tables() -> dict[str, str]:
    """Every table, by name."""
    logging.disable(logging.CRITICAL)  # the defects are ours
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            secret=random_name(48),
            bcrypt_cost=10,
            refresh_transports=tuple(Transport),
        )
        migrate(settings)
        clock = Clock()
        auth = GraphQLAuth(settings, clock=clock, mail=Nowhere())
        async with auth.running():
            server = Server(auth, clock)
            await server.prepare()
            return {
                "settings": settings_table(),
                "operations": await operations_table(server),
                "requests": await requests_table(server),
                "members": members_table(),
                "rejections": rejections_table(),
                "mail-tokens": mail_tokens_table(),
                "violations": await violations_table(server),
                "bounds": bounds_table(),
                "mail-words": mail_words_table(),
            }


def main() -> int:
    """Write the pages, or with `--check` compare them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true", help="compare instead of writing")
    check = options.parse_args().check
    made = asyncio.run(tables())
    stale = False
    for page in PAGES:
        before = (ROOT / page).read_text(encoding="utf-8")
        after = SLOT.sub(lambda slot: f"{slot[1]}\n{made[slot[2]]}\n{slot[3]}", before)
        if check:
            sys.stdout.writelines(
                difflib.unified_diff(
                    before.splitlines(True), after.splitlines(True), page, "the code"
                )
            )
        else:
            (ROOT / page).write_text(after, encoding="utf-8")
        stale |= before != after
    if check and stale:
        print("the documentation is out of date: run scripts/docs", file=sys.stderr)
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main())
