"""Drop the tables that no version has filled; what fills one brings it back."""

from __future__ import annotations

from spantoll.storage.migrations import unfilled_tables

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop them; no record is in any."""
    unfilled_tables.drop()


def downgrade() -> None:
    """Create them again, empty as they were."""
    unfilled_tables.create()
