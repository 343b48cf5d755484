from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from spantoll.pricing import Priced, RateCard
from spantoll.pricing.arithmetic import nano_usd
from spantoll.semconv.call import ModelCall


def test_cached_tokens_are_not_charged_twice(
    card: RateCard, make_call: Callable[..., ModelCall]
) -> None:
    call = make_call(
        "openai", "gpt-4o", input_tokens=2006, cache_read_tokens=1920, output_tokens=300
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.cost_nano == nano_usd(Decimal("0.005615"))
