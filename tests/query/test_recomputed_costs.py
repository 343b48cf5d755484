"""A stored record has all that its cost lines are computed from."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from spantoll.pricing import Priced, RateCard, load_rate_card
from spantoll.pricing.price_line import read_call
from spantoll.query import Query, explain, plain_explanation, run
from spantoll.records import UsageRecord, to_call, to_record
from spantoll.storage import open_store

Make = Callable[..., UsageRecord]
Write = Callable[..., Engine]

WORKED = Path(__file__).parents[1] / "pricing" / "data" / "worked_cases.jsonl"
CASES = [json.loads(line)["call"] for line in WORKED.read_text().splitlines()]


@pytest.fixture(scope="module")
def card() -> RateCard:
    return load_rate_card()


@pytest.mark.parametrize("case", CASES, ids=[str(case["id"]) for case in CASES])
def test_a_record_is_priced_again_as_its_call_was(card: RateCard, case: dict[str, Any]) -> None:
    answer = card.price(read_call(case, now_ns=0))
    record = to_record(
        read_call(case, now_ns=0), answer, tenant="t", source="import", received_ns=0
    )

    again = to_call(record)

    assert card.price(again) == answer
    if isinstance(answer, Priced) and answer.rate is not None and answer.status != "free":
        assert sum(line.nano for line in card.lines(again, answer.rate)) == record.cost_nano


def test_an_explanation_has_every_line_with_its_price_row(card: RateCard, tmp_path: Path) -> None:
    call = read_call(CASES[0], now_ns=0)
    answer = card.price(call)
    assert isinstance(answer, Priced)
    assert answer.rate is not None
    store = open_store(f"sqlite:///{tmp_path}/usage.db")
    record = to_record(call, answer, tenant="t", source="import", received_ns=0)
    store.add_rates([answer.rate])
    store.write([record])

    (explained,) = explain(store.engine, "1", rate_card=card)
    store.close()

    shown = plain_explanation(explained)
    amounts = [Decimal(line["cost_usd"]) for line in shown["lines"]]
    assert sum(amounts) == Decimal(shown["record"]["cost_usd"])
    assert [
        (Decimal(line["quantity"]) * Decimal(line["amount_usd"]) / line["per"]).quantize(
            Decimal("1e-9")
        )
        for line in shown["lines"]
    ] == amounts
    assert shown["rate"]["rate_id"] == shown["record"]["rate_id"]
    assert shown["record"]["service_tier"] == "priority"


@pytest.mark.parametrize(
    ("given", "difference"),
    [
        pytest.param({"reported_cost_nano": None}, None, id="none-reported"),
        pytest.param({"reported_cost_nano": 7, "cost_nano": 5}, 2, id="a-hint"),
        pytest.param(
            {"reported_cost_nano": 7, "cost_nano": 7, "cost_source": "reported"},
            None,
            id="billed-and-not-in-the-list",
        ),
        pytest.param(
            {
                "reported_cost_nano": 7,
                "cost_nano": 7,
                "cost_source": "reported",
                "catalogue_cost_nano": 10,
            },
            -3,
            id="billed",
        ),
    ],
)
def test_the_difference_to_a_reported_cost_is_reported(
    ledger: Write, record: Make, card: RateCard, given: dict[str, Any], difference: int | None
) -> None:
    engine = ledger(record(**given))
    expected = None if difference is None else Decimal(difference).scaleb(-9)

    totals = run(engine, Query(measures=["reported_difference_usd"])).totals
    (explained,) = explain(engine, "1", rate_card=card)

    shown = plain_explanation(explained)["record"]["reported_difference_usd"]
    assert totals["reported_difference_usd"] == expected
    assert (None if shown is None else Decimal(shown)) == expected
