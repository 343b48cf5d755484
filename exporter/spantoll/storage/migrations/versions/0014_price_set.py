"""Add price sets: published price documents as they were read, each under its hash."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from spantoll.storage.migrations.column_types import text

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

DOCUMENT = sa.LargeBinary((1 << 24) - 1).with_variant(mysql.MEDIUMBLOB(), "mariadb", "mysql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "price_set",
        sa.Column("sha256", text(64), primary_key=True),
        sa.Column("source", text(32), nullable=False),
        sa.Column("version", text(64), nullable=False),
        sa.Column("as_of", text(32), nullable=False),
        sa.Column("models", sa.Integer, nullable=False),
        sa.Column("location", text(254), nullable=False),
        sa.Column("held", sa.Text, nullable=False),
        sa.Column("content", DOCUMENT, nullable=False),
        sa.Column("added_ns", sa.BigInteger, nullable=False),
        sa.Column("chosen_ns", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop it; calls are priced by the installed catalogue again."""
    op.drop_table("price_set")
