"""The rows of signing keys."""

from datetime import datetime
from typing import Any

from sqlmodel import Field, SQLModel

from gql_auth.storage.types import Json, UtcDateTime


class KeyRow(SQLModel, table=True):
    """One signing key. `private_encrypted` is nonce (12 bytes) + AES-256-GCM over PKCS #8 DER
    (HS256: the raw key), the `kid` as associated data."""

    __tablename__ = "gql_auth_keys"

    kid: str = Field(primary_key=True, max_length=64)
    algorithm: str = Field(max_length=10)
    public_jwk: dict[str, Any] | None = Field(default=None, sa_type=Json)
    private_encrypted: bytes
    created_at: datetime = Field(sa_type=UtcDateTime)
    activated_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    replaced_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
