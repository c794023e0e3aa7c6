"""The rows of password hashes, apart from accounts: an account may come to have none."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from gql_auth.storage.types import UtcDateTime


class PasswordRow(SQLModel, table=True):
    """One account's password hash; its format is explained in `passwords.core`."""

    __tablename__ = "gql_auth_passwords"

    user_id: UUID = Field(primary_key=True, foreign_key="gql_auth_users.id", ondelete="CASCADE")
    hash: str = Field(max_length=200)
    changed_at: datetime = Field(sa_type=UtcDateTime)
