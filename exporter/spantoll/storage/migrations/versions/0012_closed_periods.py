"""Add closed periods, their adjustments, and what an adjusted record should be.

Input: a ledger of 0011. Output: two empty tables and a column that is NULL on every record.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import binary, identity, text

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the column."""
    op.add_column("usage_record", sa.Column("adjusted", sa.Text))
    op.create_table(
        "closed_period",
        sa.Column("period_id", identity, primary_key=True),
        sa.Column("name", text(32), nullable=False),
        sa.Column("tz", text(64), nullable=False),
        sa.Column("start_ns", sa.BigInteger, nullable=False),
        sa.Column("end_ns", sa.BigInteger, nullable=False),
        sa.Column("closed_ns", sa.BigInteger, nullable=False),
        sa.Column("closed_by", text(128), nullable=False),
    )
    op.create_table(
        "adjustment",
        sa.Column("adjustment_id", identity, primary_key=True),
        sa.Column("booked_ns", sa.BigInteger, nullable=False),
        sa.Column("period_id", sa.BigInteger, nullable=False),
        sa.Column("cause", text(16), nullable=False),
        sa.Column("run_id", sa.BigInteger),
        sa.Column("record_id", sa.BigInteger, nullable=False),
        sa.Column("tenant_id", text(64), nullable=False),
        sa.Column("trace_id", binary(16), nullable=False),
        sa.Column("span_id", binary(8), nullable=False),
        sa.Column("started_ns", sa.BigInteger, nullable=False),
        sa.Column("provider", text(64)),
        sa.Column("model", text(191)),
        sa.Column("customer_id", text(128)),
        sa.Column("pricing_status", text(16), nullable=False),
        sa.Column("requests", sa.BigInteger),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("cost_nano", sa.BigInteger),
        sa.Column("revenue_nano", sa.BigInteger),
        sa.Column("old_values", sa.Text, nullable=False),
        sa.Column("new_values", sa.Text, nullable=False),
    )
    op.create_index("ix_adjustment_booked", "adjustment", ["booked_ns"])
    op.create_index("ix_adjustment_started", "adjustment", ["started_ns"])


def downgrade() -> None:
    """Drop them: what was adjusted is lost, and the records stay as they were closed."""
    op.drop_table("adjustment")
    op.drop_table("closed_period")
    op.drop_column("usage_record", "adjusted")
