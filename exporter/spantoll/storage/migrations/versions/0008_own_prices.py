"""Add the user's own prices, and the exchange rates of those in other currencies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import identity, text

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "own_price",
        sa.Column("id", identity, primary_key=True),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("model", text(191), nullable=False),
        sa.Column("metric", text(64), nullable=False),
        sa.Column("amount", text(40), nullable=False),
        sa.Column("per", sa.BigInteger, nullable=False),
        sa.Column("currency", text(3), nullable=False),
        sa.Column("context", text(254), nullable=False),
        sa.Column("valid_from", text(40), nullable=False),
        sa.Column("valid_to", text(40), nullable=False),
        sa.Column("note", text(254), nullable=False),
        sa.Column("added_ns", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_ns", sa.BigInteger),
    )
    op.create_table(
        "exchange_rate",
        sa.Column("id", identity, primary_key=True),
        sa.Column("currency", text(3), nullable=False),
        sa.Column("usd", text(40), nullable=False),
        sa.Column("valid_from", text(40), nullable=False),
        sa.Column("valid_to", text(40), nullable=False),
        sa.Column("added_ns", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_ns", sa.BigInteger),
    )


def downgrade() -> None:
    """Drop them with what the user has given; records keep the rows that priced them."""
    op.drop_table("exchange_rate")
    op.drop_table("own_price")
