"""Add the user's aliases: what model stands behind a deployment, a profile or a house name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import identity, text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "model_alias",
        sa.Column("id", identity, primary_key=True),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("model", text(191), nullable=False),
        sa.Column("to_provider", text(64), nullable=False),
        sa.Column("to_model", text(191), nullable=False),
        sa.Column("region", text(64), nullable=False),
        sa.Column("valid_from", text(40), nullable=False),
        sa.Column("valid_to", text(40), nullable=False),
        sa.Column("note", text(254), nullable=False),
        sa.Column("added_ns", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_ns", sa.BigInteger),
    )


def downgrade() -> None:
    """Drop it with what the user has given; records keep the rows that priced them."""
    op.drop_table("model_alias")
