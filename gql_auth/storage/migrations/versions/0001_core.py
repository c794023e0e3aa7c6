"""The core: users, passwords, sessions, signing keys, audit events.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

from gql_auth.storage.types import Json, UtcDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gql_auth_users",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("email_key", sa.String(320), nullable=False),
        sa.Column("email_verified", sa.Boolean(), nullable=False),
        sa.Column("username", sa.String(32)),
        sa.Column("username_key", sa.String(32)),
        sa.Column("name", sa.String(200)),
        sa.Column("roles", Json, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("disabled_at", UtcDateTime()),
        sa.UniqueConstraint("email_key", name="uq_gql_auth_users_email_key"),
        sa.UniqueConstraint("username_key", name="uq_gql_auth_users_username_key"),
    )
    op.create_table(
        "gql_auth_passwords",
        sa.Column(
            "user_id",
            sa.Uuid(),
            sa.ForeignKey("gql_auth_users.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("hash", sa.String(200), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
    )
    op.create_table(
        "gql_auth_sessions",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column(
            "user_id",
            sa.Uuid(),
            sa.ForeignKey("gql_auth_users.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rotated_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime()),
        sa.Column("end_reason", sa.String(40)),
        sa.Column("ip_address", sa.String(45)),
        sa.Column("user_agent", sa.String(512)),
    )
    op.create_index("ix_gql_auth_sessions_user_id", "gql_auth_sessions", ["user_id"])
    op.create_index("ix_gql_auth_sessions_revoked_at", "gql_auth_sessions", ["revoked_at"])
    op.create_table(
        "gql_auth_keys",
        sa.Column("kid", sa.String(64), primary_key=True),
        sa.Column("algorithm", sa.String(10), nullable=False),
        sa.Column("public_jwk", Json),
        sa.Column("private_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("activated_at", UtcDateTime()),
        sa.Column("replaced_at", UtcDateTime()),
        sa.Column("retired_at", UtcDateTime()),
    )
    op.create_table(
        "gql_auth_events",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tag", sa.String(80), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("session_id", sa.Uuid()),
        sa.Column("ip_address", sa.String(45)),
        sa.Column("user_agent", sa.String(512)),
        sa.Column("detail", Json, nullable=False),
    )
    op.create_index("ix_gql_auth_events_user_id", "gql_auth_events", ["user_id", "at"])
    op.create_index("ix_gql_auth_events_session_id", "gql_auth_events", ["session_id"])


def downgrade() -> None:
    """Drop the tables."""
    for table in ("events", "keys", "sessions", "passwords", "users"):
        op.drop_table(f"gql_auth_{table}")
