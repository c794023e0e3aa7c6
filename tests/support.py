"""What tests share: a settable clock, a GraphQL client that behaves like a browser or a script."""

from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx

USER_FIELDS = "id email emailVerified username name roles createdAt"
PAYLOAD = (
    "__typename ... on AuthPayload { accessToken tokenType expiresIn expiresAt refreshToken user { "
    + USER_FIELDS
    + " } } ... on AuthError { message }"
)
VIOLATIONS = "... on InvalidInput { violations { field code message } }"
SIGNUP = f"mutation($input: SignupInput!) {{ signup(input: $input) {{ {PAYLOAD} {VIOLATIONS} }} }}"
LOGIN = f"mutation($input: LoginInput!) {{ login(input: $input) {{ {PAYLOAD} {VIOLATIONS} }} }}"
REFRESH = f"mutation {{ refreshToken {{ {PAYLOAD} ... on RefreshTokenRejected {{ reason }} }} }}"
ME = "{ me { " + USER_FIELDS + " } }"
PASSWORD = "correct horse battery"
SECRET = "Zx3vQ9_kLw7TbN2mRc8YpHs5Ju1Fg6Dd-test"


class SettableClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def forward(self, **span: float) -> None:
        self.instant += timedelta(**span)


class GraphQLClient:
    """One client: a browser with its cookie jar (`Origin` sent), or a script without either.

    The jar is ours, a plain dict of what `Set-Cookie` said last, so that a test can copy, lose
    or replay cookies; `last` is the newest response.
    """

    def __init__(self, http: httpx.AsyncClient, origin: str | None = None) -> None:
        self.http = http
        # httpx's own jar would lend one client's cookie to another that has none.
        http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.origin = origin
        self.cookies: dict[str, str] = {}
        self.access_token: str | None = None
        self.last: httpx.Response

    async def post(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        *,
        token: str | None = None,
        keep_cookies: bool = True,
        **headers: str,
    ) -> dict[str, Any]:
        sent = {"Accept": "application/json"}
        if self.origin:
            sent["Origin"] = self.origin
        if token or self.access_token:
            sent["Authorization"] = f"Bearer {token or self.access_token}"
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.last = await self.http.post(
            "/graphql", json={"query": query, "variables": variables}, headers=sent
        )
        if keep_cookies:
            self.take_cookies(self.last)
        answer: dict[str, Any] = self.last.json()
        return answer

    def take_cookies(self, response: httpx.Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    @property
    def refresh_token(self) -> str | None:
        return next(iter(self.cookies.values()), None)

    async def field(self, query: str, variables: dict[str, Any] | None = None, **kw: Any) -> Any:
        """The one root field of an operation that must succeed."""
        answer = await self.post(query, variables, **kw)
        assert "errors" not in answer, answer
        (value,) = answer["data"].values()
        return value

    async def signup(self, email: str = "ada@example.com", **more: Any) -> dict[str, Any]:
        result = await self.field(SIGNUP, {"input": {"email": email, "password": PASSWORD} | more})
        return self._took(result)

    async def login(self, password: str = PASSWORD, **who: str) -> dict[str, Any]:
        who = who or {"email": "ada@example.com"}
        return self._took(await self.field(LOGIN, {"input": {"password": password} | who}))

    async def refresh(self, **kw: Any) -> dict[str, Any]:
        return self._took(await self.field(REFRESH, **kw))

    async def me(self, **kw: Any) -> dict[str, Any]:
        return await self.post(ME, **kw)

    def _took(self, result: dict[str, Any]) -> dict[str, Any]:
        assert result.get("refreshToken") is None, "a cookie's token in the body"
        self.access_token = result.get("accessToken", self.access_token)
        return result


class BodyClient(GraphQLClient):
    """A client without a cookie jar, as a command line or a phone: its refresh token comes in
    answers and goes in arguments. It keeps it where the browser has its cookies, so that a test
    copies, loses and replays tokens of either kind alike."""

    def __init__(self, http: httpx.AsyncClient, origin: str | None = None) -> None:
        super().__init__(http)  # whatever the origin of the test's browsers is, it sends none

    async def post(
        self, query: str, variables: dict[str, Any] | None = None, **kw: Any
    ) -> dict[str, Any]:
        kept, self.cookies = self.cookies, {}
        for field in ("refreshToken", "logout"):
            query = query.replace(
                f"mutation {{ {field} {{", f"mutation($token: String) {{ {field}(token: $token) {{"
            )
        if "$token" in query:
            variables = {"token": next(iter(kept.values()), None)}
        kw.setdefault("X_Refresh_Transport", "body")
        try:
            return await super().post(query, variables, **kw)
        finally:
            assert self.cookies == {}, "a cookie for a client that asked for the body"
            self.cookies = kept

    async def login(self, password: str = PASSWORD, **who: str) -> dict[str, Any]:
        """Sign in, having signed out before: no cookie tells the server which session ends."""
        if self.cookies:
            await self.post("mutation { logout { sessionEnded } }")
        return await super().login(password, **who)

    def _took(self, result: dict[str, Any]) -> dict[str, Any]:
        if token := result.pop("refreshToken", None):
            self.cookies = {"refresh_token": token}
        elif result["__typename"] == "AuthPayload":
            raise AssertionError("no refresh token in the body")
        elif result.get("reason") in {"EXPIRED", "REVOKED", "REUSED"}:
            self.cookies = {}
        return super()._took(result)


def reason_of(answer: dict[str, Any]) -> str:
    """The reason (or code) of an answer's one error."""
    (error,) = answer["errors"]
    extensions = error["extensions"]
    return str(extensions.get("reason", extensions["code"]))
