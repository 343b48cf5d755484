"""The time before which the records of a ledger are deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, with the row that says that nothing is deleted."""
    table = op.create_table(
        "retention",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("deleted_before_ns", sa.BigInteger, nullable=False),
    )
    # MariaDB runs what was interrupted again, and a table of its first run has the row.
    is_script = op.get_context().as_sql
    if is_script or op.get_bind().scalar(sa.select(sa.func.count()).select_from(table)) == 0:
        op.bulk_insert(table, [{"id": 1, "deleted_before_ns": 0}])


def downgrade() -> None:
    """Drop it. Where records are deleted, older versions take their roll-ups for wrong."""
    op.drop_table("retention")
