"""Keep access keys: the digest of a secret, what it may do, and whose records it reads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import binary, identity, text

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "access_key",
        sa.Column("id", identity, primary_key=True),
        sa.Column("name", text(128), nullable=False),
        sa.Column("digest", binary(32), nullable=False),
        sa.Column("scopes", text(64), nullable=False),
        sa.Column("customer_id", text(128)),
        sa.Column("tenant_id", text(64)),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("revoked_ns", sa.BigInteger),
        sa.UniqueConstraint("digest", name="uq_access_key_digest"),
    )


def downgrade() -> None:
    """Drop the table, and every key with it."""
    op.drop_table("access_key")
