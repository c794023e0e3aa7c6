"""A service of its own that trusts gql-auth's access tokens. It has no database and asks nobody
about a token: the public keys are all it needs.

    AUTH_URL=https://auth.example.com uvicorn app:app --port 9000
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gql_auth import Caller, TokenRejected, Unavailable, Verifier

AUTH_URL = os.environ.get("AUTH_URL", "http://localhost:8000")

verifier = Verifier(
    f"{AUTH_URL}/.well-known/jwks.json",
    issuer=os.environ.get("AUTH_ISSUER", AUTH_URL),
    audience=os.environ.get("AUTH_AUDIENCE", AUTH_URL),
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


async def signed_in(credentials: Credentials) -> Caller:
    """Who is calling; 401 for anybody who does not prove it."""
    try:
        return await verifier.verify_async(credentials.credentials if credentials else None)
    except TokenRejected as rejected:
        detail = {"message": str(rejected), **rejected.extensions}
        raise HTTPException(401, detail, {"WWW-Authenticate": "Bearer"}) from None
    except Unavailable as unavailable:  # no keys yet: the token may be good
        headers = {"Retry-After": str(unavailable.retry_after)}
        raise HTTPException(503, str(unavailable), headers) from None


SignedIn = Annotated[Caller, Depends(signed_in)]


async def admin(caller: SignedIn) -> Caller:
    """An admin; 403 for others who are signed in."""
    if "admin" not in caller.roles:
        raise HTTPException(403, {"code": "FORBIDDEN", "reason": "ROLE_REQUIRED"})
    return caller


app = FastAPI()


@app.get("/orders")
async def orders(caller: SignedIn) -> list[str]:
    """Something of the caller's own."""
    return [f"an order of {caller.user_id}"]


@app.get("/reports")
async def reports(caller: Annotated[Caller, Depends(admin)]) -> list[str]:
    """Something for admins."""
    return [f"a report for {caller.claims['email']}"]
