"""Up to which id records are in roll-ups: on SQLite, they are added to them later, together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

DAY_NS = 24 * 3600 * 10**9
record = sa.table("usage_record", sa.column("id"), sa.column("started_ns"))
gap = sa.table("roll_up_gap", sa.column("start_ns"), sa.column("end_ns"))
rolled_up = sa.table("rolled_up", sa.column("id"), sa.column("last_id"))


def upgrade() -> None:
    """Add the table; on SQLite, with a row that says that all records are in roll-ups."""
    op.create_table(
        "rolled_up",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("last_id", sa.BigInteger, nullable=False),
    )
    if op.get_context().dialect.name == "sqlite":
        newest = sa.func.coalesce(sa.func.max(record.c.id), 0)
        op.execute(rolled_up.insert().from_select(["id", "last_id"], sa.select(1, newest)))


def downgrade() -> None:
    """Drop it. The days of the records that are not in roll-ups become a gap of them."""
    context = op.get_context()
    if context.dialect.name == "sqlite" and not context.as_sql:
        connection = op.get_bind()
        last_id = connection.scalar(sa.select(rolled_up.c.last_id)) or 0
        day = record.c.started_ns - record.c.started_ns % DAY_NS
        pending = sa.select(day).where(record.c.id > last_id).distinct()
        for day_ns in connection.scalars(pending).all():
            covers = (gap.c.start_ns <= day_ns) & (gap.c.end_ns >= day_ns + DAY_NS)
            if connection.scalar(sa.select(sa.func.count()).select_from(gap).where(covers)) == 0:
                # one that begins there is shorter
                connection.execute(sa.delete(gap).where(gap.c.start_ns == day_ns))
                connection.execute(gap.insert().values(start_ns=day_ns, end_ns=day_ns + DAY_NS))
    op.drop_table("rolled_up")
