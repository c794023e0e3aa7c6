"""The rows of throttles."""

from datetime import datetime

from sqlmodel import BigInteger, Column, Field, LargeBinary, SQLModel

from gql_auth.storage.types import UtcDateTime


class ThrottleRow(SQLModel, table=True):
    """How full one bucket is. `full_until` (microseconds since 1970) is the instant at which all
    that was charged has drained; a row whose instant is past says nothing and may go."""

    __tablename__ = "gql_auth_throttles"

    key: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    full_until: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))


class KnownAddressRow(SQLModel, table=True):
    """An account has signed in from an address: only a keyed hash of the two is kept."""

    __tablename__ = "gql_auth_known_addresses"

    key: bytes = Field(sa_column=Column(LargeBinary(16), primary_key=True))
    seen_at: datetime = Field(sa_type=UtcDateTime, index=True)
