"""The rows of links in mails."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, Index, SQLModel

from gql_auth.storage.types import UtcDateTime, new_id


class LinkRow(SQLModel, table=True):
    """One link. Token, address, state and binding are there as keyed hashes (HMAC-SHA-256) alone;
    `sealed` is what the link needs to act and nobody else may read, see `keys.sealing`."""

    __tablename__ = "gql_auth_links"
    __table_args__ = (
        Index("ix_gql_auth_links_token_hash", "token_hash", unique=True),
        Index("ix_gql_auth_links_address_hash", "address_hash"),
        Index("ix_gql_auth_links_user_id", "user_id"),
        Index("ix_gql_auth_links_expires_at", "expires_at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    purpose: str = Field(max_length=20)
    user_id: UUID | None = Field(default=None, foreign_key="gql_auth_users.id", ondelete="CASCADE")
    address_hash: bytes = Field(max_length=32)
    token_hash: bytes = Field(max_length=32)
    state_hash: bytes | None = Field(default=None, max_length=32)
    sealed: bytes | None = None
    session_id: UUID | None = None
    binding_hash: bytes | None = Field(default=None, max_length=32)
    created_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    replaced_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
