"""The catalogue: the same prices as genai-prices, read under names that are known to exist."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

import pytest
from genai_prices import Usage as GenaiUsage
from genai_prices import calc_price
from genai_prices.data import providers
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    TimeOfDateConstraint,
)

from spantoll.pricing import Priced, RateCard, load_rate_card
from spantoll.pricing.catalogue import METRICS, GenaiPrices
from spantoll.pricing.result import PriceSet
from spantoll.pricing.selector import Selector
from spantoll.semconv.call import ModelCall

CallMaker = Callable[..., ModelCall]

MOMENTS = (
    "2024-06-01T12:00",
    "2025-06-10T00:00",
    "2026-03-01T02:30",
    "2026-10-13T17:00",
    "2026-11-12T07:00",
    "2027-02-01T23:59",
)
CONTEXTS: tuple[dict[str, str], ...] = (
    {},
    {"processing": "batch"},
    {"service_tier": "flex"},
    {"service_tier": "priority"},
    {"speed": "fast"},
)
SIZES = (1, 250, 600)
"""Thousands of tokens: below every step, between steps, above all."""


class Use(NamedTuple):
    """One consumption in the words of both sides."""

    ours: dict[str, Any]
    theirs: dict[str, int]


def _use(prices: ModelPrice, size: int) -> Use:
    """Use a bit of everything the model has a price for, so that both sides can price all of it."""
    listed = {key for key, price in vars(prices).items() if price is not None}
    n = size * 1_000 + 7
    ours: dict[str, Any] = {}
    theirs: dict[str, int] = {}
    parts: list[tuple[str, str, str, int]] = [
        ("cache_read_mtok", "cache_read_tokens", "cache_read_tokens", n // 2),
        ("cache_write_1h_mtok", "cache_write_1h_tokens", "cache_write_1h_tokens", n // 30),
        ("cache_write_mtok", "cache_write_tokens", "cache_write_tokens", n // 10),
        ("input_audio_mtok", "input_audio_tokens", "input_audio_tokens", n // 11),
        ("input_image_mtok", "input_image_tokens", "input_image_tokens", n // 13),
        ("output_reasoning_mtok", "reasoning_tokens", "output_reasoning_tokens", 101),
        ("output_audio_mtok", "output_audio_tokens", "output_audio_tokens", 103),
        ("output_image_mtok", "output_image_tokens", "output_image_tokens", 107),
    ]
    for key, our_name, their_name, count in parts:
        if key in listed:
            ours[our_name] = theirs[their_name] = count
    if "input_mtok" in listed:
        ours["input_tokens"] = theirs["input_tokens"] = n
    if "output_mtok" in listed:
        ours["output_tokens"] = theirs["output_tokens"] = 1_009
    if "input_mchars" in listed:
        ours["characters"] = theirs["input_characters"] = n
    if "audio_hours" in listed:
        # 3.007 s to 1800 s: also below Groq's ten seconds.
        seconds = 3 * size
        ours["audio_ms"] = seconds * 1_000
        theirs["audio_seconds"] = seconds
        if "input_audio_hours" in listed:
            theirs["input_audio_seconds"] = seconds
    extra = {
        METRICS[key][0]: size
        for key in listed
        if key.endswith(("_kcount", "_kpages")) and key != "requests_kcount"
    }
    names = {
        "pages": "input_document_pages",
        "annotated_pages": "input_annotated_document_pages",
        "messages": "input_text_messages",
        "search_units": "rerank_searches",
        "file_searches": "storage_searches",
    }
    theirs.update({names.get(unit, unit): count for unit, count in extra.items()})
    for key, unit, count in (
        ("input_video_mtok", "input_video_tokens", 109),
        ("output_video_mtok", "output_video_tokens", 113),
    ):
        if key in listed:
            extra[unit] = theirs[unit] = count
    if "output_citation_mtok" in listed:
        # Theirs are part of the output, ours stand beside it.
        extra["citation_tokens"] = theirs["output_citation_tokens"] = 127
        theirs["output_tokens"] += 127
    if extra:
        ours["extra"] = extra
    # Where both a modality and the cache are priced, theirs must be told that they do not overlap.
    for join in ("cache_audio_read", "cache_image_read"):
        if f"{join}_mtok" in listed:
            theirs[f"{join}_tokens"] = 0
    return Use(ours, theirs)


def _cases() -> Iterator[tuple[Provider, ModelInfo, str, dict[str, str], int]]:
    """Every model, at rotating combinations of date, context and size: about 14,000 prices."""
    combinations = list(product(MOMENTS, CONTEXTS, SIZES))
    models = [(provider, model) for provider in providers for model in provider.models]
    for index, (provider, model) in enumerate(models):
        for step in range(6):
            yield provider, model, *combinations[(index * 7 + step * 17) % len(combinations)]


def _exact(card: RateCard, call: ModelCall) -> Fraction | None:
    """Return our cost before any rounding, in USD."""
    answer = card.price(call)
    if not isinstance(answer, Priced) or answer.rate is None:
        return None
    return sum(
        (
            Fraction(line.quantity) * Fraction(line.unit_price.amount_usd) / line.unit_price.per
            for line in card.lines(call, answer.rate)
        ),
        Fraction(0),
    )


def _reason(card: RateCard, call: ModelCall) -> str:
    answer = card.price(call)
    return answer.reason or "" if isinstance(answer, Priced) else ""


def test_prices_equal_those_of_genai_prices_for_every_model_both_can_price(
    catalogue_card: RateCard, make_call: CallMaker
) -> None:
    compared, differing = 0, []

    for provider, model, moment, context, size in _cases():
        at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        # Gemini before 3 bills one grounded prompt a request, which their count cannot say.
        use = _use(model.get_prices(at, context), 1 if "gemini-2" in model.id else size)
        call = make_call(
            provider.id,
            model.id,
            at=moment,
            operation="transcription" if "audio_ms" in use.ours else "chat",
            batch=context.get("processing") == "batch",
            service_tier=context.get("service_tier"),
            speed=context.get("speed"),
            **use.ours,
        )
        try:
            theirs = calc_price(
                GenaiUsage(**use.theirs),
                model.id,
                provider_id=provider.id,
                genai_request_timestamp=at,
                price_context=context or None,
            )
        except LookupError:
            continue  # their own ids of a few models match none of their own clauses
        ours = _exact(catalogue_card, call)
        if ours is None or theirs.model is not model:
            continue
        if "earliest known" in _reason(catalogue_card, call):
            continue  # theirs is then the list price, without a word
        compared += 1
        # Decimal division by 3600 stops at 28 digits.
        if abs(ours - Fraction(theirs.total_price)) > Fraction(1, 10**18):
            differing.append((provider.id, model.id, moment, context, size, float(ours)))

    assert differing == []
    assert compared > 13_000


def test_the_only_names_we_refuse_are_those_that_go_on_after_a_model(card: RateCard) -> None:
    """Every exact name in the catalogue finds the row it finds there, but for three it calls free
    that are not."""
    catalogue = GenaiPrices.installed()
    refused = []

    for provider in providers:
        for model in provider.models:
            names = {clause.equals for clause in _equals(model.match)}
            for name in sorted(names):
                theirs = provider.find_model(name, all_providers=providers)
                found = catalogue.find(provider.id, name, Selector())
                tariff = found.value_at(0) if found is not None else None
                if tariff is None or theirs is None or tariff.rates[0].model != theirs.id:
                    refused.append((provider.id, model.id))

    assert sorted(set(refused)) == [
        ("cerebras", "qwen-3-coder-480b"),
        ("openrouter", "google/lyria-3-clip-preview"),
        ("openrouter", "google/lyria-3-pro-preview"),
    ]


def _equals(clause: Any) -> Iterator[Any]:
    if hasattr(clause, "or_"):
        for part in clause.or_:
            yield from _equals(part)
    elif hasattr(clause, "equals"):
        yield clause


def test_every_price_key_of_the_catalogue_has_a_metric() -> None:
    used = {
        key
        for provider in providers
        for model in provider.models
        for prices in _all_prices(model)
        for key in vars(prices)
    }

    assert used <= set(METRICS)


def test_the_two_prices_of_an_hour_of_audio_never_differ() -> None:
    """A call says how long its audio was, not whether it went in or came out."""
    differing = [
        model.id
        for provider in providers
        for model in provider.models
        for prices in _all_prices(model)
        if {"audio_hours", "input_audio_hours"} <= vars(prices).keys()
        and prices.audio_hours != prices.input_audio_hours
    ]

    assert differing == []


def _all_prices(model: ModelInfo) -> Iterator[ModelPrice]:
    if isinstance(model.prices, ModelPrice):
        yield model.prices
    else:
        yield from (conditional.prices for conditional in model.prices)
    yield from (variant.prices for variant in model.price_variants or ())


def test_a_row_priced_in_units_we_do_not_know_is_not_free() -> None:
    model = ModelInfo(
        id="new-model",
        match=ClauseEquals("new-model"),
        prices=ModelPrice(input_gpixels=Decimal(1)),
    )
    provider = Provider(id="new", name="New", api_pattern="", models=[model])
    catalogue = GenaiPrices([provider], PriceSet("test", "1", "", 1, ""))

    found = catalogue.find("new", "new-model", Selector())

    assert found is not None
    assert found.value_at(0) is None


def test_hours_are_utc_whatever_zone_they_are_written_in() -> None:
    """All of today's catalogue is in UTC; the format allows more."""
    hours = TimeOfDateConstraint(time(3, tzinfo=timezone(timedelta(hours=2))), time(4))
    model = ModelInfo(
        id="m",
        match=ClauseEquals("m"),
        prices=[
            ConditionalPrice(prices=ModelPrice(input_mtok=Decimal(1))),
            ConditionalPrice(hours, prices=ModelPrice(input_mtok=Decimal(2))),
        ],
    )
    provider = Provider(id="new", name="New", api_pattern="", models=[model])

    found = GenaiPrices([provider], PriceSet("test", "1", "", 1, "")).find("new", "m", Selector())

    assert found is not None
    tariffs = [found.value_at(minute * 60 * 10**9) for minute in (59, 60, 239, 240)]
    assert [tariff.rates[0].prices[0].amount_usd for tariff in tariffs if tariff] == [1, 2, 2, 1]


@pytest.mark.parametrize(("today", "as_of"), [("2026-11-20", "2026-11-09"), ("2024-01-01", "")])
def test_the_price_set_is_named_by_its_content_and_dated_by_its_newest_change(
    today: str, as_of: str
) -> None:
    price_set = load_rate_card(today=today).price_set

    assert (price_set.source, price_set.as_of) == ("genai-prices", as_of)
    assert len(price_set.sha256) == 64
    assert price_set.rows == sum(len(provider.models) for provider in providers)


def test_every_rate_names_the_content_it_came_from(card: RateCard, make_call: CallMaker) -> None:
    answer = card.price(make_call("openai", "gpt-4o", input_tokens=1, output_tokens=1))

    assert isinstance(answer, Priced)
    assert answer.rate is not None
    assert (answer.rate.source, answer.rate.price_set) == ("catalogue", card.price_set.sha256)
    assert 0 < answer.rate.rate_id < 2**63


def test_importing_pricing_does_not_load_the_catalogue() -> None:
    code = "import sys, spantoll.pricing; sys.exit('genai_prices' in sys.modules)"

    exit_code = subprocess.run([sys.executable, "-c", code], check=False).returncode

    assert exit_code == 0
