"""A command line that stays signed in to a gql-auth server, with `gql`.

    client.py signup ada@example.com     the password is asked for, or read from standard input
    client.py login ada@example.com
    client.py me
    client.py sessions
    client.py logout

No cookie jar: the server hands the refresh token out in the body, and it is kept in a file that
only its owner can read. An access token that has expired is replaced without anybody noticing.
"""

import getpass
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gql import Client, GraphQLRequest, gql
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXTransport
from httpx import HTTPError

URL = os.environ.get("AUTH_URL", "http://localhost:8000") + "/graphql"
FILE = Path(os.environ.get("AUTH_SESSION", Path.home() / ".gql-auth-session"))

TOKENS = """
  __typename
  ... on AuthPayload { accessToken refreshToken user { email } }
  ... on AuthError { message }
"""
SIGNUP = gql(f"mutation ($input: SignupInput!) {{ signup(input: $input) {{ {TOKENS} }} }}")
LOGIN = gql(f"mutation ($input: LoginInput!) {{ login(input: $input) {{ {TOKENS} }} }}")
REFRESH = gql(f"""mutation ($token: String!) {{
  refreshToken(token: $token) {{ {TOKENS} ... on RefreshTokenRejected {{ reason }} }}
}}""")
LOGOUT = gql("mutation ($token: String!) { logout(token: $token) { sessionEnded } }")
ME = gql("{ me { id email name roles } }")
SESSIONS = gql("{ sessions { id createdAt userAgent current } }")

# The session is over: everything else that goes wrong leaves the tokens as they are.
OVER = {"EXPIRED", "REUSED", "REVOKED"}


class RefusedError(Exception):
    """Nobody is signed in, or the server says no; the message is for people."""


class TokenFile:
    """Both tokens on the disk. Written whole or not at all, and readable by the owner alone from
    its first moment on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, str]:
        """The tokens; none where nobody is signed in."""
        try:
            found: dict[str, str] = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def write(self, tokens: Mapping[str, str]) -> None:
        """Keep these. `mkstemp` makes its file with mode 0600."""
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        with os.fdopen(handle, "w") as file:
            json.dump(tokens, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(self._path)

    def remove(self) -> None:
        """Forget them."""
        self._path.unlink(missing_ok=True)


class Api:
    """The server, asked as whoever is signed in."""

    def __init__(self, url: str, file: TokenFile) -> None:
        self._url = url
        self._file = file

    def ask(self, document: GraphQLRequest, **variables: Any) -> dict[str, Any]:
        """What a document answers; refreshes once where the access token is refused.

        Raises:
            RefusedError: nobody is signed in.
            TransportError, HTTPError: the server cannot answer now; the session is kept.
        """
        token = self._file.read().get("accessToken")
        try:
            return self._send(document, variables, token)
        except TransportQueryError as refused:
            if not _is_unauthenticated(refused):
                raise
        return self._send(document, variables, self._refresh(token))

    def sign_in(self, document: GraphQLRequest, email: str, password: str) -> str:
        """Sign up or in, whoever was signed in before; the account's address.

        Raises:
            RefusedError: with what the server says.
        """
        self.sign_out()  # no cookie tells the server which session this one replaces
        given = {"input": {"email": email, "password": password}}
        (result,) = self._send(document, given).values()
        if result["__typename"] != "AuthPayload":
            raise RefusedError(result["message"])
        self._keep(result)
        address: str = result["user"]["email"]
        return address

    def sign_out(self) -> bool:
        """End the session, here and on the server; whether there was one."""
        token = self._file.read().get("refreshToken")
        if token is None:
            return False
        ended: bool = self._send(LOGOUT, {"token": token})["logout"]["sessionEnded"]
        self._file.remove()
        return ended

    def _refresh(self, refused: str | None) -> str:
        tokens = self._file.read()
        if tokens and tokens["accessToken"] != refused:
            return tokens["accessToken"]  # another process has refreshed meanwhile
        if not tokens:
            raise RefusedError("Nobody is signed in here")
        presented = tokens["refreshToken"]
        result = self._send(REFRESH, {"token": presented})["refreshToken"]
        still_ours = self._file.read().get("refreshToken") == presented
        if result["__typename"] == "AuthPayload":
            # Of two processes that refresh at once both get the same tokens. One that is late
            # must not put them back over newer ones: the server would take it for a thief.
            if still_ours:
                self._keep(result)
            token: str = result["accessToken"]
            return token
        if result.get("reason") in OVER and still_ours:
            self._file.remove()
        raise RefusedError(result["message"])

    def _keep(self, result: Mapping[str, str]) -> None:
        self._file.write({name: result[name] for name in ("accessToken", "refreshToken")})

    def _send(
        self, document: GraphQLRequest, variables: Mapping[str, Any], token: str | None = None
    ) -> dict[str, Any]:
        headers = {"X-Refresh-Transport": "body"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        asked = GraphQLRequest(document, variable_values=dict(variables))
        transport = HTTPXTransport(self._url, headers=headers, timeout=30)
        with Client(transport=transport) as client:
            answer: dict[str, Any] = client.execute(asked)
        return answer


def _is_unauthenticated(error: TransportQueryError) -> bool:
    return any(
        each.get("extensions", {}).get("code") == "UNAUTHENTICATED" for each in error.errors or ()
    )


def _password() -> str:
    return getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def main(arguments: list[str]) -> int:
    """Run one command; 0 done, 1 refused, 2 wrong usage, 3 the server cannot answer now."""
    api = Api(URL, TokenFile(FILE))
    commands: dict[str, Callable[..., object]] = {
        "signup": lambda email: "Signed in: " + api.sign_in(SIGNUP, email, _password()),
        "login": lambda email: "Signed in: " + api.sign_in(LOGIN, email, _password()),
        "me": lambda: json.dumps(api.ask(ME)["me"], indent=2),
        "sessions": lambda: json.dumps(api.ask(SESSIONS)["sessions"], indent=2),
        "logout": lambda: "Signed out" if api.sign_out() else "Nobody was signed in",
    }
    takes = {"signup": 1, "login": 1}
    name, *rest = arguments or [""]
    if name not in commands or len(rest) != takes.get(name, 0):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(commands[name](*rest))
    except RefusedError as refused:
        print(refused, file=sys.stderr)
        return 1
    except TransportQueryError as refused:
        print(*(each["message"] for each in refused.errors or ()), sep="\n", file=sys.stderr)
        return 1
    except (TransportError, HTTPError) as trouble:
        print(f"The server cannot answer now, try again: {trouble}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
