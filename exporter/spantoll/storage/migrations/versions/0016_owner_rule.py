"""Owners of calls: dated rules that are applied when a question is answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import identity, text

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, empty."""
    op.create_table(
        "owner_rule",
        sa.Column("id", identity, primary_key=True),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("field", text(160), nullable=False),
        sa.Column("value", text(254), nullable=False),
        sa.Column("prefix_length", sa.Integer, nullable=False),
        sa.Column("owner", text(128), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("valid_from_ns", sa.BigInteger, nullable=False),
        sa.Column("valid_to_ns", sa.BigInteger),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("ended_ns", sa.BigInteger),
    )


def downgrade() -> None:
    """Drop it; records do not name rules."""
    op.drop_table("owner_rule")
