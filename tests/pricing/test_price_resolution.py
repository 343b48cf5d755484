"""Which row prices a call: by name, provider, tier, hour and date, and why none does."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from spantoll.pricing import Priced, RateCard, Unpriced
from spantoll.semconv.call import ModelCall

CallMaker = Callable[..., ModelCall]

# (provider, model) to the input and output price per million tokens; None where there is none.
PRICES = {
    ("openai", "gpt-4o"): ("2.5", "10"),
    ("openai", "gpt-4o-mini"): ("0.15", "0.6"),
    ("openai", "gpt-4o-2024-05-13"): ("5", "15"),
    ("openai", "gpt-4"): ("30", "60"),
    ("openai", "gpt-4.1"): ("2", "8"),
    ("openai", "gpt-5"): ("1.25", "10"),
    ("openai", "gpt-5-mini"): ("0.25", "2"),
    ("openai", "gpt-5.2"): ("1.75", "14"),
    ("openai", "o3"): ("2", "8"),
    ("openai", "o4-mini"): ("1.1", "4.4"),
    ("openai", "gpt-4o-audio-preview"): ("2.5", "10"),
    ("anthropic", "claude-3-5-sonnet-20241022"): ("3", "15"),
    ("anthropic", "claude-3-haiku-20240307"): ("0.25", "1.25"),
    ("anthropic", "claude-sonnet-4-20250514"): ("3", "15"),
    ("anthropic", "claude-sonnet-4-5-20250929"): ("3", "15"),
    ("anthropic", "claude-sonnet-4-5"): ("3", "15"),
    ("anthropic", "claude-opus-4-1-20250805"): ("15", "75"),
    ("anthropic", "claude-opus-4-5-20251101"): ("5", "25"),
    ("anthropic", "claude-haiku-4-5-20251001"): ("1", "5"),
    ("gcp.gemini", "gemini-1.5-flash"): ("0.075", "0.3"),
    ("gcp.gemini", "gemini-1.5-pro"): ("1.25", "5"),
    ("gcp.gemini", "gemini-2.0-flash"): ("0.1", "0.4"),
    ("gcp.gen_ai", "gemini-2.5-flash"): ("0.3", "2.5"),
    ("gcp.vertex_ai", "gemini-2.5-pro"): ("1.25", "10"),
    ("anthropic", "claude-opus-4-6[1m]"): ("5", "25"),
    ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0[1m]"): ("3.3", "16.5"),
    ("gcp.gemini", "gemini-3-pro-preview"): ("2", "12"),
    ("deepseek", "deepseek-chat"): ("0.15", "0.6"),
    ("deepseek", "deepseek-reasoner"): ("0.15", "0.6"),
    ("groq", "llama-3.1-8b-instant"): ("0.05", "0.08"),
    ("groq", "llama-3.3-70b-versatile"): ("0.59", "0.79"),
    ("cerebras", "llama3.1-8b"): ("0.1", "0.1"),
    ("mistral_ai", "mistral-large-latest"): ("0.5", "1.5"),
    ("mistral_ai", "mistral-small-latest"): ("0.15", "0.6"),
    ("cohere", "command-r-plus-08-2024"): ("2.5", "10"),
    ("cohere", "command-a-03-2025"): ("2.5", "10"),
    ("aws.bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0"): ("3", "15"),
    ("aws.bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"): ("3", "15"),
    ("aws.bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"): ("3.3", "16.5"),
    ("aws.bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0"): ("3", "15"),
    ("aws.bedrock", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2"): (
        None
    ),
    ("aws.bedrock", "amazon.nova-pro-v1:0"): ("0.8", "3.2"),
    ("azure.ai.openai", "gpt-4o"): ("2.5", "10"),
    ("azure.ai.openai", "gpt-4o-2024-08-06"): ("2.5", "10"),
    ("azure.ai.openai", "my-prod-deployment"): None,
    ("openrouter", "anthropic/claude-3.5-sonnet"): ("3", "15"),
    ("openrouter", "openai/gpt-4o"): ("2.5", "10"),
    ("openrouter", "deepseek/deepseek-chat-v3-0324:free"): ("0", "0"),
    ("ollama", "llama3.1"): ("0", "0"),
    ("ollama", "llama3.1:8b"): ("0", "0"),
    ("openai", "gpt-4o-transcribe"): ("6", "10"),
    ("openai", "dall-e-3"): None,
    ("openai", "gpt-image-1"): ("5", "40"),
    ("openai", "gpt-4o-mini-tts"): ("0.6", "12"),
    ("openai", "gpt-9-unknown"): None,
    ("openai", "gpt-4o-imaginary"): None,
    ("openai", "ft:gpt-4o-2024-08-06:acme::abc123"): ("3.75", "15"),
    ("openai", "gpt-4-vision-preview"): ("10", "30"),
    # Ours beyond the table: boundaries, prefixes and regions.
    ("openai", "gpt-4.1-20250414"): ("2", "8"),
    ("openai", "ft:gpt-4.1-2025-04-14:acme::abc123"): ("3", "12"),
    ("openai", "gpt-4o-mini-2024-07-18.ft-0a1b2c"): ("0.3", "1.2"),
    ("openai", "gpt-5-nano-imaginary"): None,
    ("openai", "openai/gpt-4o"): ("2.5", "10"),
    ("openai", "openai:gpt-4o"): ("2.5", "10"),
    ("openai", "GPT-4o"): ("2.5", "10"),
    ("anthropic", "claude-opus-4-10"): None,
    ("anthropic", "claude-opus-4-1-5"): None,
    ("anthropic", "claude-3-5-sonnet-imaginary"): None,
    ("anthropic", "claude-2.1"): ("8", "24"),
    ("gcp.gemini", "gemini-1.5-flash-8b"): ("0.0375", "0.15"),
    ("gcp.gemini", "gemini-1.5-flash-002"): ("0.075", "0.3"),
    ("gcp.gemini", "gemini-2.5-pro-preview-05-06"): ("1.25", "10"),
    ("gcp.gemini", "gemini-2.5-pro-imaginary"): None,
    ("gcp.gemini", "models/gemini-2.5-flash"): ("0.3", "2.5"),
    ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro"): ("1.25", "10"),
    ("gcp.vertex_ai", "publishers/anthropic/models/claude-sonnet-4-5@20250929"): ("3", "15"),
    ("gcp.gemini", "gemma-3-27b-it"): ("0", "0"),
    ("azure.ai.openai", "my-o4-mini-eu"): None,
    ("azure.ai.inference", "gpt-4o"): ("2.5", "10"),
    ("azure.ai.openai", "azure/gpt-4o"): ("2.5", "10"),
    ("aws.bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"): ("3.3", "16.5"),
    ("aws.bedrock", "anthropic.claude-haiku-4-5"): ("1.1", "5.5"),
    ("aws.bedrock", "anthropic.claude-opus-4-1"): ("15", "75"),
    ("aws.bedrock", "anthropic.claude-opus-4-10"): None,
    ("aws.bedrock", "us.anthropic.claude-sonnet-4-5"): ("3.3", "16.5"),
    ("aws.bedrock", "global.anthropic.claude-sonnet-4-5"): ("3", "15"),
    ("aws.bedrock", "claude-3-5-sonnet-20241022-v2:0"): ("3", "15"),
    ("aws.bedrock", "claude-sonnet-4-20250514-v1:0"): ("3", "15"),
    ("aws.bedrock", "nova-pro-v1:0"): ("0.8", "3.2"),
    ("aws.bedrock", "nova-imaginary-v1:0"): None,
    ("openrouter", "gpt-4o-mini"): ("0.15", "0.6"),
    ("openrouter", "gpt-4o-imaginary"): None,
    ("aws.bedrock", "au.anthropic.claude-sonnet-4-5-20250929-v1:0"): ("3.3", "16.5"),
    ("aws.bedrock", "ca.amazon.nova-lite-v1:0"): ("0.06", "0.24"),
    ("aws.bedrock", "bedrock/us-east-1/anthropic.claude-3-haiku-20240307-v1:0"): ("0.25", "1.25"),
    (
        "aws.bedrock",
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
    ): ("0.25", "1.25"),
    (
        "aws.bedrock",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ): ("3.3", "16.5"),
    ("x_ai", "grok-3"): ("3", "15"),
    ("fireworks_ai", "accounts/fireworks/models/llama-v3p1-8b-instruct"): ("0.2", "0.2"),
    ("together_ai", "meta-llama/Llama-3.3-70B-Instruct-Turbo"): ("0.88", "0.88"),
    ("vllm", "my-own-finetune"): ("0", "0"),
    ("ollama", "gpt-oss:120b-cloud"): None,
    ("huggingface", "meta-llama/Llama-3.3-70B-Instruct:groq"): ("0.59", "0.79"),
    ("huggingface", "meta-llama/Llama-3.3-70B-Instruct"): None,
    ("cerebras", "qwen-3-coder-480b"): ("2", "2"),
    ("openrouter", "google/lyria-3-pro-preview"): None,
    ("litellm", "anthropic/claude-sonnet-4-5"): ("3", "15"),
}


DOUBTED = {
    "deepseek-chat",
    "deepseek-reasoner",
    "gpt-4o-transcribe",
    "gpt-4o-audio-preview",
    "grok-3",
}
"""Retired names that others are billed for, and audio whose share is not reported."""


@pytest.mark.parametrize(("named", "prices"), PRICES.items(), ids=map("/".join, PRICES))
def test_a_model_is_priced_by_its_own_name_or_not_at_all(
    named: tuple[str, str],
    prices: tuple[str, str] | None,
    card: RateCard,
    make_call: CallMaker,
) -> None:
    provider, model = named
    made = {"at": "2026-11-03T20:00", "input_tokens": 1_000, "output_tokens": 1_000}

    answer = card.price(make_call(provider, model, **made))

    if prices is None:
        assert isinstance(answer, Unpriced)
        return
    assert isinstance(answer, Priced)
    assert (
        Decimal(answer.input_nano).scaleb(-6),
        Decimal(answer.output_nano).scaleb(-6),
    ) == tuple(map(Decimal, prices))
    expected = "estimated" if model in DOUBTED else "priced"
    assert answer.status == ("free" if prices == ("0", "0") else expected)


def test_the_model_that_answered_decides(card: RateCard, make_call: CallMaker) -> None:
    call = make_call(
        "azure.ai.openai",
        "gpt-4o-mini-2024-07-18",
        request_model="gpt-4o",
        input_tokens=1_000,
        output_tokens=0,
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.status) == (150_000, "priced")


def test_bedrock_keeps_the_region_that_only_the_request_names(
    card: RateCard, make_call: CallMaker
) -> None:
    call = make_call(
        "aws.bedrock",
        "claude-sonnet-4-5-20250929",
        request_model="global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        input_tokens=1_000,
        output_tokens=0,
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.status) == (3_000_000, "priced")


ESTIMATES = {
    "the answer named a model without a price": (
        {"provider": "openai", "model": "gpt-4o-2031-01-01", "request_model": "gpt-4o"},
        2_500_000,
        "no price for gpt-4o-2031-01-01, priced as gpt-4o",
    ),
    "the inference profile is gone from the name": (
        {"provider": "aws.bedrock", "model": "claude-sonnet-4-5-20250929-v1:0"},
        3_300_000,
        "inference profile not in the model's name, in-region price",
    ),
    "a reseller at the maker's own list": (
        {"provider": "azure.ai.inference", "model": "deepseek-v4-pro"},
        660_000,
        "priced at the list of deepseek",
    ),
    "no provider, but only one maker": (
        {"provider": None, "model": "gpt-4o"},
        2_500_000,
        "provider not named, priced at the list of openai",
    ),
    "no provider, but a prefix": (
        {"provider": None, "model": "anthropic/claude-sonnet-4-5"},
        3_000_000,
        "provider anthropic taken from the model's name",
    ),
    "no provider, but a name that only Bedrock gives": (
        {"provider": None, "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
        3_300_000,
        "provider not named, the model's name is Bedrock's",
    ),
    "a batch where the provider has none": (
        {"provider": "cohere", "model": "command-a-03-2025", "batch": True},
        2_500_000,
        "no batch price then, list price",
    ),
    "a tier whose first row begins after the call": (
        {
            "provider": "openai",
            "model": "gpt-5-nano",
            "service_tier": "flex",
            "at": "2025-08-01",
        },
        25_000,
        "service_tier=flex price of 2025-09-23, the earliest known",
    ),
    "a tier without a price": (
        {"provider": "anthropic", "model": "claude-sonnet-4-5", "service_tier": "priority"},
        3_000_000,
        "no priority price then, list price",
    ),
    "a tier that was only asked for": (
        {"provider": "openai", "model": "gpt-5-nano", "service_tier_requested": "flex"},
        25_000,
        "service tier flex was asked for and is not confirmed",
    ),
    "a deployment that is not billed by the token": (
        {"provider": "azure.ai.openai", "model": "gpt-4o", "deployment_type": "ProvisionedManaged"},
        2_500_000,
        "no price for provisioned deployments, list price",
    ),
    **{
        f"a deployment that is not billed by the token: {name}": (
            {"provider": "azure.ai.openai", "model": "gpt-4o", "deployment_type": name},
            2_500_000,
            "no price for provisioned deployments, list price",
        )
        for name in ("GlobalProvisionedManaged", "DataZoneProvisionedManaged")
    },
}


@pytest.mark.parametrize(("made", "nano", "reason"), ESTIMATES.values(), ids=ESTIMATES)
def test_a_price_that_may_not_be_the_calls_own_is_an_estimate(
    made: dict[str, str | bool | None],
    nano: int,
    reason: str,
    card: RateCard,
    make_call: CallMaker,
) -> None:
    call = make_call(input_tokens=1_000, output_tokens=0, **made)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.status, answer.cost_nano, answer.reason) == ("estimated", nano, reason)


SERVED = {
    "flex": ({"service_tier": "flex"}, 25_000, "service_tier=flex"),
    "priority was asked for and not given": (
        {"service_tier": "default", "service_tier_requested": "priority"},
        50_000,
        "",
    ),
    "auto is not a rate": ({"service_tier": "auto", "service_tier_requested": "auto"}, 50_000, ""),
    "batch": ({"batch": True}, 25_000, "batch"),
    "batch reports the default tier": ({"batch": True, "service_tier": "default"}, 25_000, "batch"),
    "batch as a tier": ({"service_tier": "batch"}, 25_000, "batch"),
    "upper case": ({"service_tier": "FLEX", "speed": "Standard"}, 25_000, "service_tier=flex"),
}


@pytest.mark.parametrize(("made", "nano", "context"), SERVED.values(), ids=SERVED)
def test_the_tier_that_served_the_call_is_billed(
    made: dict[str, str | bool], nano: int, context: str, card: RateCard, make_call: CallMaker
) -> None:
    call = make_call("openai", "gpt-5-nano", input_tokens=1_000, output_tokens=0, **made)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.rate is not None
    assert (answer.cost_nano, answer.rate.context, answer.status) == (nano, context, "priced")


def test_speed_has_its_own_price(card: RateCard, make_call: CallMaker) -> None:
    call = make_call(
        "anthropic", "claude-opus-5", speed="fast", input_tokens=1_000, output_tokens=0
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.rate is not None
    assert (answer.cost_nano, answer.rate.context) == (10_000_000, "speed=fast")


@pytest.mark.parametrize(
    ("at", "nano", "context"),
    [
        ("2026-11-12T00:59:59", 660_000, ""),
        ("2026-11-12T01:00", 1_320_000, "utc=01:00-04:00;days=cn_workdays"),
        ("2026-11-12T03:59:59", 1_320_000, "utc=01:00-04:00;days=cn_workdays"),
        ("2026-11-12T04:00", 660_000, ""),
        ("2026-11-12T09:59:59", 1_320_000, "utc=06:00-10:00;days=cn_workdays"),
        ("2026-11-12T10:00", 660_000, ""),
    ],
)
def test_the_hour_of_the_start_decides_where_a_price_has_hours(
    at: str, nano: int, context: str, card: RateCard, make_call: CallMaker
) -> None:
    call = make_call("deepseek", "deepseek-v4-pro", at=at, input_tokens=1_000, output_tokens=0)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.rate is not None
    assert (answer.cost_nano, answer.rate.context) == (nano, context)


@pytest.mark.parametrize(
    ("at", "nano", "since", "until"),
    [
        ("2025-06-09T23:59:59.999999", 10_000_000, "2025-04-16", "2025-06-10"),
        ("2025-06-10", 2_000_000, "2025-06-10", ""),
    ],
)
def test_a_price_holds_from_its_first_day_and_no_longer_than_its_last(
    at: str, nano: int, since: str, until: str, card: RateCard, make_call: CallMaker
) -> None:
    call = make_call("openai", "o3", at=at, input_tokens=1_000, output_tokens=0)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert answer.rate is not None
    assert answer.cost_nano == nano
    assert (answer.rate.effective_from, answer.rate.effective_to) == (since, until)


REASONS = {
    "no model": ({"provider": "openai"}, "no_model", "the span names no model"),
    "no provider, any model": (
        {"provider": None, "model": "llama3.2"},
        "unknown_provider",
        "the span names no provider and llama3.2 belongs to none we know: have it carry"
        " gen_ai.provider.name",
    ),
    "a gateway that does not name the provider it called": (
        {"provider": "litellm", "model": "my-alias"},
        "unknown_provider",
        "the span names no provider and my-alias belongs to none we know: have it carry"
        " gen_ai.provider.name",
    ),
    "no price list": (
        {"provider": "sambanova", "model": "llama3.2"},
        "unknown_provider",
        "no price list for sambanova: give (sambanova, llama3.2) a price row",
    ),
    "no such model": (
        {"provider": "openai", "model": "gpt-9"},
        "unknown_model",
        "no price for gpt-9 of openai: give (openai, gpt-9) a price row",
    ),
    "an Azure deployment": (
        {"provider": "azure.ai.openai", "model": "my-prod"},
        "unknown_model",
        "an Azure deployment name does not say which model it runs: have the span carry"
        " gen_ai.response.model, or give (azure.ai.openai, my-prod) a price row",
    ),
    "a Bedrock model that is named but not listed": (
        {
            "provider": "aws.bedrock",
            "model": "arn:aws:bedrock:eu-west-1::foundation-model/new.model-v1:0",
        },
        "unknown_model",
        "no price for arn:aws:bedrock:eu-west-1::foundation-model/new.model-v1:0 of aws.bedrock:"
        " give (aws.bedrock, arn:aws:bedrock:eu-west-1::foundation-model/new.model-v1:0)"
        " a price row",
    ),
    "a Bedrock profile": (
        {
            "provider": "aws.bedrock",
            "model": "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/x",
        },
        "unknown_model",
        "an application inference profile or provisioned ARN does not say which model it runs:"
        " give (aws.bedrock, arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/x)"
        " a price row",
    ),
}


@pytest.mark.parametrize(("made", "reason", "detail"), REASONS.values(), ids=REASONS)
def test_unpriced_says_why_and_what_to_do(
    made: dict[str, str | None], reason: str, detail: str, card: RateCard, make_call: CallMaker
) -> None:
    call = make_call(input_tokens=1, output_tokens=1, **made)

    answer = card.price(call)

    assert answer == Unpriced(reason, detail)


def test_the_hint_of_a_priced_model_is_none(card: RateCard) -> None:
    hints = [card.unpriced_hint("openai", model) for model in ("gpt-4o", "gpt-9", "gpt-9")]

    hint = "no price for gpt-9 of openai: give (openai, gpt-9) a price row"
    assert hints == [None, hint, hint]


SONNET_US = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
SONNET_GLOBAL = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("request_model", "response_model", "billed"),
    [
        ("claude-sonnet-4-5", SONNET_GLOBAL, SONNET_GLOBAL),
        ("claude-sonnet-4-5-20250929-v1:0", SONNET_GLOBAL, SONNET_GLOBAL),
        (SONNET_GLOBAL, "claude-sonnet-4-5-20250929", SONNET_GLOBAL),
        (f"bedrock/{SONNET_GLOBAL}", SONNET_US, SONNET_GLOBAL),
    ],
)
def test_the_name_that_is_an_id_of_bedrock_is_billed(
    request_model: str, response_model: str, billed: str, card: RateCard, make_call: CallMaker
) -> None:
    used = {"input_tokens": 1_000, "output_tokens": 1_000}

    answer = card.price(
        make_call("aws.bedrock", response_model, request_model=request_model, **used)
    )

    own = card.price(make_call("aws.bedrock", billed, **used))
    assert isinstance(answer, Priced)
    assert isinstance(own, Priced)
    assert (answer.status, answer.cost_nano) == ("priced", own.cost_nano)
