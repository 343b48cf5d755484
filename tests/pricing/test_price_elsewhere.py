"""A model that only another provider's price list has, where no host says who was called."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from spantoll.pricing import Priced, RateCard, Unpriced, UserPricing, load_rate_card
from spantoll.pricing.elsewhere import COMPATIBLE
from spantoll.pricing.names import list_spellings
from spantoll.pricing.own_prices import read_own_price
from spantoll.pricing.selector import Selector
from spantoll.pricing.table import RateTable
from spantoll.pricing.tariff import make_rate
from spantoll.semconv.call import ModelCall

CallMaker = Callable[..., ModelCall]


@pytest.mark.parametrize(
    ("provider", "model", "seller"),
    [
        ("openai", "deepseek-chat", "deepseek"),
        ("openai", "llama-3.3-70b-versatile", "groq"),
        ("openai", "sonar-pro", "perplexity"),
        ("anthropic", "deepseek-chat", "deepseek"),
    ],
)
def test_a_model_of_one_other_list_is_priced_there_as_an_estimate(
    provider: str, model: str, seller: str, card: RateCard, make_call: CallMaker
) -> None:
    used = {"input_tokens": 1_000, "output_tokens": 1_000}

    answer = card.price(make_call(provider, model, **used))

    own = card.price(make_call(seller, model, **used))
    assert isinstance(answer, Priced)
    assert isinstance(own, Priced)
    assert (answer.status, answer.cost_nano) == ("estimated", own.cost_nano)
    assert f"priced at the only list that has it: {seller}" in (answer.reason or "")


@pytest.mark.parametrize(
    ("provider", "model", "maker"),
    [
        ("openai", "claude-sonnet-4-5", "anthropic"),
        ("openai", "gemini-2.5-flash", "gcp.gemini"),
        ("anthropic", "gpt-4o", "openai"),
    ],
)
def test_a_closed_model_behind_a_proxy_has_the_price_of_its_maker_as_an_estimate(
    provider: str, model: str, maker: str, card: RateCard, make_call: CallMaker
) -> None:
    used = {"input_tokens": 1_000, "output_tokens": 1_000}

    answer = card.price(make_call(provider, model, server_address="llm.internal", **used))

    own = card.price(make_call(maker, model, **used))
    assert isinstance(answer, Priced)
    assert isinstance(own, Priced)
    assert (answer.status, answer.cost_nano) == ("estimated", own.cost_nano)
    assert f"priced at the list of its maker: {maker}" in (answer.reason or "")


@pytest.mark.parametrize("host", ["llm.internal", None])
@pytest.mark.parametrize(
    ("provider", "model", "seller"),
    [
        ("openai", "anthropic/claude-sonnet-4-5", "anthropic"),
        ("openai", "vertex_ai/gemini-2.5-flash", "gcp.vertex_ai"),
        ("openai", "openrouter/anthropic/claude-sonnet-4.5", "openrouter"),
        ("openai", "azure/gpt-4o", "azure.ai.openai"),
        ("openai", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"),
        ("openai", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws.bedrock"),
        ("anthropic", "openai/gpt-4o", "openai"),
    ],
)
def test_a_closed_model_has_the_price_of_the_provider_in_its_name_as_an_estimate(
    provider: str, model: str, seller: str, host: str | None, card: RateCard, make_call: CallMaker
) -> None:
    used = {"input_tokens": 1_000, "output_tokens": 1_000}

    answer = card.price(make_call(provider, model, server_address=host, **used))

    own = card.price(make_call(seller, model, **used))
    assert isinstance(answer, Priced)
    assert isinstance(own, Priced)
    assert (answer.status, answer.cost_nano) == ("estimated", own.cost_nano)
    assert "priced at the list its name says" in (answer.reason or "")


@pytest.mark.parametrize(
    ("provider", "model", "more"),
    [
        ("openai", "meta-llama/Llama-3.3-70B-Instruct", {"server_address": "llm.internal"}),
        ("openai", "groq/llama-3.3-70b-versatile", {"server_address": "llm.internal"}),
        ("openai", "google/gemma-3-27b-it", {"server_address": "llm.internal"}),
        ("openai", "mistralai/Mistral-7B-Instruct-v0.3", {"server_address": "llm.internal"}),
        ("openai", "us.meta.llama3-3-70b-instruct-v1:0", {"server_address": "llm.internal"}),
        ("openai", "openai/gpt-oss-120b", {"server_address": "llm.internal"}),
        ("openai", "gpt-oss-120b", {"server_address": "localhost"}),
        ("openai", "azure/my-deployment", {"server_address": "llm.internal"}),
        ("openai", "deepseek-chat", {"server_address": "llm.internal"}),
        ("openai", "deepseek/deepseek-chat", {}),
        ("openai", "claude-imaginary", {"server_address": "llm.internal"}),
        ("openai", "gpt-oss-120b-imaginary", {}),
        ("openai", "deepseek-chat-imaginary", {}),
        ("azure.ai.openai", "my-deployment", {}),
        ("gcp.gemini", "deepseek-chat", {}),
    ],
)
def test_a_model_is_not_priced_elsewhere_where_that_would_be_a_guess(
    provider: str, model: str, more: dict[str, str], card: RateCard, make_call: CallMaker
) -> None:
    call = make_call(provider, model, input_tokens=1_000, output_tokens=1_000, **more)

    assert isinstance(card.price(call), Unpriced)


def test_what_a_source_finds_is_among_the_names_it_lists(card: RateCard) -> None:
    sources = list(card.list_sources())
    names = sorted({model for source in sources for _, model in source.list_models()})
    sample = [name for name in Random(7).sample(names, 400) if not {"/", ":"} & set(name)]

    for source in sources:
        listed = source.list_names(COMPATIBLE)
        unlisted = [
            (provider, name)
            for provider in COMPATIBLE
            for name in sample
            if source.find(provider, name, Selector()) is not None
            and not (listed is None or listed & {name.lower(), *list_spellings("", name)})
        ]

        assert unlisted == []


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("only-here", frozenset({"only-here"})),
        ("prefix:only-here", None),
        ("pattern:*here*", None),
        ("*", None),
    ],
)
def test_own_row_of_another_provider_prices_what_no_list_has(
    row: str, names: frozenset[str] | None, make_call: CallMaker
) -> None:
    own = read_own_price(
        {"provider": "groq", "model": row, "metric": "input", "amount": "2", "per": "1M"}, "row 1"
    )
    card = load_rate_card(user=UserPricing(prices=(own,)))
    lists = [source.list_names(["groq"]) for source in card.list_sources()]

    answer = card.price(make_call("openai", "only-here", input_tokens=1_000, output_tokens=0))

    assert names in lists
    assert isinstance(answer, Priced)
    assert "groq" in (answer.reason or "")


def test_rows_given_one_by_one_list_their_names() -> None:
    rates = [make_rate("groq", "Mine", (), source="user"), make_rate("x_ai", "*", (), source="u")]
    table = RateTable(rates, source="user")

    assert table.list_names(["groq"]) == frozenset({"mine"})
    assert table.list_names(["groq", "x_ai"]) is None
