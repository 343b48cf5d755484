"""Files of own prices: what is written is read back exactly, in every format."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spantoll.pricing.calendars import CALENDARS
from spantoll.pricing.metrics import METRIC_UNITS
from spantoll.pricing.own_files import read_alias_file, read_price_file, write_price_file
from spantoll.pricing.own_prices import OwnPrice, read_own_price
from spantoll.pricing.selector import Selector
from spantoll.pricing.shipped import PriceDataError

names = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=["L"]),
    min_size=1,
    max_size=20,
).map(str.lower)
amounts = st.decimals(min_value=0, max_value=10**6, allow_nan=False, places=12)
days = st.sampled_from(["", "2026-01-01", "2026-01-01T00:30:00+05:30"])


@st.composite
def own_prices(draw: st.DrawFn) -> OwnPrice:
    metric = draw(st.sampled_from(sorted(METRIC_UNITS)))
    selector = Selector(
        batch=draw(st.booleans()),
        service_tier=draw(st.sampled_from(["", "flex", "priority"])),
        min_input_tokens=draw(st.sampled_from([0, 200_001])),
        utc=draw(st.sampled_from(["", "01:00-04:00"])),
        days=draw(st.sampled_from(["", *CALENDARS])),
    )
    return read_own_price(
        {
            "provider": draw(names),
            "model": draw(st.sampled_from(["", "prefix:"])) + draw(names),
            "metric": metric,
            "amount": draw(amounts),
            "per": draw(st.sampled_from(METRIC_UNITS[metric])),
            "currency": draw(st.sampled_from(["", "EUR"])),
            "context": str(selector),
            "valid_from": draw(days),
            "note": draw(st.sampled_from(["", 'says "2,50"', "two\nlines"])),
        },
        "given",
    )


@given(st.lists(own_prices(), min_size=1, max_size=5), st.sampled_from(["csv", "json"]))
def test_what_is_exported_is_imported_exactly(rows: list[OwnPrice], format: str) -> None:
    text = write_price_file(rows, format)

    read = read_price_file(text, file="prices", per={})

    assert [each._replace(position="given") for each in read] == rows


@given(
    st.lists(st.tuples(names, st.sampled_from(["input", "output", "images", "audio_ms"]), amounts)),
    st.sampled_from(["1", "1k", "1M"]),
)
def test_vendor_pricing_keeps_the_price_of_a_unit(
    given_rows: list[tuple[str, str, Decimal]], per: str
) -> None:
    rows = [
        read_own_price(
            {"provider": "acme", "model": model, "metric": metric, "amount": amount, "per": unit},
            "given",
        )
        for model, metric, amount in [*given_rows, ("m", "input", Decimal(1))]
        for unit in ["minute" if metric == "audio_ms" else "1k"]
    ]

    read = read_price_file(
        write_price_file(rows, "vendor_pricing", per=per), file="f", per={"": per}
    )

    assert [(each.model, each.metric, each.amount / each.per) for each in read] == [
        (each.model, each.metric, each.amount / each.per) for each in rows
    ]


INSERTS = """
INSERT INTO `vendor_pricing` (`id`, `metric`, `model_name`, `price_per_unit`, `vendor_name`)
VALUES (1, 'input_tokens', 'gpt-4', 0.05, 'OpenAI'), (2, 'images', 'o''hara', 0.02, 'Gemini');
INSERT INTO vendor_pricing (id, metric, model_name, price_per_unit, vendor_name)
  VALUES (4, 'audio_minutes', 'whisper', 0.01, 'OpenAI');
"""
CSV = """id,metric,model_name,price_per_unit,vendor_name
1,input_tokens,gpt-4,0.05,OpenAI
2,images,o'hara,0.02,Gemini
4,audio_minutes,whisper,0.01,OpenAI
"""
JSON = """[{"metric": "input_tokens", "model_name": "gpt-4", "price_per_unit": 0.05,
"vendor_name": "OpenAI"}, {"id": 2, "metric": "images", "model_name": "o'hara",
"price_per_unit": 0.02, "vendor_name": "Gemini"}, {"metric": "audio_minutes",
"model_name": "whisper", "price_per_unit": "0.01", "vendor_name": "OpenAI"}]"""


@pytest.mark.parametrize("text", [INSERTS, CSV, JSON], ids=["inserts", "csv", "json"])
def test_vendor_pricing_rows_are_read_once_their_unit_is_said(text: str) -> None:
    rows = read_price_file(text, file="seed", per={"": "1k"})

    assert [(row.provider, row.model, row.metric, row.amount, row.per) for row in rows] == [
        ("openai", "gpt-4", "input", Decimal("0.05"), 1_000),
        ("gcp.gemini", "o'hara", "images", Decimal("0.02"), 1),
        ("openai", "whisper", "audio_ms", Decimal("0.01"), 60_000),
    ]


@pytest.mark.parametrize("text", [INSERTS, CSV, JSON], ids=["inserts", "csv", "json"])
def test_vendor_pricing_rows_whose_unit_is_not_said_are_refused(text: str) -> None:
    with pytest.raises(PriceDataError, match="how many input_tokens its price is for: add --per"):
        read_price_file(text, file="seed", per={})


UNREADABLE = {
    "nothing": ("", "the first line must name columns"),
    "a header alone": ("provider,model,metric,amount,per\n", "no price row"),
    "other columns": ("a,b\n1,2\n", "the first line must name columns"),
    "broken JSON": ("[{", "not JSON"),
    "JSON of something else": ("[1]", "item 1: not an object"),
    "too many cells": (
        "provider,model,metric,amount,per\na,m,input,1,1M,9\n",
        "prices:2: more cells than columns",
    ),
    "a cell that is too large": (
        f"provider,model,metric,amount,per\na,m,input,1,{'1' * 140_000}\n",
        "field larger than field limit",
    ),
    "more columns than values": (
        "INSERT INTO vendor_pricing (vendor_name, metric, price_per_unit) VALUES ('a', 'input');",
        "prices row 1: 2 values, 3 columns",
    ),
    "a column that vendor_pricing has not": (
        '[{"vendor_name": "a", "metric": "requests", "price_per_unit": 1, "tier": "flex"}]',
        "item 1: unknown column 'tier'; one of",
    ),
}


INEXPRESSIBLE = {
    "dates": ({"valid_from": "2026-01-01"}, "1M", "vendor_pricing has no dates"),
    "a third": ({"amount": "1", "per": 3}, "1k", "1 per 3 is no decimal per 1000"),
}


@pytest.mark.parametrize(("given", "per", "message"), INEXPRESSIBLE.values(), ids=INEXPRESSIBLE)
def test_a_price_that_vendor_pricing_cannot_express_is_not_exported(
    given: dict[str, str], per: str, message: str
) -> None:
    price = {"provider": "a", "model": "m", "metric": "input", "amount": "2", "per": "1M"}

    with pytest.raises(PriceDataError, match=message):
        write_price_file([read_own_price({**price, **given}, "row 1")], "vendor", per=per)


def test_a_file_of_aliases_without_one_is_refused() -> None:
    with pytest.raises(PriceDataError, match="aliases: no alias in it"):
        read_alias_file("[]", file="aliases")


@pytest.mark.parametrize(("text", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_price_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(PriceDataError, match=message):
        read_price_file(text, file="prices", per={})
