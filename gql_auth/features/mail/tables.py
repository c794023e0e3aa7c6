"""The rows of the outbox."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, Index, SQLModel

from gql_auth.storage.types import UtcDateTime, new_id


class MailRow(SQLModel, table=True):
    """One letter to be sent, or one errand to be run (see `mail.core`). It goes when that is done.

    `sealed` holds the address and the words, links with their tokens among them. No foreign key:
    the last letter to an owner outlives the account. `due_at` is when it is to be tried next;
    whoever tries it moves that on first, so that nobody else does. What was given up has none.
    """

    __tablename__ = "gql_auth_mails"
    __table_args__ = (Index("ix_gql_auth_mails_due_at", "due_at"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    kind: str = Field(max_length=60)
    is_errand: bool
    sealed: bytes
    user_id: UUID | None = None
    created_at: datetime = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(sa_type=UtcDateTime)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = 0
    dead_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_error: str | None = Field(default=None, max_length=200)
