"""Store everything of a call that its price depends on.

Input: records of 0005. Output: the same records with columns for data residency, endpoint scope,
requested speed and search context size, empty for what is stored already.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import text

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = ("data_residency", "endpoint_scope", "speed_requested", "search_context_size")


def upgrade() -> None:
    """Add the columns."""
    for name in COLUMNS:
        op.add_column("usage_record", sa.Column(name, text(16)))


def downgrade() -> None:
    """Remove the columns with what is in them."""
    for name in COLUMNS:
        op.drop_column("usage_record", name)
