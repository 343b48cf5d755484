"""Answers of a ledger whose old records are deleted: exact where no note says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from spantoll.pipeline.retain import retain_records
from spantoll.query import Query, measure_growth, plain_result, run
from spantoll.query.plain_growth import plain_growth
from spantoll.records import UsageRecord
from spantoll.storage import SqlStore, open_store
from spantoll.storage.roll_up_fill import fill_gaps
from spantoll.storage.roll_ups import DAY_NS, has_roll_ups
from tests.query import reference
from tests.query.test_roll_up_answers import queries
from tests.query.test_same_answers_everywhere import HOUR_NS, Missing
from tests.support import clickhouse
from tests.support.records import NOON_NS, stored_records
from tests.support.roll_up_changes import CHANGES

MARK_NS = NOON_NS - NOON_NS % DAY_NS - DAY_NS


class Retained(NamedTuple):
    """A ledger, and the records that it had before its old ones were deleted."""

    engine: Engine
    had: Sequence[UsageRecord]


@pytest.fixture(scope="module", params=["memory", "clickhouse"])
def url(request: pytest.FixtureRequest, missing: Missing) -> Iterator[str]:
    if request.param == "memory":
        yield "memory:"
    else:
        with clickhouse.open_database(missing) as made:
            yield made


@pytest.fixture(scope="module")
def retained(url: str) -> Iterator[Retained]:
    with closing(open_store(url)) as store:
        assert isinstance(store, SqlStore)
        for change in CHANGES.values():
            change(store)
        fill_gaps(store)
        had = stored_records(store.engine)
        retain_records(store, MARK_NS, by="t", now_ns=NOON_NS, settle_pending=lambda: 0)
        assert len(stored_records(store.engine)) < len(had)
        yield Retained(store.engine, had)


def answer(engine: Engine, query: Query) -> tuple[dict[Any, Any], dict[str, Any]]:
    result = run(engine, query)
    rows = {
        (row.window, *row.dimensions.values()): {name: row[name] for name in query.measures}
        for row in result.rows
    }
    return rows, {name: result.totals[name] for name in query.measures}


@settings(max_examples=80)
@given(queries())
def test_an_answer_is_exact_or_says_what_is_missing(retained: Retained, query: Query) -> None:
    notes = run(retained.engine, query).notes

    if not any("missing" in note for note in notes):
        assert answer(retained.engine, query) == reference.answer_query(retained.had, query)
    else:
        assert query.start_ns is None or query.start_ns < MARK_NS
    assert bool(notes) == (query.start_ns is None or query.start_ns < MARK_NS)


@settings(max_examples=30)
@given(queries(), st.booleans())
def test_answers_about_later_calls_are_as_they_were(
    retained: Retained, query: Query, roll_ups: bool
) -> None:
    end_ns = None if query.end_ns is None else max(query.end_ns, MARK_NS + HOUR_NS)
    query = replace(query, start_ns=MARK_NS, end_ns=end_ns, roll_ups=roll_ups)

    found = answer(retained.engine, query)

    assert found == reference.answer_query(retained.had, query)


MISSING = {
    "records only": ({"roll_ups": False}, "before"),
    "a dimension of no roll-up": ({"dimensions": ["session_id"]}, "before"),
    "distinct sessions": ({"measures": ["distinct_sessions"]}, "before"),
    "uncounted records": ({"uncounted": True, "measures": ["records"]}, "before"),
    "exact percentiles": ({"measures": ["latency_p50_ms"], "exact": True}, "before"),
    "extremes": ({"measures": ["requests", "latency_max_ms"]}, "before"),
    "time to the first chunk": ({"measures": ["time_to_first_chunk_p50_ms"]}, "before"),
    "an end within a day": (
        {"dimensions": ["user_id"], "end_ns": MARK_NS - HOUR_NS},
        "from 2026-11-18 00:00 to 2026-11-18 23:00",
    ),
}


@pytest.mark.parametrize(("asked", "lacking"), MISSING.values(), ids=MISSING)
def test_what_no_roll_up_answers_is_said_to_be_missing(
    retained: Retained, asked: dict[str, Any], lacking: str
) -> None:
    [note] = run(retained.engine, Query(**asked)).notes

    if lacking == "before":
        lacking = "before 2026-11-19 00:00"
    assert note == (
        "Records before 2026-11-19 00:00 (UTC) are deleted, and no roll-up answers this: "
        f"calls {lacking} are missing."
    )


def test_what_is_missing_is_left_out_and_no_window_of_it_is_shown_as_empty(
    retained: Retained,
) -> None:
    later = [each for each in retained.had if each.started_ns >= MARK_NS]
    query = Query(dimensions=["session_id"], measures=["requests", "distinct_users"])
    daily = replace(query, window="day", fill=True, start_ns=MARK_NS - 2 * DAY_NS, end_ns=NOON_NS)

    result = run(retained.engine, daily)

    assert answer(retained.engine, query) == reference.answer_query(later, query)
    starts = {row.window.start_ns for row in result.rows if row.window is not None}
    assert starts == {MARK_NS, MARK_NS + DAY_NS}


def test_days_of_a_zone_that_only_records_can_divide_begin_at_the_mark(
    retained: Retained,
) -> None:
    later = [each for each in retained.had if each.started_ns >= MARK_NS]
    query = Query(dimensions=["user_id"], measures=["requests"], window="day", tz="Asia/Tokyo")

    result = run(retained.engine, query)

    assert answer(retained.engine, query) == reference.answer_query(later, query)
    source = "roll_up_user_day" if has_roll_ups(retained.engine) else "records"
    assert result.sources[0].startswith(source)
    assert ["missing" in note for note in result.notes] == [True]


def test_notes_are_part_of_plain_answers(retained: Retained) -> None:
    query = Query(start_ns=MARK_NS, end_ns=NOON_NS, measures=["requests"])

    shown = plain_result(run(retained.engine, Query()))
    compared = plain_growth(measure_growth(retained.engine, query))

    exact = "Records before 2026-11-19 00:00 (UTC) are deleted: what is earlier comes from"
    assert [note.startswith(exact) for note in shown["notes"]] == [True]
    assert len(compared["notes"]) == 1
    assert plain_result(run(retained.engine, query))["notes"] == []
