"""What each price source gives, and the calls it prices right alone and with the others.

python benchmarks/price_sources.py [model_prices_and_context_window.json]

Reads the calls worked from providers' pages (tests/pricing/data/worked_cases.jsonl) and prices each
by the catalogue alone, by SpanToll's own rows and factors alone, and by both. Right is the amount
to the nano-USD; a wrong amount is `doubted` if its status is not exact. docs/prices.md shows it.
With LiteLLM's JSON it is measured too; its prices are taken for those of any day.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from genai_prices.data import providers
from genai_prices.types import ModelInfo

from spantoll.pricing import RateCard, load_rate_card
from spantoll.pricing.builtin import SelfHosted
from spantoll.pricing.catalogue import GenaiPrices
from spantoll.pricing.documents import read_document, read_litellm_rows
from spantoll.pricing.lists import ShippedPrices
from spantoll.pricing.price_line import price_record
from spantoll.pricing.shipped import load_factors, load_rows

CASES = Path(__file__).parents[1] / "tests" / "pricing" / "data" / "worked_cases.jsonl"
NANO = Decimal("1e-9")


class Score(NamedTuple):
    """How many cases a card prices right, wrong with and without a doubt, and not at all."""

    right: int = 0
    doubted: int = 0
    wrong: int = 0
    unpriced: int = 0


def main() -> None:
    """Print the closing table of docs/prices.md."""
    cases = [json.loads(line) for line in CASES.read_text().splitlines()]
    catalogue = GenaiPrices.installed()
    prices, history = load_rows("prices"), load_rows("history")
    own = RateCard(
        (ShippedPrices.open_folder("prices"), ShippedPrices.open_folder("history"), SelfHosted()),
        price_set=catalogue.price_set,
        factors=load_factors(),
    )
    alone = RateCard((catalogue, SelfHosted()), price_set=catalogue.price_set)
    print("| source | models | rows |\n|---|---|---|")
    rows = sum(len(list(_rows_of_model(m))) for p in providers for m in p.models)
    print(f"| genai-prices {catalogue.price_set.version} | {catalogue.price_set.rows} | {rows} |")
    for name, (shipped, price_set) in (("data/prices", prices), ("data/history", history)):
        print(f"| {name} | {price_set.rows} | {len(shipped)} |")
    print(f"| data/factors.csv | patterns | {len(load_factors().rows)} |")
    cards = {"catalogue": alone, "own": own, "together": load_rate_card()}
    if sys.argv[1:]:
        document = read_document(Path(sys.argv[1]).read_bytes(), version="", as_of="2000-01-01")
        rows_of_file = len(read_litellm_rows(document))
        print(f"| LiteLLM | {document.models} | {rows_of_file} |")
        second = ShippedPrices.from_litellm(document)
        cards["LiteLLM"] = RateCard((second, SelfHosted()), price_set=second.price_set)
        cards["all with LiteLLM"] = load_rate_card(documents=[document])
    print()
    print(
        f"| {len(cases)} calls | right | wrong, doubted | wrong | unpriced |\n|---|---|---|---|---|"
    )
    for name, card in cards.items():
        score = score_card(card, cases)
        print(f"| {name} | {score.right} | {score.doubted} | {score.wrong} | {score.unpriced} |")


def _rows_of_model(model: ModelInfo) -> Iterator[object]:
    """Yield the catalogue's price rows of a model: by date or hour, and by context."""
    yield from model.prices if isinstance(model.prices, list) else [model.prices]
    yield from model.price_variants or ()


def score_card(card: RateCard, cases: list[dict[str, Any]]) -> Score:
    """Count the cases by how the card prices them."""
    score = Score()
    for case in cases:
        answer = price_record(card, case["call"], now_ns=0)
        if answer["cost_usd"] is None:
            score = score._replace(unpriced=score.unpriced + 1)
        elif Decimal(answer["cost_usd"]) == Decimal(case["right"]).quantize(NANO):
            score = score._replace(right=score.right + 1)
        elif answer["status"] in {"exact", "free"}:
            score = score._replace(wrong=score.wrong + 1)
        else:
            score = score._replace(doubted=score.doubted + 1)
    return score


if __name__ == "__main__":
    main()
