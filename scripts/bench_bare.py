"""The limit that the server is measured beside: a bare ASGI application on the same uvicorn. Run
as a script, with a port and a file of what it knows, it serves."""

import hmac
import secrets
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from bench_servers import Running, free_port, running

from gql_auth.features.signin.granting import Grant


@dataclass
class Bare:
    """The limit: an ASGI application that reads the body as JSON, checks an HS256 token with
    hmac, looks its account up in a dict and answers as `me` does. Tokens are `tokens`, in the
    order of the accounts."""

    port: int
    tokens: list[str]
    known: Path

    @classmethod
    def prepared(cls, folder: Path, grants: Sequence[Grant]) -> "Bare":
        """With these accounts."""
        key = secrets.token_hex(32)
        users = {str(grant.user.id): grant.user.email for grant in grants}
        known = folder / "bare.json"
        known.write_bytes(orjson.dumps({"key": key, "users": users}))
        head = _base64(orjson.dumps({"alg": "HS256", "typ": "JWT"}))
        tokens = []
        for user_id in users:
            claims = {"sub": user_id, "exp": int(time.time()) + 86400}
            signed = head + b"." + _base64(orjson.dumps(claims))
            tokens.append((signed + b"." + _mac(key.encode(), signed)).decode())
        return cls(free_port(), tokens, known)

    @contextmanager
    def serving(self) -> Iterator[Running]:
        """The bare application, on the server's core."""
        command = [sys.executable, __file__, str(self.port), self.known]
        with running(command, self.port, self.known.with_suffix(".log")) as server:
            yield server


def _base64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def _mac(key: bytes, signed: bytes) -> bytes:
    return _base64(hmac.digest(key, signed, "sha256"))


def bare_application(key: bytes, users: dict[str, str]) -> Any:
    """What `Bare` serves."""

    def answer(body: bytes, headers: dict[bytes, bytes]) -> tuple[int, Any]:
        orjson.loads(body)["query"]
        signed, _, signature = headers[b"authorization"][7:].rpartition(b".")
        if not hmac.compare_digest(_mac(key, signed), signature):
            return 401, {"errors": [{"message": "Invalid token"}]}
        claims = orjson.loads(urlsafe_b64decode(signed.partition(b".")[2] + b"=="))
        if claims["exp"] <= time.time():
            return 401, {"errors": [{"message": "Token expired"}]}
        user_id = claims["sub"]
        return 200, {"data": {"me": {"id": user_id, "email": users[user_id]}}}

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status, said = 200, {}
        if scope["path"] == "/graphql":
            status, said = answer(body, dict(scope["headers"]))
        out = orjson.dumps(said)
        length = str(len(out)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": out})

    return application


if __name__ == "__main__":
    known = orjson.loads(Path(sys.argv[2]).read_bytes())
    uvicorn.run(
        bare_application(known["key"].encode(), known["users"]),
        port=int(sys.argv[1]),
        http="httptools",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )
