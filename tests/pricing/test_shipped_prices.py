"""The price files SpanToll ships: what is refused when they are loaded, and how they are merged."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spantoll.pricing import Priced, PriceSet, RateCard, UnitPrice, Unpriced, load_rate_card
from spantoll.pricing import shipped as shipped_prices
from spantoll.pricing.catalogue import GenaiPrices
from spantoll.pricing.factors import Factor, Factors, apply_factor
from spantoll.pricing.lists import PriceLists, ShippedPrices, merge_tariffs
from spantoll.pricing.selector import Selector
from spantoll.pricing.shipped import (
    FIELDS,
    PriceDataError,
    ShippedRow,
    load_factors,
    load_known_models,
    load_rows,
    read_factors,
    read_rows,
)
from spantoll.pricing.tariff import Tariff, make_rate
from spantoll.pricing.timeline import instant_ns
from spantoll.semconv.call import ModelCall

CallMaker = Callable[..., ModelCall]
HEADER = ",".join(FIELDS)
PAGE = "https://example.com/pricing"
FROM_MEMORY = "from memory, not confirmed"


def table(*lines: str) -> str:
    return "\n".join((HEADER, *lines))


def row(
    usd: str = "2",
    *,
    metric: str = "input",
    per: str = "1000000",
    context: str = "",
    since: str = "2026-01-01",
    until: str = "",
    certainty: str = "page",
) -> str:
    return f"acme,m,{metric},{usd},{per},{context},{since},{until},{certainty},{PAGE}"


WRONG = {
    "two rows for one price at one time": (
        [row("2"), row("3", since="2026-02-01")],
        "f:2 and f:3 overlap: both price input of acme/m (no context) on 2026-02-01",
    ),
    "two rows of a context": (
        [row("2", context="batch"), row("3", context="batch")],
        "f:2 and f:3 overlap: both price input of acme/m (batch) on 2026-01-01",
    ),
    "a misplaced decimal point": (
        [row("2", until="2026-02-01"), row("2000", since="2026-02-01")],
        "f:3 is 1000 times off f:2: correct it, or write `checked` in its note",
    ),
    "an unknown metric": ([row(metric="inputs")], "f:2: unknown metric 'inputs'"),
    "an unknown unit": (
        [row(per="1000")],
        "f:2: input is priced per 1,000,000, not 1000",
    ),
    "a price that is no number": ([row("free")], "f:2: usd and per must be numbers"),
    "a price below nothing": ([row("-1")], "f:2: input is priced per 1,000,000, not 1000000"),
    "an unreadable context": (
        [row(context="weekend")],
        "f:2: not a price context: 'weekend'",
    ),
    "an unknown calendar": ([row(context="days=moon")], "f:2: unknown calendar 'moon'"),
    "an unknown certainty": ([row(certainty="sure")], "f:2: unknown certainty 'sure'"),
    "an estimate without a reason": (
        [row(certainty="estimated")],
        "f:2: an estimated row must say why in its note",
    ),
    "a date that is none": ([row(since="2026-13-01")], "f:2: valid_from and valid_to must be ISO"),
}


@pytest.mark.parametrize(("lines", "message"), WRONG.values(), ids=WRONG)
def test_a_row_that_cannot_be_right_is_refused_by_its_line(lines: list[str], message: str) -> None:
    with pytest.raises(PriceDataError) as refused:
        read_rows(table(*lines), file="f")

    assert str(refused.value).startswith(message)


def test_a_file_without_its_columns_is_refused() -> None:
    with pytest.raises(PriceDataError, match="f: the first line must name the columns provider"):
        read_rows("provider,model\nacme,m\n", file="f")


def test_a_leap_that_was_checked_is_taken() -> None:
    text = (
        f"{HEADER},note\n{row('2', until='2026-02-01')},\n"
        f"{row('2000', since='2026-02-01')},checked by hand\n"
    )

    assert len(read_rows(text, file="f")) == 2


@pytest.mark.parametrize(
    "line",
    ["acme,m,mood=good,tokens,2,,,page,u,d", "acme,m,batch,smiles,2,,,page,u,d"],
)
def test_an_unreadable_factor_is_refused(line: str) -> None:
    header = "provider,model,context,metrics,factor,valid_from,valid_to,certainty,source,read_on"

    with pytest.raises(PriceDataError, match=r"factors.csv:2: unknown context or metric"):
        read_factors(f"{header}\n{line}\n")


def test_every_shipped_row_names_its_source_and_its_dates() -> None:
    for folder in ("prices", "history"):
        rows, price_set = load_rows(folder)

        assert price_set.rows == len({(row.provider, row.model) for row in rows})
        assert all(row.price.source for row in rows)
        dates = {day for row in rows for day in (row.valid_from, row.valid_to) if day}
        assert all(datetime.fromisoformat(day) for day in dates)


def shipped_records(pattern: str) -> list[dict[str, str]]:
    data = Path(shipped_prices.__file__).parent / "data"
    return [
        {"file": path.name, **record}
        for path in sorted(data.glob(pattern))
        for record in csv.DictReader(path.read_text("utf-8").splitlines())
    ]


@pytest.mark.parametrize("pattern", ["factors.csv", "prices/*.csv"])
def test_a_row_was_read_on_a_day_unless_it_is_from_memory(pattern: str) -> None:
    records = shipped_records(pattern)

    assert records
    for record in records:
        assert bool(record["read_on"]) is (record["source"] != FROM_MEMORY), record
        if record["certainty"] == "page":
            assert record["source"].startswith("https://"), record


@pytest.mark.parametrize("pattern", ["factors.csv", "prices/*.csv", "history/*.csv"])
def test_a_row_from_memory_is_an_estimate(pattern: str) -> None:
    remembered = [row for row in shipped_records(pattern) if "memory" in row["source"]]

    assert remembered
    assert {(row["source"], row["certainty"]) for row in remembered} == {(FROM_MEMORY, "estimated")}


@pytest.mark.parametrize("pattern", ["prices/*.csv", "history/*.csv"])
def test_a_row_stands_in_the_file_of_its_provider(pattern: str) -> None:
    records = shipped_records(pattern)

    assert {f"{record['provider']}.csv" for record in records} == {r["file"] for r in records}
    assert all(record["file"] == f"{record['provider']}.csv" for record in records)


def test_rows_that_outrank_the_catalogue_name_a_page_or_an_announcement() -> None:
    rows, _ = load_rows("prices")

    pages = [row for row in rows if row.price.source.startswith("https://")]
    assert len(pages) > 300
    assert load_known_models()
    assert load_factors().find(("anthropic",), ["claude-opus-5"], "place", "us")


def shipped(*lines: str, header: str = HEADER) -> ShippedPrices:
    rows = read_rows("\n".join((header, *lines)), file="f")
    return ShippedPrices(lambda provider: rows, ["acme"], PriceSet("spantoll", "", "s", 1, ""))


@pytest.mark.parametrize(
    ("provider", "model", "at", "tokens", "usd_per_million"),
    [
        # The alias moved to a cheaper model, and the catalogue did not.
        ("mistral_ai", "mistral-large-latest", "2025-12-01T23:59", 1_000, ("2", "6")),
        ("mistral_ai", "mistral-large-latest", "2025-12-02T00:00", 1_000, ("0.5", "1.5")),
        # Vertex AI asks more than the Gemini API, whose list the two share.
        ("gcp.vertex_ai", "gemini-2.0-flash-001", "2026-03-01", 1_000, ("0.15", "0.6")),
        ("gcp.gemini", "gemini-2.0-flash-001", "2026-03-01", 1_000, ("0.1", "0.4")),
        ("x_ai", "grok-4-fast", "2026-03-01", 127_999, ("0.2", "0.5")),
        ("x_ai", "grok-4-fast", "2026-03-01", 128_000, ("0.4", "1")),
        ("x_ai", "grok-4", "2026-05-14T23:59", 1_000, ("3", "15")),
        ("openai", "gpt-5.6-cyber", "2026-10-01", 272_000, ("12.5", "75")),
        ("openai", "gpt-5.6-cyber", "2026-10-01", 272_001, ("25", "112.5")),
        ("azure.ai.openai", "gpt-oss-120b", "2026-10-01", 1_000, ("0.15", "0.6")),
        ("deepseek", "deepseek-v3.2", "2026-01-01", 1_000, ("0.28", "0.42")),
        ("gcp.vertex_ai", "claude-opus-4-8@default", "2026-11-01", 200_001, ("5", "25")),
        ("fireworks", "gpt-oss-20b", "2026-02-03T23:59", 1_000, ("0.05", "0.2")),
        ("fireworks", "gpt-oss-20b", "2026-02-04", 1_000, ("0.07", "0.3")),
        ("x_ai", "grok-4-0709", "2026-03-01", 127_999, ("3", "15")),
        ("x_ai", "grok-4-0709", "2026-03-01", 128_000, ("6", "30")),
    ],
)
def test_rows_correct_what_the_catalogue_has_wrong(
    card: RateCard,
    make_call: CallMaker,
    provider: str,
    model: str,
    at: str,
    tokens: int,
    usd_per_million: tuple[str, str],
) -> None:
    call = make_call(provider, model, at=at, input_tokens=tokens, output_tokens=1_000)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    input_usd, output_usd = map(Decimal, usd_per_million)
    assert answer.input_nano == tokens * input_usd * 1_000
    assert answer.output_nano == 1_000 * output_usd * 1_000
    assert answer.status == "priced"


@pytest.mark.parametrize(
    ("provider", "model", "at", "tokens", "usd_per_million", "reason"),
    [
        ("aws.bedrock", "openai.gpt-5.6-sol", "2026-09-01", 1_000, "4.4", "until 2026-09-20"),
        ("azure.ai.openai", "gpt-5.6-luna", "2026-08-01", 1_000, "1", "until 2026-08-07"),
        ("azure.ai.openai", "gpt-4o", "2024-12-01", 1_000, "2.5", "which version"),
        ("gcp.gemini", "gemini-flash-latest", "2026-03-01", 1_000, "0.3", "the alias moved"),
        ("gcp.gemini", "gemini-2.0-flash-exp", "2025-01-10", 1_000, "0.1", "free of charge"),
        ("aws.bedrock", "eu.amazon.nova-lite-v1:0", "2026-03-01", 1_000, "0.078", "geography"),
        ("aws.bedrock", "openai.gpt-5.5", "2026-10-01", 272_001, "11", "price of long inputs"),
        ("gcp.vertex_ai", "gemini-3.6-flash", "2026-09-01", 1_000, "0.75", "for Vertex AI until"),
        ("x_ai", "grok-4-1-fast", "2026-03-01", 128_000, "0.4", "the catalogue has none"),
        ("mistral_ai", "magistral-medium-latest", "2026-10-01", 1_000, "2", "may have moved"),
        ("mistral_ai", "mistral-large-4", "2026-11-01", 1_000, "0.7", "the price before it"),
        ("x_ai", "grok-4", "2026-05-15", 1_000, "3", "retired this name"),
        ("x_ai", "grok-4", "2026-05-15", 128_000, "6", "retired this name"),
        ("x_ai", "grok-code-fast-1", "2026-10-01", 1_000, "0.2", "retired this name"),
        ("deepseek", "deepseek-r1", "2026-06-01", 1_000, "0.55", "no name of DeepSeek's own"),
        ("anthropic", "claude-sonnet-4-5", "2026-04-30", 200_001, "6", "beta ended"),
        ("perplexity", "sonar-pro", "2025-04-17", 1_000, "3", "request fee of that time"),
        ("openai", "gpt-oss-120b", "2026-06-01", 1_000, "0.039", "price of a reseller"),
        ("azure.ai.openai", "gpt-4o-mini", "2025-06-10", 1_000, "0.15", "until 2025-06-11"),
        ("gcp.gemini", "gemini-pro", "2024-06-01", 1_000, "0.5", "of 1000 characters"),
        ("gcp.vertex_ai", "gemini-1.0-pro", "2024-08-01", 1_000, "0.5", "four to a token"),
        ("gcp.vertex_ai", "gemini-1.5-pro-preview-0409", "2024-06-01", 1_000, "3.5", "memory"),
        ("gcp.gemini", "gemini-flash-latest", "2026-09-15", 1_000, "0.75", "on which it moved"),
        ("together", "Qwen/Qwen3.7-Max", "2026-10-12", 1_000, "2.5", "1.5 and 4.5"),
        ("moonshot_ai", "kimi-k2-turbo-preview", "2025-11-06", 1_000, "2.4", "was cut to 1.15"),
    ],
)
def test_a_price_that_sources_disagree_about_is_estimated(
    card: RateCard,
    make_call: CallMaker,
    provider: str,
    model: str,
    at: str,
    tokens: int,
    usd_per_million: str,
    reason: str,
) -> None:
    call = make_call(provider, model, at=at, input_tokens=tokens)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.input_nano == tokens * Decimal(usd_per_million) * 1_000
    assert answer.status == "estimated"
    assert reason in str(answer.reason)


@pytest.mark.parametrize(
    ("at", "status", "nano_of_million"),
    [
        ("2025-07-31", "priced", 310_000_000),
        ("2025-09-01", "estimated", 310_000_000),
        ("2025-11-07", "priced", 125_000_000),
    ],
)
def test_cached_input_of_gemini_cost_a_quarter_until_a_day_not_known(
    card: RateCard, make_call: CallMaker, at: str, status: str, nano_of_million: int
) -> None:
    usage = {"input_tokens": 100_000, "cache_read_tokens": 100_000, "output_tokens": 0}
    call = make_call("gcp.gemini", "gemini-2.5-pro", at=at, **usage)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.status, answer.cost_nano) == (status, nano_of_million // 10)


@pytest.mark.parametrize(
    ("model", "at", "nano", "status"),
    [
        ("gemini-2.5-flash", "2025-07-31", 250_000, "priced"),
        ("gemini-2.5-flash", "2025-09-01", 250_000, "estimated"),
        ("gemini-2.5-flash-lite", "2025-09-01", 125_000, "estimated"),
        ("gemini-2.5-flash", "2025-11-07", 100_000, "priced"),
    ],
)
def test_cached_audio_of_gemini_cost_a_quarter_as_well(
    card: RateCard, make_call: CallMaker, model: str, at: str, nano: int, status: str
) -> None:
    usage = {
        "input_tokens": 1_000,
        "input_audio_tokens": 1_000,
        "cache_read_tokens": 1_000,
        "output_tokens": 0,
        "extra": {"cache_read_audio_tokens": 1_000},
    }

    answer = card.price(make_call("gcp.gemini", model, at=at, **usage))

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, str(answer.status)) == (nano, status)


@pytest.mark.parametrize(
    ("provider", "model", "at", "searches_nano", "status"),
    [
        ("azure.ai.openai", "gpt-5", "2026-11-19T23:59", 28_000_000, "estimated"),
        ("azure.ai.openai", "gpt-5", "2026-11-20", 28_000_000, "priced"),
        ("openai", "gpt-5", "2026-11-20", 20_000_000, "priced"),
        ("gcp.gemini", "gemini-flash-latest", "2026-09-01T23:59", 70_000_000, "estimated"),
    ],
)
def test_a_search_has_the_price_of_its_cloud_and_day(
    card: RateCard,
    make_call: CallMaker,
    provider: str,
    model: str,
    at: str,
    searches_nano: int,
    status: str,
) -> None:
    usage = {"input_tokens": 0, "output_tokens": 0, "extra": {"web_search_requests": 2}}

    answer = card.price(make_call(provider, model, at=at, **usage))

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, str(answer.status)) == (searches_nano, status)


HAIKU, OPUS = "anthropic.claude-haiku-4-5-20251001-v1:0", "anthropic.claude-opus-4-8"


@pytest.mark.parametrize(
    ("model", "region", "nano"),
    [
        (HAIKU, None, 1_100_000),
        (HAIKU, "us-east-1", 1_100_000),
        (HAIKU, "us-gov-west-1", 1_200_000),
        (OPUS, "us-east-1", 5_500_000),
        (OPUS, "us-gov-west-1", 6_000_000),
        (f"us-gov.{OPUS}", None, 6_000_000),
        ("us-gov.openai.gpt-oss-20b-1:0", None, 84_000),
    ],
)
def test_bedrock_asks_more_in_govcloud(
    card: RateCard, make_call: CallMaker, model: str, region: str | None, nano: int
) -> None:
    call = make_call("aws.bedrock", model, region=region, input_tokens=1_000, output_tokens=0)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.status, answer.cost_nano) == ("priced", nano)


@pytest.mark.parametrize(
    ("tier", "status", "usd"),
    [
        ({"batch": True}, "priced", "9.135"),
        ({"service_tier": "flex"}, "priced", "9.135"),
        ({}, "priced", "18.27"),
    ],
)
def test_half_price_of_a_long_request_is_half_of_the_price_of_long_requests(
    card: RateCard, make_call: CallMaker, tier: dict[str, Any], status: str, usd: str
) -> None:
    usage = {"input_tokens": 300_000, "output_tokens": 1_000}
    call = make_call("openai", "gpt-5.5-pro", at="2026-11-01", **usage, **tier)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.status, Decimal(answer.cost_nano).scaleb(-9)) == (status, Decimal(usd))


@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.5-2026-04-23"])
def test_a_long_request_at_a_tier_without_a_price_for_it_is_estimated(
    card: RateCard, make_call: CallMaker, model: str
) -> None:
    usage = {"input_tokens": 300_000, "output_tokens": 1_000}
    call = make_call("openai", model, at="2026-11-01", service_tier="priority", **usage)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.status == "estimated"
    assert "no price of requests above 272,000 tokens" in str(answer.reason)


def test_below_the_first_step_of_its_rows_a_model_is_not_free(make_call: CallMaker) -> None:
    source = shipped(row(context="input_tokens>=200001"))
    card = RateCard((source,), price_set=source.price_set)

    answer = card.price(make_call("acme", "m", input_tokens=1_000))

    assert isinstance(answer, Unpriced)
    assert answer.reason == "no_price_for_units"


def test_the_rows_of_a_provider_are_loaded_once_it_is_asked_for() -> None:
    rows = read_rows(table(row()), file="f")
    loaded: list[str] = []

    def load(provider: str) -> list[ShippedRow]:
        loaded.append(provider)
        return rows

    source = ShippedPrices(load, ["acme", "other"], PriceSet("spantoll", "", "s", 1, ""))
    assert source.knows("other")
    assert not loaded

    found = [source.find(name, "m", Selector()) for name in ("acme", "acme", "nobody")]

    assert [timeline is not None for timeline in found] == [True, True, False]
    assert loaded == ["acme"]


def find_tariff(source: ShippedPrices, context: str = "", at: str = "2026-06-01") -> Tariff | None:
    timeline = source.find("acme", "m", Selector.parse(context))
    assert timeline is not None
    return timeline.value_at(instant_ns(at))


def prices_of(tariff: Tariff, step: int = 0) -> dict[str, Decimal]:
    rate = dict(zip(tariff.steps, tariff.rates, strict=True))[step]
    return {price.metric: price.amount_usd for price in rate.prices}


def test_a_step_takes_over_what_it_does_not_price() -> None:
    source = shipped(row("2"), row("9", metric="output"), row("4", context="input_tokens>=1001"))

    tariff = find_tariff(source)

    assert tariff is not None
    assert tariff.steps == (0, 1001)
    assert prices_of(tariff, 1001) == {"input": Decimal(4), "output": Decimal(9)}


def test_a_row_for_hours_outranks_one_for_every_hour() -> None:
    source = shipped(row("2"), row("4", context="utc=01:00-04:00;days=cn_workdays"))

    at = ["2026-06-01T02:00", "2026-06-01T05:00", "2026-06-06T02:00"]
    tariffs = [find_tariff(source, at=time) for time in at]

    found = [tariff and prices_of(tariff)["input"] for tariff in tariffs]
    assert found == [Decimal(4), Decimal(2), Decimal(2)]


def test_a_row_holds_only_between_its_dates() -> None:
    source = shipped(row("2", since="2026-02-01", until="2026-03-01"))

    held = [find_tariff(source, at=day) is not None for day in ("2026-01-31", "2026-02-01")]

    assert [*held, find_tariff(source, at="2026-03-01") is not None] == [False, True, False]


def test_what_the_higher_list_prices_is_taken_from_it_and_the_rest_from_the_lower() -> None:
    high = find_tariff(shipped(row("2"), row("5", context="input_tokens>=1001")))
    low = find_tariff(shipped(row("7"), row("9", metric="output")))
    assert high is not None
    assert low is not None

    merged = merge_tariffs(high, low)

    assert prices_of(merged) == {"input": Decimal(2), "output": Decimal(9)}
    assert prices_of(merged, 1001) == {"input": Decimal(5), "output": Decimal(9)}


def test_a_price_above_a_step_alone_leaves_the_lower_list_below_it() -> None:
    high = find_tariff(shipped(row("5", context="input_tokens>=1001")))
    low = find_tariff(shipped(row("2")))
    assert high is not None
    assert low is not None

    merged = merge_tariffs(high, low)

    assert (prices_of(merged), prices_of(merged, 1001)) == (
        {"input": Decimal(2)},
        {"input": Decimal(5)},
    )


@pytest.mark.parametrize(
    ("day", "holds"), [("2026-01-31", False), ("2026-02-01", True), ("2026-03-01", False)]
)
def test_a_factor_holds_between_its_dates(day: str, holds: bool) -> None:
    factor = Factor(
        "acme",
        "*",
        "batch",
        "",
        frozenset({"input"}),
        Decimal("0.5"),
        "2026-02-01",
        "2026-03-01",
        "",
    )

    assert factor.holds(instant_ns(day)) is holds
    assert Factors([factor]).find(("acme",), ["m"], "batch", "") == [factor]


def test_a_factor_scales_the_prices_it_names() -> None:
    prices = [UnitPrice("input", Decimal(2), 1_000_000), UnitPrice("requests", Decimal(3), 1_000)]
    tariff = Tariff((make_rate("acme", "m", prices, source="catalogue"),), (0,))
    factor = Factor("acme", "*", "batch", "", frozenset({"input"}), Decimal("0.5"), "", "", PAGE)

    scaled = apply_factor(tariff, factor)

    assert prices_of(scaled) == {"input": Decimal(1), "requests": Decimal(3)}
    assert scaled.rates[0].context == "batch"


def test_a_factor_in_doubt_makes_the_prices_it_scales_doubtful() -> None:
    header = "provider,model,context,metrics,factor,valid_from,valid_to,certainty,source,note"
    (factor,) = read_factors(f"{header}\nacme,*,batch,input,0.5,,,estimated,{PAGE},a guess\n").rows
    prices = [UnitPrice("input", Decimal(2), 1_000_000), UnitPrice("output", Decimal(3), 1_000_000)]
    tariff = Tariff((make_rate("acme", "m", prices, source="catalogue"),), (0,))

    (rate,) = apply_factor(tariff, factor).rates

    assert {price.metric: price.doubt for price in rate.prices} == {
        "input": "a guess",
        "output": "",
    }


@pytest.mark.parametrize(
    ("model", "nano"), [("gpt-3.5-turbo-1106", 1_000_000), ("gpt-3.5-turbo-0125", 250_000)]
)
def test_a_model_whose_batch_has_no_discount_costs_its_list_price(
    model: str, nano: int, card: RateCard, make_call: CallMaker
) -> None:
    call = make_call("openai", model, at="2025-11-12", input_tokens=1_000, batch=True)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.cost_nano == nano


@pytest.mark.parametrize(
    ("usage", "status", "reason"),
    [
        ({"input_tokens": 1_000, "output_tokens": 0}, "priced", None),
        ({"input_tokens": 1_000, "output_tokens": 10}, "estimated", "a guess"),
    ],
)
def test_an_estimated_price_makes_only_the_costs_it_is_part_of_estimates(
    usage: dict[str, int], status: str, reason: str | None, make_call: CallMaker
) -> None:
    lines = (f"{row()},", f"{row(metric='output', certainty='estimated')},a guess")
    source = shipped(*lines, header=f"{HEADER},note")
    card = RateCard((source,), price_set=source.price_set)

    answer = card.price(make_call("acme", "m", at="2026-06-01", **usage))

    assert isinstance(answer, Priced)
    assert (answer.status, answer.reason) == (status, reason)


def test_a_price_of_nothing_that_is_an_estimate_is_not_free(make_call: CallMaker) -> None:
    source = shipped(f"{row('0', certainty='estimated')},a guess", header=f"{HEADER},note")
    card = RateCard((source,), price_set=source.price_set)

    answer = card.price(make_call("acme", "m", at="2026-06-01", input_tokens=1_000))

    assert isinstance(answer, Priced)
    assert (answer.status, answer.cost_nano, answer.reason) == ("estimated", 0, "a guess")


@pytest.mark.parametrize(
    ("provider", "model", "context", "status"),
    [
        ("openai", "gpt-5-mini", {"service_tier": "priority"}, "priced"),
        ("azure.ai.openai", "gpt-4o-2024-11-20", {"deployment_type": "DataZoneStandard"}, "priced"),
        ("azure.ai.openai", "gpt-4.1-mini", {"deployment_type": "Standard"}, "estimated"),
    ],
)
def test_a_factor_that_nobody_confirmed_makes_an_estimate(
    provider: str,
    model: str,
    context: dict[str, str],
    status: str,
    card: RateCard,
    make_call: CallMaker,
) -> None:
    call = make_call(
        provider, model, at="2026-11-12", input_tokens=1_000, output_tokens=10, **context
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.status == status


def card_with_user_price(usd: str) -> RateCard:
    price = UnitPrice("input", Decimal(usd), 1_000_000)
    return load_rate_card([make_rate("openai", "gpt-4.1", [price], source="user")])


def test_a_users_plain_row_does_not_hide_the_lists_batch_row(make_call: CallMaker) -> None:
    card = card_with_user_price("9")

    calls = [make_call("openai", "gpt-4.1", input_tokens=1_000, batch=b) for b in (False, True)]
    answers = [card.price(call) for call in calls]

    assert [a.cost_nano for a in answers if isinstance(a, Priced)] == [9_000_000, 1_000_000]


def test_a_users_row_is_scaled_where_the_list_has_no_row_of_the_context(
    make_call: CallMaker,
) -> None:
    price = UnitPrice("input", Decimal(9), 1_000_000)
    card = load_rate_card([make_rate("x_ai", "grok-4.6", [price], source="user")])
    call = make_call("x_ai", "grok-4.6", input_tokens=1_000, server_address="us.api.x.ai")

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.source) == (9_900_000, "user")


def test_a_model_the_shipped_rows_alone_know_has_its_price_and_no_other(
    card: RateCard, make_call: CallMaker
) -> None:
    known = card.price(make_call("fal", "gpt-image-2", images=1, operation="image_generation"))
    other = card.price(make_call("fal", "gpt-image-9", images=1, operation="image_generation"))

    assert [a.reason for a in (known, other) if isinstance(a, Unpriced)] == [
        "no_price_for_units",
        "unknown_model",
    ]


def test_the_models_of_merged_lists_are_those_of_each() -> None:
    prices, history = ShippedPrices.open_folder("prices"), ShippedPrices.open_folder("history")
    catalogue = GenaiPrices.installed()

    merged = PriceLists(prices, catalogue, history, load_factors())

    each = (prices, catalogue, history)
    assert set(merged.list_models()) == {name for part in each for name in part.list_models()}
