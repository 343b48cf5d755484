"""Drop the tables that no version has filled; what fills one brings it back.

The files of 0001 and 0002 were edited while ledgers were made with them. A ledger that lacks what
those files have now is completed here, so that every one of this revision has the same schema.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from spantoll.storage.migrations import unfilled_tables

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

IS_NAMELESS = "response_key IS NULL AND twin_key IS NOT NULL"
INDEXES = {
    "ix_usage_record_twin": (["twin_key", "response_key"], "twin_key IS NOT NULL"),
    "ix_usage_record_nameless": (["response_key", "twin_key", "scope_name"], IS_NAMELESS),
}
"""Of usage_record: name -> columns, and the rows where a database knows partial indexes."""


def upgrade() -> None:
    """Drop the tables; no record is in any."""
    unfilled_tables.drop()
    if not op.get_context().as_sql:
        _complete_schema(sa.inspect(op.get_bind()))


def downgrade() -> None:
    """Create them again, empty as they were."""
    unfilled_tables.create()


def _complete_schema(found: sa.Inspector) -> None:
    columns = {column["name"] for column in found.get_columns("usage_record")}
    if "catalogue_cost_nano" not in columns:
        op.add_column("usage_record", sa.Column("catalogue_cost_nano", sa.BigInteger))
    if not found.has_table("probe"):
        op.create_table(
            "probe",
            sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
            sa.Column("written_ns", sa.BigInteger, nullable=False),
            sa.Column("padding", sa.LargeBinary),
        )
    if "twin_key" not in columns:
        return
    indexed = {index["name"]: index["column_names"] for index in found.get_indexes("usage_record")}
    for name, (names, rows) in INDEXES.items():
        if indexed.get(name) != names:
            op.drop_index(name, "usage_record", if_exists=True)
            where = sa.text(rows)
            op.create_index(name, "usage_record", names, sqlite_where=where, postgresql_where=where)
