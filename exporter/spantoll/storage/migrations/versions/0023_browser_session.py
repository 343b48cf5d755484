"""Keep browser sessions: the digest of a cookie's secret, the key it stands for, and its end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import binary

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "browser_session",
        sa.Column("digest", binary(32), primary_key=True),
        sa.Column("key_id", sa.BigInteger, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("expires_ns", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the table: every browser signs in again."""
    op.drop_table("browser_session")
