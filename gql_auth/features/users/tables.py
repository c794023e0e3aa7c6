"""The rows of accounts."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, Index, SQLModel, UniqueConstraint

from gql_auth.storage.types import Json, UtcDateTime, new_id


class UserRow(SQLModel, table=True):
    """One account. A host's own tables may point at `gql_auth_users.id`.

    `email` and `username` are as the person wrote them; the `_key` columns are how they compare
    (ASCII letters in lower case), and what is unique.
    """

    __tablename__ = "gql_auth_users"
    __table_args__ = (
        UniqueConstraint("email_key", name="uq_gql_auth_users_email_key"),
        UniqueConstraint("username_key", name="uq_gql_auth_users_username_key"),
        Index("ix_gql_auth_users_deletes_at", "deletes_at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    email: str = Field(max_length=320)
    email_key: str = Field(max_length=320)
    email_verified: bool = False
    username: str | None = Field(default=None, max_length=32)
    username_key: str | None = Field(default=None, max_length=32)
    name: str | None = Field(default=None, max_length=200)
    roles: list[str] = Field(default_factory=list, sa_type=Json)
    created_at: datetime = Field(sa_type=UtcDateTime)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    locale: str | None = Field(default=None, max_length=35)
    deletes_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
