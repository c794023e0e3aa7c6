"""The account's whole life: mails that wait, links in them, locales, deletions to come.

Only adds tables and columns that may be empty, so that the release before runs on it too.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

from gql_auth.storage.types import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make tables and columns."""
    op.add_column("gql_auth_users", sa.Column("locale", sa.String(35)))
    op.add_column("gql_auth_users", sa.Column("deletes_at", UtcDateTime()))
    op.create_index("ix_gql_auth_users_deletes_at", "gql_auth_users", ["deletes_at"])
    op.create_table(
        "gql_auth_links",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("gql_auth_users.id", ondelete="CASCADE")),
        sa.Column("address_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("state_hash", sa.LargeBinary(32)),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("session_id", sa.Uuid()),
        sa.Column("binding_hash", sa.LargeBinary(32)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime()),
        sa.Column("replaced_at", UtcDateTime()),
    )
    op.create_index("ix_gql_auth_links_token_hash", "gql_auth_links", ["token_hash"], unique=True)
    op.create_index("ix_gql_auth_links_address_hash", "gql_auth_links", ["address_hash"])
    op.create_index("ix_gql_auth_links_user_id", "gql_auth_links", ["user_id"])
    op.create_index("ix_gql_auth_links_expires_at", "gql_auth_links", ["expires_at"])
    op.create_table(
        "gql_auth_mails",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("is_errand", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime()),
        sa.Column("expires_at", UtcDateTime()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("dead_at", UtcDateTime()),
        sa.Column("last_error", sa.String(200)),
    )
    op.create_index("ix_gql_auth_mails_due_at", "gql_auth_mails", ["due_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("gql_auth_mails")
    op.drop_table("gql_auth_links")
    op.drop_index("ix_gql_auth_users_deletes_at", "gql_auth_users")
    op.drop_column("gql_auth_users", "deletes_at")
    op.drop_column("gql_auth_users", "locale")
