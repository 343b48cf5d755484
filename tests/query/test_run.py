from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from spantoll.errors import QueryError, StoreUnavailable
from spantoll.query import Filter, Query, run
from spantoll.records import UsageRecord

Make = Callable[..., UsageRecord]
Write = Callable[..., Engine]

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def column(engine: Engine, name: str, **asked: Any) -> list[Any]:
    return [row[name] for row in run(engine, Query(**asked)).rows]


def test_an_empty_ledger_has_no_calls_and_no_average(ledger: Write) -> None:
    result = run(ledger(), Query(measures=["requests", "cost_usd", "latency_avg_ms"]))

    assert result.totals.measures == {
        "requests": 0,
        "cost_usd": None,
        "latency_avg_ms": None,
        "free_requests": 0,
        "estimated_requests": 0,
        "partial_requests": 0,
        "unpriced_requests": 0,
        "unpriced_tokens": 0,
        "exact_cost_usd": 0,
        "estimated_cost_usd": 0,
        "partial_cost_usd": 0,
    }
    assert result.totals.cost is not None
    assert result.totals.cost.name is None


def test_cost_is_the_exact_sum_of_nano_dollars(ledger: Write, record: Make) -> None:
    engine = ledger(record(cost_nano=1), record(cost_nano=2), record(cost_nano=9_000_000_000))

    assert run(engine, Query()).totals["cost_usd"] == Decimal("9.000000003")


@pytest.mark.parametrize("window", ["total", "year"])
def test_counters_that_are_noise_still_add_up(ledger: Write, record: Make, window: str) -> None:
    most = 2**63 - 1
    engine = ledger(
        *(record(input_tokens=most, cost_nano=most, model="noise") for _ in range(3)),
        record(input_tokens=-5, cost_nano=7, model="noise", duration_ns=3 * 10**6),
        record(input_tokens=1, cost_nano=1, extra_units='{"pages":1.5}'),
    )

    measures = ["cost", "input_tokens", "total_tokens", "latency", "latency_max", "unit.pages"]
    result = run(engine, Query(measures=measures, dimensions=["model"], window=window))

    assert [row["model"] for row in result.rows] == ["noise", "gpt-4o"]
    assert [result.totals[name] for name in result.query.measures] == [
        Decimal(3 * most + 8).scaleb(-9),
        3 * most - 4,
        3 * most - 4,
        3.0,
        3.0,
        Decimal("1.5"),
    ]


def test_an_unknown_cost_is_none_not_zero(ledger: Write, record: Make) -> None:
    engine = ledger(record(model="a", pricing_status="unpriced"), record(model="b", cost_nano=0))

    assert run(engine, Query(dimensions=["model"])).rows[-1]["cost_usd"] is None
    assert column(engine, "cost_usd", dimensions=["model"], order=["model"]) == [None, Decimal(0)]


def test_groups_without_a_cost_come_last_in_either_direction(ledger: Write, record: Make) -> None:
    engine = ledger(
        record(model="dear", cost_nano=9),
        record(model="cheap", cost_nano=1),
        record(model="unknown", pricing_status="unpriced"),
    )

    def models(order: str) -> list[Any]:
        return column(engine, "model", dimensions=["model"], order=[order])

    assert models("-cost") == ["dear", "cheap", "unknown"]
    assert models("cost") == ["cheap", "dear", "unknown"]


def test_totals_include_the_groups_beyond_the_limit(ledger: Write, record: Make) -> None:
    engine = ledger(*(record(model=str(i), cost_nano=i) for i in range(10)))

    result = run(engine, Query(dimensions=["model"], limit=2))

    assert [row["model"] for row in result.rows] == ["9", "8"]
    assert result.totals["cost_usd"] == Decimal(45).scaleb(-9)
    assert result.groups == 10


def test_averages_are_over_the_calls_that_have_a_value(ledger: Write, record: Make) -> None:
    milliseconds = (100, 200, 300, None)
    engine = ledger(*(record(duration_ns=ms and ms * 10**6) for ms in milliseconds))

    measures = ["latency_avg_ms", "latency_min_ms", "latency_max_ms", "time_to_first_chunk"]
    totals = run(engine, Query(measures=measures)).totals

    assert [totals[name] for name in measures[:3]] == [200.0, 100.0, 300.0]
    assert totals["time_to_first_chunk_avg_ms"] is None


def test_rates_merge_by_their_parts_not_by_their_values(ledger: Write, record: Make) -> None:
    engine = ledger(
        record(model="a", status="error"),
        *(record(model="b") for _ in range(3)),
        record(model="b", status="timeout"),
        record(model="b", status="cancelled"),
    )

    asked = Query(measures=["success_rate", "errors", "timeouts"], dimensions=["model"], limit=1)
    totals = run(engine, asked).totals

    assert (totals["success_rate"], totals["errors"], totals["timeouts"]) == (0.5, 2, 1)


@pytest.mark.parametrize(
    ("measure", "column_name", "values", "expected"),
    [
        ("input_tokens", "input_tokens", (1, 2, None), 3),
        ("reasoning_tokens", "reasoning_tokens", (None, None), None),
        ("total_tokens", "output_tokens", (4, None), 4),
        ("images", "images", (2, 1), 3),
        ("audio_seconds", "audio_ms", (1_500, 210_000), Decimal("211.5")),
        ("reported_cost", "reported_cost_nano", (10, None), Decimal("0.00000001")),
    ],
)
def test_units_add_up_and_stay_unknown_where_no_record_has_them(
    ledger: Write, record: Make, measure: str, column_name: str, values: Any, expected: Any
) -> None:
    engine = ledger(*(record(**{column_name: value}) for value in values))

    result = run(engine, Query(measures=[measure]))

    assert result.totals[result.query.measures[0]] == expected


def test_a_unit_without_a_column_is_a_measure(ledger: Write, record: Make) -> None:
    engine = ledger(
        record(extra_units='{"web_searches":2}'),
        record(extra_units='{"web_searches":3,"pages":1.5}'),
        record(),
    )

    result = run(engine, Query(measures=["unit.web_searches", "unit.pages", "unit.none"]))

    assert [result.totals[name] for name in result.query.measures] == [5, Decimal("1.5"), None]


def test_any_attribute_is_a_dimension(ledger: Write, record: Make) -> None:
    engine = ledger(
        record(metadata='{"a.b":"x"}'),
        record(metadata='{"a.b":true}'),
        record(metadata='{"a.b":1}'),
        record(metadata='{"a":{"b":"nested"}}'),
        record(),
    )

    rows = run(engine, Query(dimensions=["attr.a.b"], order=["attr.a.b"])).rows

    assert [(row["attr.a.b"], row["requests"]) for row in rows] == [
        ("1", 1),
        ("true", 1),
        ("x", 1),
        (None, 2),
    ]


def test_only_counted_calls_are_counted(ledger: Write, record: Make) -> None:
    engine = ledger(record(), record(counted=False, role="aggregate"))

    assert run(engine, Query()).totals["requests"] == 1
    assert run(engine, Query(uncounted=True)).totals["requests"] == 2


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(Filter("model", ("a",)), ["a"], id="one"),
        pytest.param(Filter("model", ("a", "b")), ["a", "b"], id="several"),
        pytest.param(Filter("model", ("a",), negate=True), ["b", None], id="not"),
        pytest.param(Filter("model", (None,)), [None], id="unknown"),
        pytest.param(Filter("model", (None,), negate=True), ["a", "b"], id="known"),
        pytest.param(Filter("model", ("a", None)), ["a", None], id="one-or-unknown"),
        pytest.param(Filter("model", ("a", None), negate=True), ["b"], id="neither"),
        pytest.param(Filter("model", ()), [], id="none-of-nothing"),
        pytest.param(Filter("model", (), negate=True), ["a", "b", None], id="not-nothing"),
        pytest.param(Filter("model", ("' OR 1=1 --",)), [], id="sql-is-text"),
        pytest.param(Filter("attr.k", ("v",)), ["b"], id="attribute"),
        pytest.param(Filter("batch", ("true",)), ["b"], id="boolean"),
        pytest.param(Filter("server_port", ("443",)), ["a"], id="integer"),
        pytest.param(Filter("model", ("A",), operator="^="), [], id="prefix-of-another-case"),
        pytest.param(Filter("model", ("a", "x"), operator="^="), ["a"], id="prefix"),
        pytest.param(Filter("model", (), operator="^="), [], id="no-prefix"),
        pytest.param(Filter("model", ("a",), True, "^="), ["b", None], id="not-prefix"),
        pytest.param(Filter("latency_ms", ("1.5",), operator=">="), ["a"], id="at-least"),
        pytest.param(Filter("latency_ms", ("1.5",), operator=">"), [], id="more-than"),
        pytest.param(Filter("latency_ms", ("1.5",), True, ">"), ["a", "b", None], id="not-more"),
        pytest.param(Filter("cost_usd", ("0.001",), operator="<="), ["a", "b", None], id="money"),
        pytest.param(Filter("latency_ms", (None,), True), ["a"], id="known-number"),
        pytest.param(Filter("tenant", ("default",)), ["a", "b", None], id="alias"),
        pytest.param(Filter("price_status", ("exact",)), ["a", "b", None], id="state"),
    ],
)
def test_filters_choose(
    ledger: Write, record: Make, wanted: Filter, expected: list[str | None]
) -> None:
    engine = ledger(
        record(model="a", server_port=443, duration_ns=1_500_000),
        record(model="b", batch=True, metadata='{"k":"v"}'),
        record(model=None),
    )

    found = column(engine, "model", dimensions=["model"], filters=[wanted], order=["model"])

    assert found == expected


def test_a_provider_may_be_called_by_any_of_its_names(ledger: Write, record: Make) -> None:
    engine = ledger(record(provider="aws.bedrock"), record(provider="openai"))

    filters = [Filter("provider", ("bedrock", "OpenAI"))]

    assert run(engine, Query(filters=filters)).totals["requests"] == 2


def test_a_trace_is_found_by_its_hexadecimal_id(ledger: Write, record: Make) -> None:
    engine = ledger(record(trace_id=b"\xab" * 16), record())

    rows = run(engine, Query(dimensions=["trace"], filters=[Filter("trace", ("ab" * 16,))])).rows

    assert [row["trace_id"] for row in rows] == ["ab" * 16]


@pytest.mark.parametrize(
    ("field", "value"),
    [("trace_id", "xyz"), ("batch", "perhaps"), ("server_port", "9" * 30), ("server_port", "x")],
)
def test_a_filter_value_of_another_kind_is_refused(ledger: Write, field: str, value: str) -> None:
    with pytest.raises(QueryError, match=field):
        run(ledger(), Query(filters=[Filter(field, (value,))]))


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(Filter("model", ("a",), operator="<"), id="text-has-no-order"),
        pytest.param(Filter("cost_usd", ("1", "2"), operator="<"), id="two-limits"),
        pytest.param(Filter("cost_usd", (None,), operator="<"), id="unknown-limit"),
        pytest.param(Filter("server_port", ("44",), operator="^="), id="prefix-of-a-number"),
        pytest.param(Filter("cost_usd", ("0.1234567891",)), id="less-than-a-nano"),
        pytest.param(Filter("cost_usd", ("nan",)), id="no-number"),
    ],
)
def test_a_filter_that_has_no_meaning_is_refused(ledger: Write, wanted: Filter) -> None:
    with pytest.raises(QueryError, match=wanted.field):
        run(ledger(), Query(filters=[wanted]))


def test_from_is_inclusive_and_to_exclusive(ledger: Write, record: Make) -> None:
    engine = ledger(*(record(started_ns=at) for at in (9, 10, 19, 20)))

    assert run(engine, Query(start_ns=10, end_ns=20)).totals["requests"] == 2


def test_days_follow_the_clock_of_the_zone(ledger: Write, record: Make) -> None:
    engine = ledger(
        record(started_ns=ns("2026-10-24T23:59:59+02:00")),
        record(started_ns=ns("2026-10-25T00:00:00+02:00")),
        record(started_ns=ns("2026-10-25T23:59:59+01:00")),
        record(started_ns=ns("2026-10-26T00:00:00+01:00")),
    )

    result = run(engine, Query(window="day", tz="Europe/Berlin"))

    assert [(r.window.start_ns, r["requests"]) for r in result.rows if r.window] == [
        (ns("2026-10-24T00:00+02:00"), 1),
        (ns("2026-10-25T00:00+02:00"), 2),
        (ns("2026-10-26T00:00+01:00"), 1),
    ]


def test_windows_and_groups_cross(ledger: Write, record: Make) -> None:
    engine = ledger(
        record(model="a", cost_nano=1),
        record(model="b", cost_nano=2),
        record(model="a", cost_nano=4, started_ns=1_795_176_000 * 10**9 + DAY_NS),
    )

    result = run(engine, Query(measures=["cost"], dimensions=["model"], window="day"))

    assert [(row["model"], row["cost_usd"]) for row in result.rows] == [
        ("b", Decimal(2).scaleb(-9)),
        ("a", Decimal(1).scaleb(-9)),
        ("a", Decimal(4).scaleb(-9)),
    ]
    assert result.totals["cost_usd"] == Decimal(7).scaleb(-9)


def test_windows_of_an_empty_ledger_are_none(ledger: Write) -> None:
    result = run(ledger(), Query(window="day"))

    assert (list(result.rows), result.totals["requests"]) == ([], 0)


def test_the_answer_says_which_period_and_zone_it_is_for(ledger: Write) -> None:
    start_ns, end_ns = ns("2026-11-01T00:00+01:00"), ns("2026-12-01T00:00+01:00")

    result = run(ledger(), Query(start_ns=start_ns, end_ns=end_ns, tz="Europe/Berlin"))

    assert str(result.start) == "2026-11-01 00:00:00+01:00"
    assert str(result.end) == "2026-12-01 00:00:00+01:00"


@pytest.mark.parametrize(
    ("asked", "field", "meant"),
    [
        pytest.param({"measures": ["cots"]}, "measure", "cost", id="measure"),
        pytest.param({"dimensions": ["modle"]}, "dimension", "model", id="dimension"),
        pytest.param({"filters": [Filter("custmer", ("x",))]}, "filter", "customer", id="filter"),
        pytest.param({"window": "dya"}, "window", "day", id="window"),
        pytest.param({"tz": "Europe/Berln"}, "tz", "Europe/Berlin", id="zone"),
        pytest.param({"order": ["-reqests"]}, "order", "requests", id="order"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(
    asked: dict[str, Any], field: str, meant: str
) -> None:
    with pytest.raises(QueryError, match=f"did you mean '{meant}'") as caught:
        Query(**asked)

    assert caught.value.field == field
    assert caught.value.allowed


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"measures": []}, id="nothing-to-measure"),
        pytest.param({"limit": 0}, id="no-rows"),
        pytest.param({"start_ns": 5, "end_ns": 5}, id="no-time"),
        pytest.param({"dimensions": ['attr.a"b']}, id="no-attribute-key"),
        pytest.param({"measures": ["unit.a b"]}, id="no-unit-name"),
        pytest.param(
            {"order": ["cost"], "measures": ["requests"]}, id="order-by-what-is-not-asked"
        ),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        Query(**asked)


def test_too_many_windows_are_refused_before_the_database_is_asked(
    ledger: Write, record: Make
) -> None:
    engine = ledger(record(started_ns=0), record())

    with pytest.raises(QueryError, match="wider window"):
        run(engine, Query(window="hour"))


def test_a_database_without_a_ledger_is_unavailable(tmp_path: Any) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{tmp_path}/other.db")

    with pytest.raises(StoreUnavailable, match="no such table"):
        run(engine, Query())
    engine.dispose()
