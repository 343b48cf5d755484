from __future__ import annotations

import csv
import io
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from spantoll.errors import QueryError
from spantoll.query import Filter
from spantoll.reconcile import (
    RULES,
    Comparison,
    Reconciliation,
    Scope,
    plain_reconciliation,
    read_bill,
    read_bills,
    reconcile,
)
from spantoll.records import UsageRecord
from spantoll.storage import open_store
from tests.support.records import NOON_NS, make_record

Write = Callable[..., Engine]
File = Callable[..., Path]
D = Decimal
DAY_NS = 86_400 * 10**9
HEADER = "date,model,metric,quantity,amount_usd,batch,tier\n"


def compare(engine: Engine, path: Path, provider: str = "openai", **asked: Any) -> Reconciliation:
    return reconcile(engine, [read_bill(path, provider)], **asked)


def only(answer: Reconciliation) -> Comparison:
    assert len(answer.comparisons) == 1
    return answer.comparisons[0]


def causes(each: Comparison) -> list[str]:
    return [cause.name for cause in each.causes]


def test_equal_sides_have_no_drift_and_no_cause(ledger: Write, file: File) -> None:
    engine = ledger(
        make_record(
            input_tokens=1000, cache_read_tokens=400, output_tokens=50, cost_nano=2_500_000_000
        )
    )
    bill = (
        "2026-11-20,gpt-4o,uncached_input_tokens,600,1.5,,\n"
        "2026-11-20,gpt-4o,cache_read_tokens,400,0.5,,\n"
        "2026-11-20,gpt-4o,output_tokens,50,0.5,,\n"
        "2026-11-20,gpt-4o,requests,1,,,\n"
    )

    answer = compare(engine, file(HEADER + bill))

    each = only(answer)
    assert (each.drift_usd, each.coverage, each.causes) == (D(0), D(1), ())
    assert (answer.cost_difference, answer.usage_difference) == (D(0), D(0))
    assert answer.is_within(D(0))


TOKENS: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 1000, "cost_nano": 2 * 10**9}
BILLED = (
    "2026-11-20,gpt-4o,uncached_input_tokens,1000,1,,\n2026-11-20,gpt-4o,output_tokens,1000,1,,\n"
)


@pytest.mark.parametrize(
    ("used", "bill", "expected"),
    [
        pytest.param([], BILLED, ["no_calls"], id="no-calls"),
        pytest.param(
            [TOKENS | {"model": "o3"}, TOKENS], BILLED, ["", "not_billed"], id="not-billed"
        ),
        pytest.param(
            [TOKENS | {"cost_nano": 1_996_000_000}],
            BILLED.replace(",1,,", ",1.00,,"),
            ["rounding"],
            id="rounding-of-two-amounts-to-the-cent",
        ),
        pytest.param(
            [TOKENS | {"cost_nano": 1_989_000_000}],
            BILLED.replace(",1,,", ",1.00,,"),
            ["price"],
            id="more-than-rounding",
        ),
        pytest.param(
            [TOKENS | {"pricing_status": "unpriced"}], BILLED, ["unpriced"], id="unpriced"
        ),
        pytest.param(
            [TOKENS | {"output_tokens": None, "cost_nano": 10**9}],
            BILLED + "2026-11-20,gpt-4o,requests,1,,,\n",
            ["missing_usage"],
            id="missing-usage",
        ),
        pytest.param(
            [TOKENS | {"input_tokens": 900, "output_tokens": 900, "cost_nano": 1_800_000_000}],
            BILLED,
            ["missing_calls"],
            id="missing-calls",
        ),
        pytest.param([TOKENS, TOKENS], BILLED, ["extra_calls"], id="extra-calls"),
        pytest.param(
            [TOKENS | {"cost_nano": 2_300_000_000}],
            "2026-11-20,gpt-4o,uncached_input_tokens,200,0.2,,\n"
            "2026-11-20,gpt-4o,cache_read_tokens,800,0.4,,\n"
            "2026-11-20,gpt-4o,output_tokens,1000,1,,\n",
            ["cache_tokens"],
            id="cached-input-counted-as-fresh",
        ),
        pytest.param(
            [TOKENS | {"cost_nano": 2_300_000_000, "cache_cost_nano": 0}],
            "2026-11-20,gpt-4o,uncached_input_tokens,,0.2,,\n"
            "2026-11-20,gpt-4o,cache_read_tokens,,0.4,,\n"
            "2026-11-20,gpt-4o,output_tokens,,1,,\n",
            ["cache_tokens"],
            id="cache-by-amounts-alone",
        ),
        pytest.param(
            [TOKENS], BILLED.replace(",1,,", ",0.5,true,"), ["batch_discount"], id="batch-named"
        ),
        pytest.param(
            [TOKENS], BILLED.replace(",1,,", ",0.5,,"), ["batch_discount"], id="batch-by-half"
        ),
        pytest.param(
            [TOKENS | {"batch": True, "cost_nano": 10**9}],
            BILLED,
            ["batch_discount"],
            id="batch-not-billed-as-such",
        ),
        pytest.param(
            [TOKENS], BILLED.replace(",1,,", ",1.75,,priority"), ["service_tier"], id="tier"
        ),
        pytest.param(
            [TOKENS | {"service_tier": "priority"}],
            BILLED.replace(",1,,", ",1.75,,priority"),
            ["price"],
            id="same-tier-other-price",
        ),
        pytest.param(
            [TOKENS], BILLED.replace(",1,,", ",0.5,,flex"), ["service_tier"], id="flex-by-half"
        ),
        pytest.param(
            [TOKENS | {"pricing_status": "estimated"}],
            BILLED.replace(",1,,", ",1.2,,"),
            ["estimated_price"],
            id="estimated",
        ),
        pytest.param([TOKENS], BILLED.replace(",1,,", ",1.25,,"), ["price"], id="price"),
        pytest.param([TOKENS], "2026-11-20,gpt-4o,,,1.3,,\n", ["amounts_only"], id="amounts-only"),
        pytest.param(
            [TOKENS | {"cost_nano": 2_003_000_000}],
            BILLED.replace(",1,,", ",1.0000,,"),
            ["unexplained"],
            id="less-than-any-threshold",
        ),
    ],
)
def test_a_difference_has_its_likeliest_cause_first(
    ledger: Write, file: File, used: list[dict[str, Any]], bill: str, expected: list[str]
) -> None:
    engine = ledger(*(make_record(**each) for each in used))

    answer = compare(engine, file(HEADER + bill))

    assert [next(iter(causes(each)), "") for each in answer.comparisons] == expected


def test_every_rule_of_the_table_has_a_case() -> None:
    shown = {"no_calls", "not_billed", "rounding", "unpriced", "missing_usage", "missing_calls"}
    shown |= {"extra_calls", "cache_tokens", "batch_discount", "service_tier", "estimated_price"}
    shown |= {"price", "amounts_only", "unexplained"}

    assert [rule.name for rule in RULES if rule.name not in shown] == []
    assert all(rule.reason and rule.source and rule.example for rule in RULES)


def test_drift_coverage_and_shares_are_those_worked_by_hand(ledger: Write, file: File) -> None:
    engine = ledger(
        make_record(input_tokens=900, output_tokens=0, cost_nano=9 * 10**9),
        make_record(model="o3", input_tokens=200, output_tokens=0, cost_nano=3 * 10**9),
    )
    bill = (
        "2026-11-20,gpt-4o,uncached_input_tokens,1000,10,,\n"
        "2026-11-20,o3,uncached_input_tokens,100,2,,\n"
    )

    answer = compare(engine, file(HEADER + bill))

    by_model = {each.model: each for each in answer.comparisons}
    assert (by_model["gpt-4o"].drift_usd, by_model["gpt-4o"].coverage) == (D(-1), D("0.9"))
    assert (by_model["o3"].drift_usd, by_model["o3"].drift_share) == (D(1), D("0.5"))
    # -1 and +1 do not cancel out: 2 of 12 dollars, 200 of 1100 tokens.
    assert answer.used_usd == answer.billed_usd == 12
    assert answer.cost_difference == D(2) / 12
    assert answer.usage_difference == D(200) / 1100
    assert not answer.is_within(D("0.18"))
    assert answer.is_within(D("0.19"))


def test_days_are_compared_in_utc_or_in_the_zone_of_the_bill(ledger: Write, file: File) -> None:
    engine = ledger(make_record(started_ns=NOON_NS + DAY_NS // 2 + 1, cost_nano=10**9))
    path = file("date,amount_usd,model\n2026-11-20,1,gpt-4o\n")

    in_utc = compare(engine, path)
    in_new_york = reconcile(
        engine,
        [read_bill(path, "openai", tz="America/New_York")],
        tz="America/New_York",
    )

    assert only(in_utc).drift_usd == -1
    assert only(in_new_york).drift_usd == 0


def test_amounts_and_quantities_come_from_two_exports(ledger: Write, file: File) -> None:
    engine = ledger(make_record(input_tokens=700, output_tokens=300, cost_nano=10**9))
    costs = file(
        "start_time,amount_value,amount_currency,quantity,quantity_unit,line_item\n"
        '1795132800,0.4,usd,700,tokens,"gpt-4o, input"\n'
        '1795132800,0.6,usd,300,tokens,"gpt-4o, output"\n',
        "costs.csv",
    )
    usage = file(
        "start_time,num_model_requests,model,input_tokens,output_tokens,input_cached_tokens\n"
        "1795132800,1,gpt-4o,700,300,0\n",
        "usage.csv",
    )

    answer = reconcile(engine, read_bills([costs, usage], "openai"))

    each = only(answer)
    assert each.billed.quantities["uncached_input_tokens"] == 700
    assert (each.drift_usd, each.coverage, each.causes) == (D(0), D(1), ())


def test_calls_after_the_last_day_of_the_cost_export_have_no_drift(
    ledger: Write, file: File
) -> None:
    engine = ledger(
        make_record(input_tokens=1, cost_nano=10**9),
        make_record(input_tokens=1, cost_nano=10**9, started_ns=NOON_NS + DAY_NS),
    )
    costs = file("date,model,amount_usd\n2026-11-20,gpt-4o,1\n", "costs.csv")
    usage = file(
        "date,model,metric,quantity\n2026-11-20,gpt-4o,uncached_input_tokens,1\n"
        "2026-11-21,gpt-4o,uncached_input_tokens,1\n",
        "usage.csv",
    )

    answer = reconcile(engine, read_bills([costs, usage], "openai"))

    assert [each.drift_usd for each in answer.comparisons] == [0, None]
    assert [each.causes for each in answer.comparisons] == [(), ()]


def test_a_bill_without_models_is_compared_by_day(ledger: Write, file: File) -> None:
    engine = ledger(make_record(cost_nano=10**9), make_record(model="o3", cost_nano=10**9))
    path = file("start_time,amount_value,amount_currency,line_item\n1795132800,2,usd,\n")

    answer = compare(engine, path)

    each = only(answer)
    assert (each.scope, each.drift_usd, each.used.requests) == (Scope.ALL_MODELS, D(0), 2)
    assert answer.notes == ("bill.csv is not split by model: days are compared",)


def test_search_charges_meet_the_ledgers_costs_beyond_tokens(ledger: Write, file: File) -> None:
    engine = ledger(make_record(cost_nano=11 * 10**8, other_cost_nano=10**8))
    path = file(
        "start_time,amount_value,amount_currency,line_item\n"
        '1795132800,1,usd,"gpt-4o, input"\n1795132800,0.1,usd,web search tool calls\n'
    )

    answer = compare(engine, path)

    found = {each.scope: each.drift_usd for each in answer.comparisons}
    assert found == {Scope.OTHER_CHARGES: 0, Scope.MODEL: 0}


def test_calls_of_other_providers_and_uncounted_ones_are_not_compared(
    ledger: Write, file: File
) -> None:
    engine = ledger(
        make_record(cost_nano=10**9),
        make_record(cost_nano=10**9, provider="azure.ai.openai"),
        make_record(cost_nano=10**9, counted=False, counted_reason="repeats"),
        make_record(cost_nano=0, cache_hit=True, input_tokens=10**6),
    )

    answer = compare(engine, file("date,model,amount_usd\n2026-11-20,gpt-4o,1\n"))

    assert (answer.used_usd, only(answer).used.requests) == (D(1), 1)


def test_usage_alone_shows_calls_that_were_not_billed(ledger: Write, file: File) -> None:
    engine = ledger(
        make_record(input_tokens=100), make_record(input_tokens=50, model="o3", cost_nano=1)
    )
    bill = "date,model,metric,quantity\n2026-11-20,gpt-4o,uncached_input_tokens,100\n"

    answer = compare(engine, file(bill))

    assert (answer.billed_usd, answer.cost_difference) == (None, None)
    assert answer.usage_difference == D("0.5")
    assert causes(answer.comparisons[1]) == ["not_billed"]


def test_a_period_limits_both_sides(ledger: Write, file: File) -> None:
    engine = ledger(
        *(make_record(cost_nano=10**9, started_ns=NOON_NS + n * DAY_NS) for n in range(3))
    )
    rows = "".join(f"2026-11-{20 + n},gpt-4o,1\n" for n in range(3))
    path = file("date,model,amount_usd\n" + rows)

    answer = compare(engine, path, first=date(2026, 11, 21), last=date(2026, 11, 21))

    assert (answer.billed_usd, answer.used_usd) == (D(1), D(1))
    with pytest.raises(QueryError, match="no rows in this period"):
        compare(engine, path, first=date(2026, 12, 1))


def test_calls_on_days_without_any_charge_are_not_billed(ledger: Write, file: File) -> None:
    path = file("start_time,amount_value,amount_currency,line_item\n1795132800,,,\n")

    answer = compare(ledger(make_record(cost_nano=10**9)), path)

    assert causes(only(answer)) == ["not_billed"]
    assert not answer.is_within(D(1))


def test_a_filter_restricts_the_ledger_to_what_is_billed(ledger: Write, file: File) -> None:
    engine = ledger(make_record(cost_nano=10**9, project="a"), make_record(project="b"))
    path = file("date,model,amount_usd\n2026-11-20,gpt-4o,1\n")

    answer = compare(engine, path, filters=[Filter("project", ("a",))])

    assert answer.used_usd == 1


def test_a_bill_of_nothing_is_beyond_any_threshold_once_there_are_calls(
    ledger: Write, file: File
) -> None:
    path = file("date,model,amount_usd\n2026-11-20,gpt-4o,0\n")

    without_calls = compare(ledger(), path)
    with_calls = compare(ledger(make_record(cost_nano=10**9)), path)

    assert without_calls.is_within(D(0))
    assert not with_calls.is_within(D(1))
    assert json.dumps(plain_reconciliation(with_calls, threshold=D(1)))


MODELS = ("gpt-4o-2024-08-06", "gpt-4o-mini", "o3")
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(MODELS),
            "started_ns": st.integers(NOON_NS - 3 * DAY_NS, NOON_NS + 3 * DAY_NS),
            "cached": st.integers(0, 10**6),
            "written": st.integers(0, 10**6),
            "fresh": st.integers(0, 10**6),
            "output_tokens": st.integers(0, 10**6),
            "cost_nano": st.integers(0, 10**12),
            "batch": st.booleans(),
        }
    ),
    min_size=1,
    max_size=12,
)


def make_call(call: dict[str, Any]) -> UsageRecord:
    given = {name: call[name] for name in ("model", "started_ns", "output_tokens", "cost_nano")}
    return make_record(
        **given,
        batch=call["batch"],
        input_tokens=call["cached"] + call["written"] + call["fresh"],
        cache_read_tokens=call["cached"],
        cache_write_tokens=call["written"],
    )


def write_bill(calls: list[dict[str, Any]]) -> str:
    """Add calls up per UTC day, model and batch, without help of the code under test."""
    sums: defaultdict[tuple[str, str, bool, str], int] = defaultdict(int)
    for call in calls:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=call["started_ns"] // 1000)
        key = (at.date().isoformat(), call["model"], call["batch"])
        sums[*key, "uncached_input_tokens"] += call["fresh"]
        sums[*key, "cache_read_tokens"] += call["cached"]
        sums[*key, "cache_write_tokens"] += call["written"]
        sums[*key, "output_tokens"] += call["output_tokens"]
        sums[*key, "requests"] += 1
        sums[*key, ""] += call["cost_nano"]
    written = io.StringIO()
    out = csv.writer(written, lineterminator="\n")
    out.writerow(["date", "model", "batch", "metric", "quantity", "amount_usd"])
    for (day, model, batch, metric), number in sums.items():
        cells = [number, ""] if metric else ["", f"{D(number).scaleb(-9):f}"]
        out.writerow([day, model, str(batch).lower(), metric, *cells])
    return written.getvalue()


@settings(max_examples=40, deadline=None)
@given(CALLS)
def test_a_bill_made_of_the_ledgers_calls_has_zero_drift(calls: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bill.csv")
        path.write_text(write_bill(calls))
        store = open_store(f"sqlite:///{folder}/usage.db")
        store.write([make_call(call) for call in calls])

        answer = reconcile(store.engine, [read_bill(path, "openai")])
        store.close()

    assert {each.drift_usd for each in answer.comparisons} == {D(0)}
    assert {each.coverage for each in answer.comparisons} <= {D(1), None}
    assert [each.causes for each in answer.comparisons if each.causes] == []
    assert answer.used_usd == D(sum(call["cost_nano"] for call in calls)).scaleb(-9)
    assert answer.is_within(D(0))
