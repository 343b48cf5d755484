"""The view `v1_cost_15m` of ClickHouse reads the sums of deleted records.

No table changes. Views are made anew after every migration, and this one is for that.
"""

from __future__ import annotations

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change nothing."""


def downgrade() -> None:
    """Change nothing."""
