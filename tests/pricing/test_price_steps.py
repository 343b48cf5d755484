"""What calls of much used models cost in the last second before a change of price, and after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from spantoll.pricing import Priced, RateCard
from spantoll.semconv.call import ModelCall

CallMaker = Callable[..., ModelCall]

STEPS = [
    # Provider, model, input tokens of which a quarter is cached, the day, and USD per million of
    # input, cached input and output before and from that day on.
    ("openai", "gpt-4o", 1_000, "2024-10-02", "5 1.25 15", "2.5 1.25 10"),
    ("openai", "gpt-3.5-turbo", 1_000, "2024-02-16", "1.5 1.5 2", "0.5 0.5 1.5"),
    ("openai", "o1-mini", 1_000, "2025-01-31", "3 1.5 12", "1.1 0.55 4.4"),
    ("openai", "o3", 1_000, "2025-06-10", "10 2.5 40", "2 0.5 8"),
    ("openai", "gpt-5.6-luna", 1_000, "2026-07-30", "1 0.1 6", "0.2 0.02 1.2"),
    ("openai", "gpt-5.6-terra", 1_000, "2026-07-30", "2.5 0.25 15", "2 0.2 12"),
    ("openai", "gpt-5.6-sol", 1_000, "2026-08-21", "5 0.5 30", "4 0.4 20"),
    ("openai", "gpt-5.6-sol", 272_004, "2026-08-21", "10 1 45", "8 0.8 30"),
    ("azure.ai.openai", "gpt-5.6-sol", 1_000, "2026-09-01", "5 0.5 30", "4 0.4 20"),
    ("anthropic", "claude-3-5-haiku-20241022", 1_000, "2024-12-03", "1 0.1 5", "0.8 0.08 4"),
    ("anthropic", "claude-sonnet-4-20250514", 200_004, "2025-08-12", "3 0.3 15", "6 0.6 22.5"),
    ("anthropic", "claude-sonnet-4-20250514", 200_004, "2026-04-30", "6 0.6 22.5", "3 0.3 15"),
    ("anthropic", "claude-sonnet-4-6", 200_004, "2026-03-13", "6 0.6 22.5", "3 0.3 15"),
    ("anthropic", "claude-opus-4-6", 200_004, "2026-03-13", "10 1 37.5", "5 0.5 25"),
    ("anthropic", "claude-sonnet-5", 1_000, "2026-09-01", "2 0.2 10", "2 0.2 10"),
    ("anthropic", "claude-sonnet-5-5", 1_000, "2026-10-07", "2 0.2 10", "2 0.1 10"),
    ("gcp.gemini", "gemini-3.6-flash", 1_000, "2026-08-13", "1.5 0.15 7.5", "0.75 0.075 3.75"),
    ("gcp.gemini", "gemini-3.6-flash", 1_000, "2027-01-01", "0.75 0.075 3.75", "1.5 0.15 7.5"),
    ("gcp.gemini", "gemini-4-argon", 1_000, "2026-12-01", "2 0.1 10", "4 0.2 20"),
    ("mistral_ai", "mistral-medium-latest", 1_000, "2026-06-16", "0.4 0.04 2", "1.5 0.15 7.5"),
    ("deepseek", "deepseek-chat", 1_000, "2025-02-08T16:00", "0.14 0.014 0.28", "0.27 0.07 1.1"),
    ("deepseek", "deepseek-chat", 1_000, "2025-09-05T16:00", "0.27 0.07 1.1", "0.56 0.07 1.68"),
    ("deepseek", "deepseek-chat", 1_000, "2025-09-29", "0.56 0.07 1.68", "0.28 0.028 0.42"),
    ("deepseek", "deepseek-v4-pro", 4_000, "2026-04-25", "1.74 0.145 3.48", "0.435 0.03625 0.87"),
    ("x_ai", "grok-4.20", 1_000, "2026-04-30", "2 0.2 6", "1.25 0.2 2.5"),
    ("x_ai", "grok-4.5", 1_000, "2026-07-20", "2 0.5 6", "2 0.3 6"),
    ("x_ai", "grok-4.5", 200_000, "2026-07-20", "4 1 12", "4 0.6 12"),
    ("groq", "openai/gpt-oss-120b", 1_000, "2025-11-11", "0.15 0.075 0.75", "0.15 0.075 0.6"),
]


def last_second_before(instant: str) -> str:
    return (datetime.fromisoformat(instant) - timedelta(seconds=1)).isoformat()


@pytest.mark.parametrize(("provider", "model", "tokens", "instant", "before", "after"), STEPS)
def test_a_price_changes_on_its_day(
    card: RateCard,
    make_call: CallMaker,
    provider: str,
    model: str,
    tokens: int,
    instant: str,
    before: str,
    after: str,
) -> None:
    cached = tokens // 4
    usage = {"input_tokens": tokens, "cache_read_tokens": cached, "output_tokens": 1_000}

    for at, prices in ((last_second_before(instant), before), (instant, after)):
        answer = card.price(make_call(provider, model, at=at, **usage))

        fresh_usd, cached_usd, output_usd = map(Decimal, prices.split())
        micros = (tokens - cached) * fresh_usd + cached * cached_usd + 1_000 * output_usd
        assert isinstance(answer, Priced)
        assert (answer.status, Decimal(answer.cost_nano)) == ("priced", micros * 1_000), at
