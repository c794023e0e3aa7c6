"""The rows of sessions."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from gql_auth.storage.types import UtcDateTime, new_id


class SessionRow(SQLModel, table=True):
    """One session. `generation` counts refreshes; `confirmed`: the newest generation's token was
    seen in use. Neither a token nor a hash of one is kept."""

    __tablename__ = "gql_auth_sessions"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    user_id: UUID = Field(foreign_key="gql_auth_users.id", index=True, ondelete="CASCADE")
    created_at: datetime = Field(sa_type=UtcDateTime)
    generation: int = 0
    rotated_at: datetime = Field(sa_type=UtcDateTime)
    confirmed: bool = False
    expires_at: datetime = Field(sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime, index=True)
    end_reason: str | None = Field(default=None, max_length=40)
    ip_address: str | None = Field(default=None, max_length=45)
    user_agent: str | None = Field(default=None, max_length=512)
