"""Add the runs of re-pricing, and what each changed on which record.

Input: a ledger of 0006. Output: two empty tables; no record changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import identity, text

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "reprice_run",
        sa.Column("run_id", identity, primary_key=True),
        sa.Column("started_ns", sa.BigInteger, nullable=False),
        sa.Column("finished_ns", sa.BigInteger),
        sa.Column("done_by", text(128), nullable=False),
        sa.Column("selection", sa.Text, nullable=False),
        sa.Column("rate_card", text(64), nullable=False),
        sa.Column("state", text(16), nullable=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.Column("end_id", sa.BigInteger, nullable=False),
        sa.Column("examined", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("old_cost_nano", sa.BigInteger, nullable=False),
        sa.Column("new_cost_nano", sa.BigInteger, nullable=False),
        sa.Column("undone_ns", sa.BigInteger),
        sa.Column("undone_by", text(128)),
        sa.Column("kept", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "reprice_change",
        sa.Column("run_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("record_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("old_values", sa.Text, nullable=False),
        sa.Column("new_values", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop them, and with them what could be undone."""
    op.drop_table("reprice_change")
    op.drop_table("reprice_run")
