"""What people change by hand: records that are void, persons that are erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import identity, text

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, empty."""
    op.create_table(
        "audit_event",
        sa.Column("event_id", identity, primary_key=True),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("done_by", text(128), nullable=False),
        sa.Column("action", text(16), nullable=False),
        sa.Column("record_id", sa.BigInteger),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("why", text(1024), nullable=False),
    )


def downgrade() -> None:
    """Drop it; what was changed stays changed."""
    op.drop_table("audit_event")
