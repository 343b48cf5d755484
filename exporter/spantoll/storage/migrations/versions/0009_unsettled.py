"""Which records are stored and not settled yet, where several processes write at the same time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import text

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, empty: what is there was settled in the transaction that wrote it."""
    op.create_table(
        "unsettled",
        sa.Column("first_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
        sa.Column("since_ns", sa.BigInteger, nullable=False),
        sa.Column("failure", text(254)),
    )


def downgrade() -> None:
    """Drop it; what it names keeps the verdicts of spans that stand alone."""
    op.drop_table("unsettled")
