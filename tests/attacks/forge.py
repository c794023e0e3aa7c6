"""Tokens made by hand, with our own key or another: what no honest library would sign."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import get_default_algorithms

from gql_auth.app import GraphQLAuth
from gql_auth.features.keys.core import KeyRings, MasterSecret


def b64(raw: bytes | dict[str, Any] | str) -> str:
    """base64url without padding, of bytes, of text or of an object as JSON."""
    if isinstance(raw, dict):
        raw = json.dumps(raw, separators=(",", ":"))
    if isinstance(raw, str):
        raw = raw.encode(errors="surrogateescape")
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    """The payload of a token, unverified."""
    return _part(token, 1)


def header_of(token: str) -> dict[str, Any]:
    """The header of a token, unverified."""
    return _part(token, 0)


def _part(token: str, index: int) -> dict[str, Any]:
    segment = token.split(".")[index]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return found


class Forge:
    """Signs whatever it is given: with the server's own access key unless told otherwise."""

    def __init__(self, auth: GraphQLAuth, honest: str) -> None:
        self.auth = auth
        self.honest = honest
        self.header = header_of(honest)
        self.claims = claims_of(honest)
        self.now: int = self.claims["iat"]
        self.ring = auth.system.part(KeyRings).ring

    def token(
        self,
        header: dict[str, Any] | str | None = None,
        claims: dict[str, Any] | str | None = None,
        *,
        key: Any = None,
        without: tuple[str, ...] = (),
    ) -> str:
        """A token whose signature holds over whatever it says; a dict changes the honest one,
        a str takes its place as it stands."""
        if not isinstance(header, str):
            header = {**self.header, **(header or {})}
            header = json.dumps({k: v for k, v in header.items() if k not in without})
        if not isinstance(claims, str):
            claims = {**self.claims, **(claims or {})}
            claims = json.dumps({k: v for k, v in claims.items() if k not in without})
        signed = f"{b64(header)}.{b64(claims)}"
        return f"{signed}.{b64(self.signature(signed, key or self.ring.private))}"

    def signature(self, text: str, key: Any) -> bytes:
        """By the ring's own algorithm."""
        algorithm = get_default_algorithms()[self.ring.algorithm]
        signed: bytes = algorithm.sign(text.encode(), key)
        return signed

    def hmac_token(self, key: bytes, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """A token signed with HMAC, however unsuitable the key."""
        signed = f"{b64(header)}.{b64(claims)}"
        return f"{signed}.{b64(hmac.digest(key, signed.encode(), hashlib.sha256))}"

    @property
    def refresh_key(self) -> bytes:
        """The key of refresh tokens."""
        key: bytes = self.auth.system.part(MasterSecret).derive("refresh-tokens")
        return key


def other_key() -> Any:
    """A key that is not the server's."""
    return ec.generate_private_key(ec.SECP256R1())
