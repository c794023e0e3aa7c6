"""The limit that the server is measured beside: a bare ASGI application on the same uvicorn. Run
as a module, with a port and a file of what it knows, it serves.

It reads the body as JSON, checks an HS256 token with hmac, looks its account up in a dict and
answers as `{ me { id email } }` does: what the stack beneath allows.
"""

import hmac
import sys
import time
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import orjson
import uvicorn

from scripts.benching.tokens import mac


def bare_application(key: bytes, users: dict[str, str]) -> Any:
    """The ASGI application."""

    def answer(body: bytes, headers: dict[bytes, bytes]) -> tuple[int, Any]:
        orjson.loads(body)["query"]
        signed, _, signature = headers[b"authorization"][7:].rpartition(b".")
        if not hmac.compare_digest(mac(key, signed), signature):
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
