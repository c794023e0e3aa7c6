"""Access tokens for the servers that ours is measured beside: the claims of ours, signed anew."""

import hmac
from base64 import urlsafe_b64encode

import orjson


def base64(raw: bytes) -> bytes:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=")


def mac(key: bytes, signed: bytes) -> bytes:
    """The signature of HS256."""
    return base64(hmac.digest(key, signed, "sha256"))


def signed_again(token: str, key: bytes) -> str:
    """The same claims, signed with HS256."""
    head = base64(orjson.dumps({"alg": "HS256", "typ": "JWT"}))
    signed = head + b"." + token.split(".")[1].encode()
    return (signed + b"." + mac(key, signed)).decode()


def forged(one: str, other: str) -> str:
    """A token with another's signature."""
    return one.rpartition(".")[0] + "." + other.rpartition(".")[2]
