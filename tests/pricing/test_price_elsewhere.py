"""A model that only another provider's price list has, where no host says who was called."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spantoll.pricing import Priced, RateCard, Unpriced
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
    ("provider", "model", "more"),
    [
        ("openai", "deepseek-chat", {"server_address": "llm.internal"}),
        ("openai", "deepseek/deepseek-chat", {}),
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
