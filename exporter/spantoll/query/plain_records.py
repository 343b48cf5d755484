"""Records as plain values: the columns that JSON, CSV and REST carry, the same everywhere.

Input: rows of `usage_record`, one part of a listing at a time. Output: the values of each column of
RECORD_HEADERS, or a dictionary for each record. The columns and their names are those declared in
`records/record.py`. Values are shown column by column (`column_values.py`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, Text

from spantoll.query.column_values import Content, Encoding, PlainColumn, Show, show_values
from spantoll.query.cost_state import COST_STATES
from spantoll.query.explain import Explanation
from spantoll.query.records import Listed
from spantoll.query.trace_url import TraceUrl
from spantoll.query.windows import EPOCH
from spantoll.records.column_spec import ColumnSpec, Merge, Unit
from spantoll.records.record import COLUMNS, UsageRecord
from spantoll.records.reported import reported_difference_nano

__all__ = [
    "RECORD_HEADERS",
    "RECORD_SOURCES",
    "UNITS",
    "plain_columns",
    "plain_facts",
    "plain_record",
    "plain_records",
    "show_money",
]


class ShownColumn(NamedTuple):
    """One column of a shown record."""

    name: str
    source: str
    """The column of `usage_record` it is read from."""
    show: Show | None
    """Makes the plain value of a known one; None: it is shown as it is stored."""
    content: Content


class DerivedColumn(NamedTuple):
    """A column of a shown record that is computed from stored ones."""

    name: str
    sources: tuple[str, ...]
    """It is unknown where the first of them is."""
    show: Callable[..., Any]
    """Makes the plain value of those of the sources."""
    content: Content


def plain_records(listed: Sequence[Listed], links: TraceUrl | None = None) -> list[dict[str, Any]]:
    """Show records: every column that is declared to be shown.

    `links` makes `trace_url`, which is None without them.
    """
    if not listed:
        return []
    stored = [_pick_sources((each.id, *each.record)) for each in listed]
    columns = plain_columns(
        dict(zip(RECORD_SOURCES, zip(*stored, strict=True), strict=True)), links
    )
    rows = zip(*(column.values for column in columns), strict=True)
    return [dict(zip(RECORD_HEADERS, row, strict=True)) for row in rows]


def plain_record(listed: Listed, links: TraceUrl | None = None) -> dict[str, Any]:
    """Show one record as `plain_records` does."""
    (shown,) = plain_records((listed,), links)
    return shown


def plain_columns(
    stored: Mapping[str, Sequence[Any]],
    links: TraceUrl | None = None,
    *,
    encoding: Encoding | None = None,
) -> list[PlainColumn]:
    """Show the columns RECORD_SOURCES of at least one record, in the order of RECORD_HEADERS.

    With `encoding`, every plain value is the text that a format writes.
    """
    columns = [
        show_values(stored[each.source], each.show, content=each.content, encoding=encoding)
        for each in SHOWN
    ]
    for derived in DERIVED:
        sources = [stored[name] for name in derived.sources]
        columns.append(_derive(sources, derived.show, derived.content, encoding))
    spans = [stored["trace_id"], stored["span_id"]] if links else [(None,) * len(stored["id"])]
    show_url = links.format_url if links else str
    return [*columns, _derive(spans, show_url, Content.ANY, encoding)]


def _derive(
    sources: Sequence[Sequence[Any]],
    show: Callable[..., Any],
    content: Content,
    encoding: Encoding | None,
) -> PlainColumn:
    """Show what is computed from columns; nothing where the first of them is unknown."""
    values = sources[0]
    if len(sources) == 1 or values.count(None) == len(values):
        return show_values(values, show, content=content, encoding=encoding)
    rows = [None if row[0] is None else row for row in zip(*sources, strict=True)]
    return show_values(rows, lambda row: show(*row), content=content, encoding=encoding)


def show_money(nano: int) -> str:
    """Write nano-USD as dollars with nine places: an export does so ten times a record."""
    if 0 <= nano < 10**9:  # less than a dollar, as nearly every call costs: in half the time
        return "0." + str(nano).zfill(9)
    dollars, rest = divmod(abs(nano), 10**9)
    return f"{'-' if nano < 0 else ''}{dollars}.{rest:09d}"


def _show_time(ns: int) -> str:
    """Write UTC nanoseconds as ISO 8601 with the microseconds, if there are any."""
    digits = str(ns)
    microseconds = digits[-9:-3]
    if ns < 10**9 or microseconds == "000000":
        return (EPOCH + timedelta(microseconds=ns // 1000)).isoformat()
    return f"{_show_second(digits[:-9])}{microseconds}+00:00"


@lru_cache(maxsize=1_024)
def _show_second(seconds: str) -> str:
    """Write what precedes the microseconds of a second since 1970."""
    return f"{(EPOCH + timedelta(seconds=int(seconds))).replace(tzinfo=None).isoformat()}."


def _show_seconds(milliseconds: int) -> int | float:
    return milliseconds / 1000 if milliseconds % 1000 else milliseconds // 1000


def _show_milliseconds(ns: int) -> float:
    return ns / 1_000_000


def _show_span(span: bytes) -> dict[str, str]:
    return {"trace_id": span[:16].hex(), "span_id": span[16:].hex()}


SHOW_UNIT: Mapping[Unit, tuple[Show, Content]] = {
    Unit.NANO_USD: (show_money, Content.SAFE_TEXT),
    Unit.TIME_NS: (_show_time, Content.SAFE_TEXT),
    Unit.DURATION_NS: (_show_milliseconds, Content.NUMBERS),
    Unit.MILLISECONDS: (_show_seconds, Content.NUMBERS),
}


def _show_column(name: str, spec: ColumnSpec) -> ShownColumn:
    """Choose how the values of a column are shown."""
    show, content = _find_show(name, spec)
    return ShownColumn(spec.outside, name, show, content)


def _find_show(name: str, spec: ColumnSpec) -> tuple[Show | None, Content]:
    if name == "repeats_span":
        return _show_span, Content.ANY
    if spec.unit is not None:
        return SHOW_UNIT.get(spec.unit, (None, Content.NUMBERS))
    if isinstance(spec.type, LargeBinary):
        return bytes.hex, Content.SAFE_TEXT
    if isinstance(spec.type, BigInteger):
        return str, Content.SAFE_TEXT  # an id: JavaScript reads integers up to 2**53 only
    if isinstance(spec.type, Boolean):
        return bool, Content.ANY
    if isinstance(spec.type, Integer):
        return None, Content.NUMBERS
    return (json.loads if isinstance(spec.type, Text) else None), Content.ANY


SHOWN = (
    ShownColumn("id", "id", None, Content.NUMBERS),
    *(_show_column(name, spec) for name, spec in COLUMNS.items() if spec.shown),
)


def _show_margin(revenue_nano: int, cost_nano: int | None) -> str | None:
    """Show revenue less cost; None unless both are known."""
    return None if cost_nano is None else show_money(revenue_nano - cost_nano)


def _show_reported_difference(*amounts: Any) -> str | None:
    difference = reported_difference_nano(*amounts)
    return None if difference is None else show_money(difference)


def _show_unit(unit: str) -> Show:
    return lambda units: json.loads(units).get(unit)


UNITS = ("web_searches", "search_units")
"""Members of `extra_units` that are shown beside it: a spreadsheet does not read JSON."""

DERIVED = (
    DerivedColumn(
        "reported_difference_usd",
        ("reported_cost_nano", "cost_source", "catalogue_cost_nano", "cost_nano"),
        _show_reported_difference,
        Content.SAFE_TEXT,
    ),
    DerivedColumn("margin_usd", ("revenue_nano", "cost_nano"), _show_margin, Content.SAFE_TEXT),
    DerivedColumn("cost_state", ("pricing_status",), COST_STATES.__getitem__, Content.ANY),
    *(DerivedColumn(unit, ("extra_units",), _show_unit(unit), Content.ANY) for unit in UNITS),
)

RECORD_SOURCES = tuple(each.source for each in SHOWN)
"""The columns of `usage_record` that `plain_columns` reads; derived ones are made of these."""

_pick_sources = itemgetter(*(("id", *UsageRecord._fields).index(name) for name in RECORD_SOURCES))

RECORD_HEADERS = (
    *(each.name for each in SHOWN),
    *(each.name for each in DERIVED),
    "trace_url",
)


def plain_facts(explained: Explanation) -> Iterator[tuple[str, Any]]:
    """Show where the own span of a record reported something else than the merged record has."""
    for name, column, show, _ in SHOWN[1:]:
        value = getattr(explained.facts, column)
        derived = COLUMNS[column].merge is Merge.DERIVED
        if not derived and value != getattr(explained.listed.record, column):
            yield name, value if show is None or value is None else show(value)
