"""The rows of storage itself."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from gql_auth.storage.types import UtcDateTime


class LeaseRow(SQLModel, table=True):
    """Who may do what only one process does at a time, and until when; see `locks`."""

    __tablename__ = "gql_auth_leases"

    name: str = Field(primary_key=True, max_length=40)
    holder: str | None = Field(default=None, max_length=40)
    until: datetime | None = Field(default=None, sa_type=UtcDateTime)
