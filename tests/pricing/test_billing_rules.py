"""The billing rules R1 to R21, each by its name.

R16 (count every call once) and R21 (averages are sums over counts) are decided after pricing, in
`pipeline` and `query`; here is what they need of a price. The other rules are pricing's own.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from spantoll.pricing import Priced, PricingStatus, RateCard, UnitPrice, Unpriced, load_rate_card
from spantoll.pricing.tariff import make_rate
from spantoll.semconv.call import BILLABLE_ROLES, ModelCall, ReportedCost
from tests.semconv.spans import OTEL, read_call

CallMaker = Callable[..., ModelCall]
GEO = "anthropic.claude-sonnet-4-5-20250929-v1:0"


class Rule(NamedTuple):
    text: str
    provider: str
    model: str
    call: dict[str, Any]
    usd: str
    status: PricingStatus = "priced"


RULES = [
    Rule(
        "R1 totals contain their parts",
        "openai",
        "gpt-4o",
        {"input_tokens": 1_000, "cache_read_tokens": 400, "output_tokens": 100},
        "0.003",
    ),
    Rule(
        "R2 a part larger than its total is priced, and doubted",
        "openai",
        "gpt-4o",
        {"input_tokens": 100, "cache_read_tokens": 200, "output_tokens": 0},
        "0.00025",
        "estimated",
    ),
    Rule(
        "R3 Anthropic's cache: read 0.1, five minutes 1.25, one hour 2 times the input",
        "anthropic",
        "claude-sonnet-4-5",
        {
            "input_tokens": 3_000,
            "cache_read_tokens": 1_000,
            "cache_write_tokens": 2_000,
            "cache_write_1h_tokens": 1_000,
            "output_tokens": 0,
        },
        "0.01005",
    ),
    Rule(
        "R3 the factors are data: Fable 5.1 reads at 0.025",
        "anthropic",
        "claude-fable-5-1",
        {"input_tokens": 1_000, "cache_read_tokens": 1_000, "output_tokens": 0},
        "0.00025",
    ),
    Rule(
        "R4 reasoning is output, billed once",
        "openai",
        "o3",
        {"input_tokens": 0, "output_tokens": 1_000, "reasoning_tokens": 900},
        "0.008",
    ),
    Rule(
        "R5 audio without a price is not text",
        "openai",
        "gpt-4o",
        {"input_tokens": 100, "input_audio_tokens": 80, "output_tokens": 0},
        "0.00005",
        "partial",
    ),
    Rule(
        "R6 the whole request pays the long-context price, above 200,000",
        "gcp.gemini",
        "gemini-2.5-pro",
        {"input_tokens": 200_001, "output_tokens": 0},
        "0.5000025",
    ),
    Rule(
        "R6 and not at 200,000",
        "gcp.gemini",
        "gemini-2.5-pro",
        {"input_tokens": 200_000, "output_tokens": 0},
        "0.25",
    ),
    Rule(
        "R6 xAI's threshold is inclusive",
        "x_ai",
        "grok-4.3",
        {"input_tokens": 200_000, "output_tokens": 0},
        "0.5",
    ),
    Rule(
        "R7 a batch halves tokens and not searches",
        "anthropic",
        "claude-sonnet-4-5",
        {
            "input_tokens": 1_000,
            "output_tokens": 100,
            "batch": True,
            "extra": {"web_search_requests": 1},
        },
        "0.01225",
    ),
    Rule(
        "R8 the tier of the response is billed",
        "openai",
        "gpt-5-nano",
        {
            "input_tokens": 1_000,
            "output_tokens": 0,
            "service_tier": "default",
            "service_tier_requested": "priority",
        },
        "0.00005",
    ),
    Rule(
        "R10 a geographic profile of Bedrock costs a tenth more",
        "aws.bedrock",
        f"us.{GEO}",
        {"input_tokens": 1_000, "output_tokens": 0},
        "0.0033",
    ),
    Rule(
        "R10 so does the region itself",
        "aws.bedrock",
        GEO,
        {"input_tokens": 1_000, "output_tokens": 0},
        "0.0033",
    ),
    Rule(
        "R10 the global profile does not",
        "aws.bedrock",
        f"global.{GEO}",
        {"input_tokens": 1_000, "output_tokens": 0},
        "0.003",
    ),
    Rule(
        "R11 all output of an image endpoint is images",
        "openai",
        "gpt-image-1.5",
        {"input_tokens": 23, "output_tokens": 1_056, "operation": "image_generation"},
        "0.033907",
    ),
    Rule(
        "R12 Groq bills ten seconds at least",
        "groq",
        "whisper-large-v3",
        {"audio_ms": 3_000, "operation": "transcription"},
        "0.000308333",
    ),
    Rule(
        "R13 a request has a price, also without tokens",
        "perplexity",
        "sonar-pro",
        {"input_tokens": 0, "output_tokens": 0, "requests": 3, "search_context_size": "low"},
        "0.018",
    ),
    Rule("R14 free is an explicit zero", "ollama", "llama3.1", {"input_tokens": 9}, "0", "free"),
    Rule(
        "R14 a part without a price makes the cost a lower bound",
        "openai",
        "gpt-4",
        {"input_tokens": 1_000, "output_tokens": 0, "images": 2},
        "0.03",
        "partial",
    ),
    Rule("R15 a refused call costs nothing", "openai", "gpt-4o", {"status": "error"}, "0", "free"),
    Rule(
        "R19 a price begins at the start of its first day",
        "openai",
        "o3",
        {"input_tokens": 1_000, "output_tokens": 0, "at": "2025-06-10"},
        "0.002",
    ),
    Rule(
        "R19 and ends before its last",
        "openai",
        "o3",
        {"input_tokens": 1_000, "output_tokens": 0, "at": "2025-06-09T23:59:59"},
        "0.01",
    ),
    Rule(
        "R19 an hour's price is that of the start",
        "deepseek",
        "deepseek-v4-pro",
        {"input_tokens": 1_000, "output_tokens": 0, "at": "2026-11-12T03:59:59"},
        "0.00132",
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.text)
def test_a_billing_rule_holds(rule: Rule, card: RateCard, make_call: CallMaker) -> None:
    call = make_call(rule.provider, rule.model, **rule.call)

    answer = card.price(call)

    assert isinstance(answer, Priced), answer
    assert (Decimal(answer.cost_nano).scaleb(-9), answer.status) == (Decimal(rule.usd), rule.status)


def test_r9_the_figure_of_provider_or_gateway_is_billed_and_ours_is_kept(
    card: RateCard, make_call: CallMaker
) -> None:
    reported = ReportedCost(Decimal("0.5"), "USD", "gateway")
    call = make_call(
        "openrouter", "openai/gpt-4o", input_tokens=1_000, output_tokens=0, reported_cost=reported
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.catalogue_nano) == (500_000_000, 2_500_000)


def test_r9_xais_ticks_on_a_span_are_the_bill(card: RateCard) -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "x_ai",
        "gen_ai.request.model": "grok-4.6",
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.cost_in_usd_ticks": 37_756_000,
    }

    answer = card.price(read_call(OTEL, attributes))

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.source) == (3_775_600, "reported")
    assert answer.catalogue_nano == 2_600_000


def test_r10_an_application_profile_does_not_say_its_model(
    card: RateCard, make_call: CallMaker
) -> None:
    profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1"
    call = make_call("aws.bedrock", profile, input_tokens=1)

    assert isinstance(card.price(call), Unpriced)


def test_r14_an_unknown_model_has_no_cost(card: RateCard, make_call: CallMaker) -> None:
    answer = card.price(make_call("openai", "gpt-77", input_tokens=1, output_tokens=1))

    assert isinstance(answer, Unpriced)


def test_r14_a_default_price_makes_an_estimate(make_call: CallMaker) -> None:
    price = UnitPrice("input", Decimal("0.5"), 1_000_000)
    card = load_rate_card([make_rate("openrouter", "*", [price], source="default")])

    answer = card.price(make_call("openrouter", "no/such-model", input_tokens=1_000))

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.status) == (500_000, "estimated")


def test_r15_usage_that_is_missing_is_not_zero(card: RateCard, make_call: CallMaker) -> None:
    answer = card.price(make_call("openai", "gpt-4o"))

    assert isinstance(answer, Unpriced)
    assert answer.reason == "no_usage"


def test_r16_what_repeats_its_children_is_not_billable() -> None:
    assert {"inference", "embedding", "media"} == BILLABLE_ROLES


@pytest.mark.parametrize(
    ("tokens", "nano"), [(1, 4), (2, 7), (4, 14), (12, 44), (1_000_000, 3_625_000)]
)
def test_r17_money_is_rounded_half_even_once_per_line(
    tokens: int, nano: int, make_call: CallMaker
) -> None:
    # 3.625 nano-USD a token: 4 x 3.625 = 14.5 goes to 14, 12 x 3.625 = 43.5 to 44.
    price = UnitPrice("input", Decimal("0.003625"), 1_000_000)
    card = load_rate_card([make_rate("acme", "m", [price], source="user")])

    answer = card.price(make_call("acme", "m", input_tokens=tokens))

    assert isinstance(answer, Priced)
    assert answer.cost_nano == nano


def test_r18_a_figure_in_another_currency_is_not_taken_for_usd(
    card: RateCard, make_call: CallMaker
) -> None:
    call = make_call(
        "openai",
        "gpt-4o",
        input_tokens=1_000,
        output_tokens=0,
        reported_cost=ReportedCost(Decimal(9), "EUR", "provider"),
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.source) == (2_500_000, "catalogue")


def test_r20_a_cost_names_the_row_the_set_and_the_context(
    card: RateCard, make_call: CallMaker
) -> None:
    call = make_call("openai", "gpt-5-nano", input_tokens=1_000, service_tier="flex")

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.rate is not None
    assert answer.rate.rate_id > 0
    assert answer.rate.context == "service_tier=flex"
    assert answer.rate.price_set == card.price_set.sha256


def test_r21_a_call_without_a_price_leaves_a_sum_and_its_count(
    card: RateCard, make_call: CallMaker
) -> None:
    calls = [make_call("openai", model, input_tokens=1_000) for model in ("gpt-4o", "gpt-77")]

    priced = [answer for answer in map(card.price, calls) if isinstance(answer, Priced)]

    assert sum(answer.cost_nano for answer in priced) / len(priced) == 2_500_000
