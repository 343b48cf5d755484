"""The SQL views: the tables of a ledger as others may query them, by Grafana or by hand.

Input: a connection. Output: `v1_record`, `v1_call`, `v1_usage_daily` and `v1_cost_15m`, which alone
reads roll-ups, and records where they are not valid. Tables may change with any version; a view of
`v1_` keeps its columns and what they mean, and may get more. Views are dropped before every
migration and made after it, because SQLite refuses to change a table under a view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Numeric,
    Select,
    case,
    cast,
    exists,
    func,
    inspect,
    literal_column,
    select,
    text,
    true,
    union_all,
)

from spantoll.records.columns import usage_record
from spantoll.records.record import COLUMNS
from spantoll.storage.retention import MARK
from spantoll.storage.roll_up_pending import rolled_up
from spantoll.storage.roll_up_sums import NEVER_NULL, known_name
from spantoll.storage.roll_ups import ROLL_UPS, roll_up_gap, select_sums
from spantoll.storage.tables import retention

__all__ = ["MONEY", "NAMED", "VIEWS", "drop_views", "make_views"]

NAMED = (
    *("tenant_id", "trace_id", "span_id", "source", "counted", "counted_reason"),
    *("operation", "provider", "model", "request_model", "response_model", "region"),
    *("service_tier", "batch", "stream", "status", "error_type"),
    *("customer_id", "organisation", "project", "workspace_id", "team", "user_id", "session_id"),
    *("purpose", "task_type", "channel", "environment", "service_name"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "images", "characters", "requests"),
    *("pricing_status", "pricing_reason", "cost_source"),
)
"""Columns of `usage_record` that a view has as they are; ids are lower-case hex."""
MONEY = (
    *("cost_nano", "input_cost_nano", "output_cost_nano", "cache_cost_nano", "other_cost_nano"),
    *("reported_cost_nano", "catalogue_cost_nano", "revenue_nano"),
)
"""Integers of nano-USD; each is there as dollars too, under the name that answers have."""
DIMENSIONS = (
    *("tenant_id", "provider", "model", "operation", "status"),
    *("customer_id", "project", "team", "environment", "service_name", "pricing_status"),
)
QUARTER = next(each for each in ROLL_UPS if each.name == "roll_up_model_quarter")
QUARTER_DIMENSIONS = tuple(
    name for name in QUARTER.dimensions if name not in ("pricing_reason", "rate_id")
)
COUNTERS = ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
NANO = "0.000000001"
"""Written as a decimal: a quotient would be rounded to four places by MariaDB."""

r = usage_record.c


class Spelling(NamedTuple):
    """What the databases spell differently."""

    hex: Callable[[ColumnElement[Any]], ColumnElement[Any]]
    time: str
    """The UTC time of `started_ns`."""
    seconds: str
    """Whole seconds since 1970 of `started_ns`."""
    day: str
    """The UTC day of `started_ns`."""
    dollars: Callable[[ColumnElement[Any]], ColumnElement[Any]] = lambda nano: (
        cast(nano, Numeric(28, 0)) * literal_column(NANO)
    )
    """Nano-dollars as dollars."""
    has_roll_ups: bool = True
    """Of all time, not only of what retention has deleted."""
    has_pending: bool = False
    """Whether records may not be in roll-ups yet."""
    end: str = ""
    """What ends the statement of a view."""


SPELLINGS: Mapping[str, Spelling] = {
    "sqlite": Spelling(
        hex=lambda column: func.lower(func.hex(column)),
        time="strftime('%Y-%m-%dT%H:%M:%fZ', started_ns / 1000000000.0, 'unixepoch')",
        seconds="started_ns / 1000000000",
        day="date(started_ns / 1000000000, 'unixepoch')",
        has_pending=True,
    ),
    "postgresql": Spelling(
        hex=lambda column: func.encode(column, literal_column("'hex'")),
        time="TIMESTAMPTZ 'epoch' + started_ns / 1000 * INTERVAL '1 microsecond'",
        seconds="started_ns / 1000000000",
        day="(TIMESTAMP 'epoch' + started_ns / 1000 * INTERVAL '1 microsecond')::date",
    ),
    "mariadb": Spelling(
        hex=lambda column: func.lower(func.hex(column)),
        time="TIMESTAMP('1970-01-01') + INTERVAL (started_ns DIV 1000) MICROSECOND",
        seconds="started_ns DIV 1000000000",
        day="DATE(TIMESTAMP('1970-01-01') + INTERVAL (started_ns DIV 1000) MICROSECOND)",
    ),
    "clickhousedb": Spelling(
        hex=lambda column: func.lower(func.hex(column)),
        time="fromUnixTimestamp64Nano(started_ns, 'UTC')",
        seconds="intDiv(started_ns, 1000000000)",
        day="toDate(fromUnixTimestamp64Nano(started_ns, 'UTC'))",
        # CAST takes no NULL there
        dollars=lambda nano: func.toDecimal128(nano, 9) / literal_column("1000000000"),
        has_roll_ups=False,
        # rows in their latest version, and names that mean columns, whatever a client has set
        end=" SETTINGS final = 1, prefer_column_name_to_alias = 1",
    ),
}


def select_records(spelling: Spelling) -> Select[Any]:
    """Select every record, what is not counted too."""
    return select(
        r.id,
        literal_column(spelling.time).label("started_at"),
        literal_column(spelling.seconds).label("time_s"),
        r.started_ns,
        (r.duration_ns * literal_column("0.000001")).label("latency_ms"),
        *(_show(name, spelling) for name in NAMED),
        *(r[name] for name in MONEY),
        *(spelling.dollars(r[name]).label(COLUMNS[name].outside) for name in MONEY),
    )


def select_calls(spelling: Spelling) -> Select[Any]:
    """Select the records that are billed: what every sum of SpanToll is of."""
    return select_records(spelling).where(r.counted == true())


def select_days(spelling: Spelling) -> Select[Any]:
    """Add up the calls of each UTC day."""
    groups = [r[name] for name in DIMENSIONS]
    day: ColumnElement[Any] = literal_column(spelling.day)
    unpriced = case((r.cost_nano.is_(None), r.requests), else_=0)
    sums = [func.sum(r[name]) for name in COUNTERS]
    return (
        select(
            day.label("day"),
            *groups,
            *(each.label(name) for each, name in zip(sums, COUNTERS, strict=True)),
            func.sum(unpriced).label("unpriced_requests"),
            func.sum(r.cost_nano).label("cost_nano"),
            spelling.dollars(func.sum(r.cost_nano)).label("cost_usd"),
            spelling.dollars(func.sum(r.revenue_nano)).label("revenue_usd"),
        )
        .where(r.counted == true())
        .group_by(day, *groups)
    )


def select_quarters(spelling: Spelling) -> Select[Any]:
    """Add up the calls of each 15 minutes: what roll-ups have, and records that they have not."""
    parts = _select_parts(spelling).subquery("parts")
    p = parts.c
    groups = [p[name] for name in QUARTER_DIMENSIONS]
    money = {name: _sum_known(p, name) for name in ("cost_nano", "revenue_nano")}
    return (
        select(
            (p.bucket_ns // 1_000_000_000).label("time_s"),
            p.bucket_ns.label("started_ns"),
            *groups,
            func.sum(p.requests).label("requests"),
            *(_sum_known(p, name).label(name) for name in COUNTERS if name != "requests"),
            func.sum(p.requests - p.requests_with_cost).label("unpriced_requests"),
            *(total.label(name) for name, total in money.items()),
            *(
                spelling.dollars(total).label(COLUMNS[name].outside)
                for name, total in money.items()
            ),
        )
        .group_by(p.bucket_ns, *groups)
        # what was taken back left rows whose sum is nothing
        .having(func.sum(p.records) > 0)
    )


VIEWS: Mapping[str, Callable[[Spelling], Select[Any]]] = {
    "v1_record": select_records,
    "v1_call": select_calls,
    "v1_usage_daily": select_days,
    "v1_cost_15m": select_quarters,
}
"""In the order in which they are made."""


def drop_views(connection: Connection) -> None:
    """Drop the views there are, so that tables can be changed."""
    present = set(inspect(connection).get_view_names())
    for name in VIEWS:
        if name in present:
            connection.execute(text(f"DROP VIEW {name}"))


def make_views(connection: Connection) -> None:
    """Make the views; those of an interrupted upgrade are replaced."""
    drop_views(connection)
    dialect = connection.dialect
    spelling = SPELLINGS["mariadb" if dialect.name in ("mariadb", "mysql") else dialect.name]
    for name, make in VIEWS.items():
        statement = make(spelling).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        # the text is the database's own: a colon or percent sign in it is no parameter
        query = str(statement).replace("%%", "%")
        connection.execution_options(no_parameters=True).exec_driver_sql(
            f"CREATE VIEW {name} AS {query}{spelling.end}"
        )


def _show(name: str, spelling: Spelling) -> ColumnElement[Any]:
    column = r[name]
    return spelling.hex(column).label(name) if column.type.python_type is bytes else column


def _select_parts(spelling: Spelling) -> CompoundSelect[Any]:
    """Select the sums of 15 minutes, of which a group may have several."""
    summed = [*COUNTERS, "requests_with_cost", "cost_nano", "revenue_nano"]
    known = [known_name(name) for name in summed if name not in NEVER_NULL]
    names = ["bucket_ns", *QUARTER_DIMENSIONS, "records", *summed, *known]
    is_in_gap = _is_in_gap if spelling.has_roll_ups else _is_after_mark
    kept = QUARTER.table.c
    added = [select_sums(QUARTER, is_in_gap(r.started_ns))]
    if spelling.has_pending:
        last_id = func.coalesce(select(rolled_up.c.last_id).scalar_subquery(), 0)
        added.append(select_sums(QUARTER, r.id > last_id, ~is_in_gap(r.started_ns)))
    return union_all(
        select(*(kept[name] for name in names)).where(~is_in_gap(kept.bucket_ns)),
        *(
            each.with_only_columns(*(each.selected_columns[name] for name in names))
            for each in added
        ),
    )


def _is_in_gap(time_ns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether roll-ups are not valid at a time."""
    gap = roll_up_gap.c
    return exists().where(gap.start_ns <= time_ns, gap.end_ns > time_ns)


def _is_after_mark(time_ns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether records of a time are not deleted, in whose place there are roll-ups."""
    mark = select(func.coalesce(func.max(retention.c.deleted_before_ns), 0))
    return time_ns >= mark.where(retention.c.id == MARK).scalar_subquery()


def _sum_known(columns: Any, name: str) -> ColumnElement[Any]:
    """Sum a column of roll-ups; NULL where no record has it."""
    known = func.sum(columns[known_name(name)])
    return case((known > 0, func.sum(columns[name])))
