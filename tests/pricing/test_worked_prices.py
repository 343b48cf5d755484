"""Calls worked by hand from providers' pages, for every dependence of a price.

`data/worked_cases.jsonl` has one call a line: what its price depends on, the provider's page, the
arithmetic and the amount. Each case is read, priced and answered as `spantoll price` does.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spantoll.pricing import RateCard
from spantoll.pricing.price_line import price_record

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "worked_cases.jsonl").read_text().splitlines()
]
NANO = Decimal("1e-9")

DEPENDENCES = {
    "service tier served",
    "service tier asked",
    "batch",
    "speed",
    "data residency",
    "regional endpoint",
    "inference profile",
    "deployment type",
    "long context",
    "long context and batch",
    "long context and tier",
    "long context and cache",
    "cache lifetime",
    "cached audio",
    "image size and quality",
    "video size",
    "time of day",
    "weekday",
    "holiday",
    "thinking",
    "search context size",
    "preview or general tool",
    "grounding",
    "fine-tuned model",
    "gateway's own-key fee",
    "billed ticks",
    "sessions",
    "characters",
    "pages",
    "citations",
    "search units",
    "billed tokens",
    "dated price",
    "audio seconds",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["call"]["id"])
def test_a_call_costs_what_the_providers_page_says(case: dict[str, Any], card: RateCard) -> None:
    answer = price_record(card, case["call"], now_ns=0)

    expected = Decimal(case["right"]).quantize(NANO)
    assert (Decimal(answer["cost_usd"]), answer["status"]) == (expected, case["status"]), answer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["call"]["id"])
def test_the_lines_of_an_answer_add_up_to_its_cost(case: dict[str, Any], card: RateCard) -> None:
    answer = price_record(card, case["call"], now_ns=0)

    amounts = [Decimal(line["amount_usd"]) for line in answer["lines"]]
    worked = [
        (Decimal(line["quantity"]) * Decimal(line["unit_price_usd"]) / line["per"]).quantize(NANO)
        for line in answer["lines"]
    ]
    assert amounts == worked
    assert sum(amounts) == Decimal(answer["cost_usd"])


def test_every_dependence_has_two_cases_from_a_named_page() -> None:
    cases = Counter(case["dependence"] for case in CASES)

    assert cases.keys() == DEPENDENCES
    assert {name for name, count in cases.items() if count < 2} == set()
    assert all(case["page"].startswith("https://") for case in CASES)
