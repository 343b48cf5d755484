"""An index of parents that holds only the records that are looked for by their parent.

Input: records of 0018. Output: the same records; those without a parent that report their usage
leave the index `ix_usage_record_parent` on SQLite and PostgreSQL, because no statement reads them
by it. MariaDB and MySQL have no partial indexes and keep it as it was.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

NAME = "ix_usage_record_parent"
COLUMNS = ["trace_id", "parent_span_id"]
PARTIAL = ("sqlite", "postgresql")
LOOKED_FOR = (
    "duration_ns = 0 OR facts IS NOT NULL OR "
    "coalesce(input_tokens, 0) <= 0 AND coalesce(output_tokens, 0) <= 0 OR "
    "parent_span_id IS NOT NULL"
)


def upgrade() -> None:
    """Make the index anew, with fewer records."""
    if op.get_context().dialect.name in PARTIAL:
        op.drop_index(NAME, "usage_record")
        where = sa.text(LOOKED_FOR)
        op.create_index(NAME, "usage_record", COLUMNS, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Make the index anew, with all records."""
    if op.get_context().dialect.name in PARTIAL:
        op.drop_index(NAME, "usage_record")
        op.create_index(NAME, "usage_record", COLUMNS)
