"""Find the reports of one call by usage keys of short time slices, and spans by their parent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

from spantoll.records.keys import usage_key

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROWS = 5_000

RENAMED = {
    "twin": "own_traces",
    "told_by_aggregate": "aggregate_usage",
    "aggregate_sole_witness": "aggregate_sole",
    "fetch_sole_witness": "fetch_sole",
}
"""Reasons of earlier versions, and what they are called now."""

KEYED = (
    *("tenant_id", "trace_id", "started_ns", "duration_ns", "provider", "status", "request_model"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("images", "audio_ms", "video_ms", "characters", "extra_units"),
)
record = sa.table(
    "usage_record",
    *(sa.column(name) for name in ("id", "role", "counted_reason", "facts", "usage_key", *KEYED)),
)


def upgrade() -> None:
    """Replace the key and its indexes and fill it; every record keeps its verdict."""
    op.drop_index("ix_usage_record_nameless", "usage_record")
    op.drop_index("ix_usage_record_twin", "usage_record")
    op.drop_column("usage_record", "twin_key")
    op.add_column("usage_record", sa.Column("usage_key", sa.BigInteger))
    if not op.get_context().as_sql:
        _fill(op.get_bind())
    for before, now in RENAMED.items():
        if not op.get_context().as_sql:
            op.execute(
                record.update().where(record.c.counted_reason == before).values(counted_reason=now)
            )
    has_key = sa.text("usage_key IS NOT NULL")
    no_response = sa.text("response_key IS NULL AND usage_key IS NOT NULL")
    _index("usage", ["usage_key", "response_key"], where=has_key)
    _index("no_response", ["response_key", "usage_key", "scope_name"], where=no_response)
    _index("parent", ["trace_id", "parent_span_id"])
    _index("aggregate", ["trace_id", "started_ns"], where=sa.text("role = 'aggregate'"))


def downgrade() -> None:
    """Bring the earlier key back, empty: it connects nothing that is stored already."""
    for name in ("usage", "no_response", "parent", "aggregate"):
        op.drop_index(f"ix_usage_record_{name}", "usage_record")
    op.drop_column("usage_record", "usage_key")
    op.add_column("usage_record", sa.Column("twin_key", sa.BigInteger))
    for before, now in RENAMED.items():
        if not op.get_context().as_sql:
            op.execute(
                record.update().where(record.c.counted_reason == now).values(counted_reason=before)
            )
    has_key = sa.text("twin_key IS NOT NULL")
    no_response = sa.text("response_key IS NULL AND twin_key IS NOT NULL")
    _index("twin", ["twin_key", "response_key"], where=has_key)
    _index("nameless", ["response_key", "twin_key", "scope_name"], where=no_response)


def _index(name: str, columns: list[str], *, where: sa.TextClause | None = None) -> None:
    op.create_index(
        f"ix_usage_record_{name}",
        "usage_record",
        columns,
        sqlite_where=where,
        postgresql_where=where,
    )


def _fill(connection: sa.Connection) -> None:
    calls = sa.select(record).where(record.c.role.in_(["inference", "embedding", "media"]))
    last = 0
    filled = (
        record.update()
        .where(record.c.id == sa.bindparam("which"))
        .values(usage_key=sa.bindparam("key"))
    )
    while rows := connection.execute(
        calls.where(record.c.id > last).order_by(record.c.id).limit(ROWS)
    ).all():
        last = rows[-1].id
        connection.execute(filled, [{"which": row.id, "key": _key(row)} for row in rows])


def _key(row: Any) -> int:
    """Compute the key of a row from what its own span reported."""
    fields = SimpleNamespace(**row._mapping)
    for name, value in (orjson.loads(row.facts) if row.facts else {}).items():
        setattr(fields, name, value)
    return usage_key(
        fields,
        tenant=row.tenant_id,
        trace_id=row.trace_id,
        end_ns=fields.started_ns + (fields.duration_ns or 0),
        provider=fields.provider,
        has_extra=fields.extra_units is not None,
        status=fields.status,
        request_model=fields.request_model,
    )
