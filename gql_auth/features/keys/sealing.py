"""Sealing: what is read back later, and must be of no use to who reads the database.

The format, and its law: nonce (12 bytes) + AES-256-GCM over JSON in UTF-8, with a key derived from
the master secret for one purpose, and the id of the row as associated data: what was sealed for
one row opens in no other.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gql_auth.features.keys.core import MasterSecret
from gql_auth.kernel.entropy import random_bytes

_NONCE: Final = 12


class BrokenSeal(Exception):  # noqa: N818 - a state of affairs
    """It was sealed with another secret, for another row or purpose, or was changed."""


class Seal:
    """Seals and opens for one purpose."""

    def __init__(self, secret: MasterSecret, purpose: str) -> None:
        self._key = AESGCM(secret.derive(purpose))

    def close(self, content: Mapping[str, Any], row: UUID) -> bytes:
        """The sealed form of what JSON can say, for one row."""
        nonce = random_bytes(_NONCE)
        return nonce + self._key.encrypt(nonce, json.dumps(content).encode(), row.bytes)

    def open(self, sealed: bytes, row: UUID) -> dict[str, Any]:
        """What was sealed for that row.

        Raises:
            BrokenSeal: nothing was, or not with this secret.
        """
        try:
            plain = self._key.decrypt(sealed[:_NONCE], sealed[_NONCE:], row.bytes)
        except (InvalidTag, ValueError):
            raise BrokenSeal from None
        return cast(dict[str, Any], json.loads(plain))
