from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event

from spantoll.errors import QueryError
from spantoll.query import Filter, RecordQuery, list_records, plain_record
from spantoll.records import UsageRecord

Make = Callable[..., UsageRecord]
Write = Callable[..., Engine]


def models(engine: Engine, **asked: Any) -> list[str | None]:
    return [each.record.model for each in list_records(engine, RecordQuery(**asked)).records]


def test_the_newest_comes_first(ledger: Write, record: Make) -> None:
    engine = ledger(*(record(started_ns=at, model=str(at)) for at in (2, 3, 1)))

    assert models(engine) == ["3", "2", "1"]


def test_pages_neither_repeat_nor_lose_a_record(ledger: Write, record: Make) -> None:
    written = [record(started_ns=at // 3, model=str(at)) for at in range(10)]
    engine = ledger(*written)

    seen, cursor, more = [], None, True
    while more:
        page = list_records(engine, RecordQuery(limit=3, after=cursor))
        seen += [each.record for each in page.records]
        ledger(record(started_ns=1_000))
        cursor, more = page.cursor, page.cursor is not None

    assert seen == sorted(written, key=lambda r: (r.started_ns, int(r.model or 0)), reverse=True)


def test_a_page_that_is_just_full_is_the_last(ledger: Write, record: Make) -> None:
    page = list_records(ledger(record(), record()), RecordQuery(limit=2))

    assert (len(page.records), page.cursor) == (2, None)


def test_a_record_comes_back_as_it_was_written(ledger: Write, record: Make) -> None:
    written = record(input_tokens=2**62, cost_nano=None, metadata='{"k":1}', stream=True)

    assert list_records(ledger(written), RecordQuery()).records[0].record == written


def test_uncounted_records_are_listed_when_asked_for(ledger: Write, record: Make) -> None:
    engine = ledger(record(model="a"), record(model="b", counted=False, role="aggregate"))

    assert models(engine) == ["a"]
    assert sorted(map(str, models(engine, uncounted=True))) == ["a", "b"]


def test_the_newest_records_of_a_user_are_read_from_an_index(ledger: Write, record: Make) -> None:
    engine = ledger(record(user_id="ann"), record(user_id="bob"))
    asked: list[Any] = []
    event.listen(engine, "before_cursor_execute", lambda *each: asked.append(each[2:4]))

    found = list_records(engine, RecordQuery(filters=[Filter("user_id", ("ann",))])).records

    with engine.connect() as connection:
        statement, values = asked[-1]
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    assert len(found) == 1
    assert [row.detail for row in plan] == [
        "SEARCH usage_record USING INDEX ix_usage_record_user (user_id=?)"
    ]


def test_records_are_filtered_by_value_and_time(ledger: Write, record: Make) -> None:
    engine = ledger(
        record(model="a", started_ns=1), record(model="a", started_ns=2), record(model="b")
    )

    assert models(engine, filters=[Filter("model", ("a",))], start_ns=2) == ["a"]


@pytest.mark.parametrize("cursor", ["", "x", "1", "1.2.3", "-1.2", f"{2**63}.1", "1.9" * 9])
def test_a_cursor_that_no_page_returned_is_refused(cursor: str) -> None:
    with pytest.raises(QueryError, match="cursor"):
        RecordQuery(after=cursor)


@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"filters": [Filter("modle", ("x",))]}], ids=["limit", "filter"]
)
def test_a_listing_that_cannot_be_meant_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        RecordQuery(**asked)


def test_a_record_in_plain_values(ledger: Write, record: Make) -> None:
    written = record(
        trace_id=b"\x01" * 16,
        span_id=b"\x02" * 8,
        cost_nano=1_234,
        audio_ms=2_500,
        duration_ns=1_500_000,
        extra_units='{"web_searches":2}',
        repeats_span=b"\x03" * 16 + b"\x04" * 8,
    )

    shown = plain_record(list_records(ledger(written), RecordQuery()).records[0])

    assert shown["cost_usd"] == "0.000001234"
    assert (shown["trace_id"], shown["span_id"]) == ("01" * 16, "02" * 8)
    assert (shown["audio_seconds"], shown["latency_ms"]) == (2.5, 1.5)
    assert shown["web_searches"] == 2
    assert shown["extra_units"] == {"web_searches": 2}
    assert shown["repeats_span"] == {"trace_id": "03" * 16, "span_id": "04" * 8}
    assert shown["started_at"] == "2026-11-20T12:00:00+00:00"


def test_an_unknown_cost_is_null_in_plain_values(ledger: Write, record: Make) -> None:
    engine = ledger(record(pricing_status="unpriced", pricing_reason="unknown_model"))

    shown = plain_record(list_records(engine, RecordQuery()).records[0])

    assert shown["cost_usd"] is None
    assert shown["pricing_reason"] == "unknown_model"
