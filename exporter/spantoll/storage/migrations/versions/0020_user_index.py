"""An index that finds the newest records of a user, however rare the user is.

Input: records of 0018. Output: the same records, with those that name a user in one more index.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

NAME = "ix_usage_record_user"


def upgrade() -> None:
    """Make the index."""
    has_user = sa.text("user_id IS NOT NULL")
    op.create_index(
        NAME,
        "usage_record",
        ["user_id", "started_ns"],
        sqlite_where=has_user,
        postgresql_where=has_user,
    )


def downgrade() -> None:
    """Drop the index."""
    op.drop_index(NAME, "usage_record")
