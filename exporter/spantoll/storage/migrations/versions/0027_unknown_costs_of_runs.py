"""How many of the costs that a run of re-pricing adds up are known, and how many only in part.

Input: runs of 0026. Output: the same runs, of which this is not known.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

COUNTS = ("old_known", "new_known", "old_incomplete", "new_incomplete")


def upgrade() -> None:
    """Add the columns."""
    for name in COUNTS:
        op.add_column("reprice_run", sa.Column(name, sa.BigInteger))


def downgrade() -> None:
    """Remove them; the sums stay."""
    for name in COUNTS:
        op.drop_column("reprice_run", name)
