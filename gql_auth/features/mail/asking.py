"""What an errand remembers of the request that asked for it."""

from collections.abc import Mapping
from typing import Any

from gql_auth.kernel.caller import Client


def asked_by(client: Client, email: str) -> dict[str, Any]:
    """The payload of an errand: an address, and who asked."""
    return {
        "email": email,
        "ip_address": client.ip_address,
        "user_agent": client.user_agent,
        "languages": client.languages,
    }


def asker_of(payload: Mapping[str, Any]) -> Client:
    """Who asked."""
    return Client(payload["ip_address"], payload["user_agent"], payload["languages"])
