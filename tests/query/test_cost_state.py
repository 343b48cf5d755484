from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from spantoll.query import CostState, Query, doubt_query, run
from spantoll.records import UsageRecord
from spantoll.surfaces.cells import format_cost, format_measure
from tests.support.records import make_record

Make = Callable[..., UsageRecord]
Write = Callable[..., Engine]

COSTS = {"priced": 10**9, "free": 0, "estimated": 2 * 10**9, "partial": 4 * 10**9, "unpriced": None}


def state_of(engine: Engine) -> CostState:
    state = run(engine, Query(measures=["cost"])).totals.cost
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("statuses", "name", "written"),
    [
        pytest.param([], None, "-", id="nothing"),
        pytest.param(["priced"], "exact", "$1.00", id="exact"),
        pytest.param(["free"], "free", "$0.00", id="free"),
        pytest.param(["priced", "free"], "exact", "$1.00", id="exact-and-free"),
        pytest.param(["estimated"], "estimated", "~$2.00", id="estimated"),
        pytest.param(["free", "estimated"], "estimated", "~$2.00", id="free-and-estimated"),
        pytest.param(["partial"], "partial", "$4.00+", id="partial"),
        pytest.param(["unpriced"], "unpriced", "-", id="unpriced"),
        pytest.param(["priced", "unpriced"], "partial", "$1.00+", id="exact-and-unpriced"),
        pytest.param(["free", "unpriced"], "partial", "$0.00+", id="free-and-unpriced"),
        pytest.param(["estimated", "unpriced"], "estimated", "~$2.00+", id="estimate-and-unpriced"),
        pytest.param(list(COSTS), "estimated", "~$7.00+", id="all"),
    ],
)
def test_a_sum_says_how_much_of_it_is_what(
    ledger: Write, record: Make, statuses: list[str], name: str | None, written: str
) -> None:
    engine = ledger(
        *(record(pricing_status=each, cost_nano=COSTS[each], input_tokens=7) for each in statuses)
    )

    state = state_of(engine)

    assert (state.name, format_cost(state)) == (name, written)
    assert [state.exact_usd, state.estimated_usd, state.partial_usd] == [
        Decimal(1 if "priced" in statuses else 0),
        Decimal(2 if "estimated" in statuses else 0),
        Decimal(4 if "partial" in statuses else 0),
    ]
    assert state.unpriced_tokens == (7 if "unpriced" in statuses else 0)


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(COSTS)), st.integers(0, 10**12), st.integers(0, 3)),
        min_size=1,
        max_size=8,
    )
)
def test_the_parts_of_a_cost_add_up_to_it(calls: list[tuple[str, int, int]]) -> None:
    states = [
        CostState.from_record(
            make_record(pricing_status=status, cost_nano=nano * (status != "free"), requests=count)
        )
        for status, nano, count in calls
    ]

    for state in states:
        parts = state.exact_usd + state.estimated_usd + state.partial_usd
        assert parts == (state.cost_usd or Decimal(0))


def test_a_record_and_a_sum_over_it_have_the_same_state(ledger: Write, record: Make) -> None:
    for status, nano in COSTS.items():
        alone = record(model=status, pricing_status=status, cost_nano=nano, output_tokens=5)
        engine = ledger(alone)

        (row,) = (
            row for row in run(engine, Query(dimensions=["model"])).rows if row["model"] == status
        )

        assert row.cost == CostState.from_record(alone)


def test_each_amount_carries_only_the_marks_that_are_its_own(ledger: Write, record: Make) -> None:
    engine = ledger(
        record(input_cost_nano=10**9, reported_cost_nano=10**9),
        record(pricing_status="estimated"),
        record(pricing_status="unpriced"),
        record(pricing_status="partial"),
    )
    measures = ["input_cost", "reported_cost", "exact_cost", "estimated_cost", "partial_cost"]

    totals = run(engine, Query(measures=[f"{name}_usd" for name in measures])).totals

    assert [format_measure(totals, f"{name}_usd") for name in measures] == [
        "~$1.00+",
        "$1.00",
        "$0.001000",
        "~$0.001000",
        "$0.001000+",
    ]


def test_no_doubt_is_measured_where_no_money_is(ledger: Write, record: Make) -> None:
    totals = run(ledger(record()), Query(measures=["input_tokens"])).totals

    assert totals.cost is None
    assert list(totals.measures) == ["input_tokens", "requests"]


def test_every_model_in_doubt_is_named_with_its_reason(ledger: Write, record: Make) -> None:
    doubts: list[dict[str, Any]] = [
        {"model": "a", "pricing_status": "estimated", "pricing_reason": "price of 2025"},
        {"model": "b", "pricing_status": "partial", "pricing_reason": "no price for images"},
        {
            "model": "c",
            "pricing_status": "unpriced",
            "pricing_reason": "unknown_model",
            "requests": 2,
        },
        {"model": "d", "pricing_status": "unpriced", "pricing_reason": "no_usage", "requests": 3},
    ]
    engine = ledger(record(), *(record(**each) for each in doubts))

    rows = run(engine, doubt_query(Query(window="day", limit=1))).rows

    assert [(row["model"], row["pricing_reason"], row["requests"]) for row in rows] == [
        ("d", "no_usage", 3),
        ("c", "unknown_model", 2),
        ("b", "no price for images", 1),
        ("a", "price of 2025", 1),
    ]
