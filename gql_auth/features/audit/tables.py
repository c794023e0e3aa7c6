"""The rows of audit events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Field, Index, SQLModel

from gql_auth.storage.types import Json, UtcDateTime, new_id


class EventRow(SQLModel, table=True):
    """One event. No foreign keys: the story outlives the account it tells of."""

    __tablename__ = "gql_auth_events"
    __table_args__ = (
        Index("ix_gql_auth_events_user_id", "user_id", "at"),
        Index("ix_gql_auth_events_session_id", "session_id"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    tag: str = Field(max_length=80)
    at: datetime = Field(sa_type=UtcDateTime)
    user_id: UUID | None = None
    session_id: UUID | None = None
    ip_address: str | None = Field(default=None, max_length=45)
    user_agent: str | None = Field(default=None, max_length=512)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=Json)
