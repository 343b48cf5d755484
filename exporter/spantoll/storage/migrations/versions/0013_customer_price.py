"""Keep what customers pay, and say on a record why its revenue is unknown.

Input: records of 0012, which have no revenue. Output: the table of customer prices, empty, and
the column `revenue_reason`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import identity, text

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and add the column."""
    op.create_table(
        "customer_price",
        sa.Column("id", identity, primary_key=True),
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("customer_id", text(128), nullable=False),
        sa.Column("provider", text(64), nullable=False),
        sa.Column("model", text(191), nullable=False),
        sa.Column("metric", text(64), nullable=False),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("amount", text(40), nullable=False),
        sa.Column("per", sa.BigInteger, nullable=False),
        sa.Column("currency", text(3), nullable=False),
        sa.Column("valid_from_ns", sa.BigInteger, nullable=False),
        sa.Column("valid_to_ns", sa.BigInteger),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("ended_ns", sa.BigInteger),
    )
    op.add_column("usage_record", sa.Column("revenue_reason", text(254)))


def downgrade() -> None:
    """Drop them; the revenue of records stays."""
    op.drop_column("usage_record", "revenue_reason")
    op.drop_table("customer_price")
