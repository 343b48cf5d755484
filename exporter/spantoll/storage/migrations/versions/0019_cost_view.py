"""The view `v1_cost_15m`, which `storage/views.py` makes after every upgrade, so after this one."""

from __future__ import annotations

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change no table: that the revision is new is why views are made."""


def downgrade() -> None:
    """Change no table: views are dropped before every migration."""
