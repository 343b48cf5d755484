"""What links two spans of one call when neither an id nor a trace does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its indexes; what is stored already keeps its verdicts."""
    op.add_column("usage_record", sa.Column("twin_key", sa.BigInteger))
    op.create_index(
        "ix_usage_record_twin",
        "usage_record",
        ["twin_key", "response_key"],
        sqlite_where=sa.text("twin_key IS NOT NULL"),
        postgresql_where=sa.text("twin_key IS NOT NULL"),
    )
    nameless = sa.text("response_key IS NULL AND twin_key IS NOT NULL")
    op.create_index(
        "ix_usage_record_nameless",
        "usage_record",
        ["response_key", "twin_key", "scope_name"],
        sqlite_where=nameless,
        postgresql_where=nameless,
    )


def downgrade() -> None:
    """Drop the column and its indexes."""
    op.drop_index("ix_usage_record_nameless", "usage_record")
    op.drop_index("ix_usage_record_twin", "usage_record")
    op.drop_column("usage_record", "twin_key")
