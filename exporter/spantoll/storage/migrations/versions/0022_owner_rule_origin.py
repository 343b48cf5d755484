"""Which rules of owners come from the configuration file, so that they end with it.

Input: rules of 0016. Output: the same rules, none of which is the file's.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations.column_types import text

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("owner_rule", sa.Column("origin", text(16)))


def downgrade() -> None:
    """Remove it; the rules of the file stay, as if they were added by hand."""
    op.drop_column("owner_rule", "origin")
