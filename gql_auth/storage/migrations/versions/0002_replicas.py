"""Many replicas and brute force: leases, throttles, addresses that an account signed in from.

Only adds tables, so that the release before runs on it too.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

from gql_auth.storage.types import UtcDateTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gql_auth_leases",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("holder", sa.String(40)),
        sa.Column("until", UtcDateTime()),
        if_not_exists=True,  # without advisory locks it is what migrations are taken in turn by
    )
    op.create_table(
        "gql_auth_throttles",
        sa.Column("key", sa.LargeBinary(16), primary_key=True),
        sa.Column("full_until", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_gql_auth_throttles_full_until", "gql_auth_throttles", ["full_until"])
    op.create_table(
        "gql_auth_known_addresses",
        sa.Column("key", sa.LargeBinary(16), primary_key=True),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
    )
    op.create_index("ix_gql_auth_known_addresses_seen_at", "gql_auth_known_addresses", ["seen_at"])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("known_addresses", "throttles", "leases"):
        op.drop_table(f"gql_auth_{table}")
