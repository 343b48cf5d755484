"""The wrong bills that users of other tools reported, priced as plain calls.

Each case names the thread it comes from; where the thread says so, the wrong number that was
charged stands beside the right one. Amounts are USD.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from spantoll.pricing import Priced, RateCard, Unpriced
from spantoll.semconv.call import ModelCall, ReportedCost

M = 1_000_000
IMAGE = {"role": "media", "operation": "image_generation"}
SPEECH = {"role": "media", "operation": "speech"}
TRANSCRIPTION = {"role": "media", "operation": "transcription"}
GATEWAY = {"currency": "USD", "source": "gateway"}


class Case(NamedTuple):
    thread: str
    provider: str
    model: str
    call: dict[str, Any]
    right: str
    wrong: str | None = None
    status: str = "priced"


CASES = [
    Case(
        "T1 langfuse/langfuse#12306",
        "anthropic",
        "claude-sonnet-4-5",
        {
            "input_tokens": 130_213,
            "cache_read_tokens": 128_955,
            "cache_write_tokens": 1_253,
            "output_tokens": 0,
        },
        "0.04340025",
        "0.434024",
    ),
    Case(
        "T2 langfuse/langfuse#10592",
        "openrouter",
        "openai/gpt-4o",
        {"input_tokens": 17_903, "cache_read_tokens": 17_817, "output_tokens": 0},
        "0.02248625",
        "0.067029",
    ),
    Case(
        "T3 BerriAI/litellm#6215",
        "openai",
        "gpt-4o",
        {"input_tokens": 2_006, "cache_read_tokens": 1_920, "output_tokens": 300},
        "0.005615",
        "0.010415",
    ),
    Case(
        "T4 BerriAI/litellm#11364",
        "aws.bedrock",
        "eu.anthropic.claude-opus-4-5-20251101-v1:0",
        {
            "input_tokens": 98_805,
            "cache_read_tokens": 66_360,
            "cache_write_tokens": 32_435,
            "output_tokens": 5_120,
        },
        "0.400343625",
        "0.047080",
    ),
    Case(
        "T5 BerriAI/litellm#33772",
        "openai",
        "gpt-5.6-sol",
        {
            "at": "2026-08-20",
            "input_tokens": 10_000,
            "cache_write_tokens": 10_000,
            "output_tokens": 0,
        },
        "0.0625",
        "0.0500",
    ),
    Case(
        "T6 BerriAI/litellm#34801: the 15,741 tokens that were cached and not counted so",
        "openai",
        "gpt-5.6-sol",
        {
            "at": "2026-08-01",
            "input_tokens": 65_304,
            "cache_read_tokens": 65_304,
            "output_tokens": 0,
        },
        "0.032652",
        "0.1034865",
    ),
    Case(
        "T7 BerriAI/litellm#30135: cache writes count for the long-context step",
        "anthropic",
        "claude-opus-4-6",
        {
            "at": "2026-02-20",
            "input_tokens": 585_659,
            "cache_write_tokens": 585_659,
            "output_tokens": 0,
        },
        "7.3207375",
        "3.660369",
    ),
    Case(
        "T8 BerriAI/litellm#13810: flex",
        "openai",
        "gpt-5-nano",
        {"input_tokens": M, "output_tokens": M, "service_tier": "flex"},
        "0.225",
        "0.45",
    ),
    Case(
        "T9 BerriAI/litellm#39861: a long batch prompt pays the step of the batch price",
        "openai",
        "gpt-5.5",
        {"input_tokens": 300_000, "output_tokens": 1_000, "batch": True},
        "1.5225",
        "0.765",
    ),
    Case(
        "T10 BerriAI/litellm#38341: cached batch tokens where a batch rate is published",
        "openai",
        "gpt-5.5",
        {
            "input_tokens": 10_000,
            "cache_read_tokens": 10_000,
            "output_tokens": 0,
            "batch": True,
        },
        "0.0025",
        "0.025",
    ),
    Case(
        "T10 BerriAI/litellm#38341: cached batch tokens where none is",
        "openai",
        "gpt-4.1",
        {
            "input_tokens": 10_000,
            "cache_read_tokens": 10_000,
            "output_tokens": 0,
            "batch": True,
        },
        "0.005",
        "0.01",
    ),
    Case(
        "T11 BerriAI/litellm#37077: a batch that Bedrock has finished",
        "aws.bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        {"input_tokens": 1_800, "output_tokens": 1_000, "batch": True},
        "0.01122",
        "0.00",
    ),
    Case(
        "T12 BerriAI/litellm#40174: xAI's step includes its threshold",
        "x_ai",
        "grok-4.3",
        {"input_tokens": 200_000, "cache_read_tokens": 100_000, "output_tokens": 0},
        "0.29",
        "0.145",
    ),
    Case(
        "T12 one token below",
        "x_ai",
        "grok-4.3",
        {"input_tokens": 199_999, "cache_read_tokens": 100_000, "output_tokens": 0},
        "0.14499875",
    ),
    Case(
        "T13 BerriAI/litellm#30768: Bedrock in a geography",
        "aws.bedrock",
        "us.anthropic.claude-sonnet-4-6",
        {"input_tokens": M, "output_tokens": M},
        "19.8",
        "18",
    ),
    Case(
        "T13 BerriAI/litellm#42679: Bedrock in one region",
        "aws.bedrock",
        "anthropic.claude-sonnet-4-6",
        {"input_tokens": M, "output_tokens": M},
        "19.8",
        "18",
    ),
    Case(
        "T14 BerriAI/litellm#36914: 60 s of transcription",
        "openai",
        "whisper-1",
        {"audio_ms": 60_000, **TRANSCRIPTION},
        "0.006",
        "0.00",
    ),
    Case(
        "T14 3.5 minutes survive",
        "openai",
        "whisper-1",
        {"audio_ms": 210_000, **TRANSCRIPTION},
        "0.021",
    ),
    Case(
        "T15 BerriAI/litellm#31142: image tokens at the image rate",
        "openai",
        "gpt-image-2",
        {"input_tokens": 0, "output_tokens": 1_056, **IMAGE},
        "0.03168",
        "0.01056",
    ),
    Case(
        "R11 the image endpoint reports no split: its output is images",
        "openai",
        "gpt-image-1.5",
        {"input_tokens": 23, "output_tokens": 1_056, "images": 1, **IMAGE},
        "0.033907",
        "0.010675",
    ),
    Case(
        "T16 BerriAI/litellm#37751: one image of high quality",
        "fal",
        "gpt-image-2",
        {"images": 1, "image_size": "1024x1024", "image_quality": "high", **IMAGE},
        "0.211",
        "0.145",
    ),
    Case(
        "T16 BerriAI/litellm#37738: one image of low quality",
        "fal",
        "gpt-image-2",
        {"images": 1, "image_size": "1024x1024", "image_quality": "low", **IMAGE},
        "0.006",
        "0.145",
    ),
    Case(
        "T17 BerriAI/litellm#13209: dall-e-3, standard",
        "openai",
        "dall-e-3",
        {"images": 1, "image_size": "1024x1024", "image_quality": "standard", **IMAGE},
        "0.04",
        "0",
    ),
    Case(
        "T17 BerriAI/litellm#13847: text 5, images in 10, out 40",
        "openai",
        "gpt-image-1",
        {
            "input_tokens": 300,
            "input_image_tokens": 200,
            "output_tokens": 1_000,
            "images": 1,
            **IMAGE,
        },
        "0.0425",
    ),
    Case(
        "T18 langfuse/langfuse#12531: thoughts are output",
        "gcp.gemini",
        "gemini-3-pro-preview",
        {"input_tokens": 324, "output_tokens": 1_364 + 495, "reasoning_tokens": 495},
        "0.022956",
        "0.011076",
    ),
    Case(
        "T19 langfuse/langfuse#16321: reasoning costs what output costs",
        "gcp.gemini",
        "gemini-2.5-flash",
        {"input_tokens": 0, "output_tokens": 100, "reasoning_tokens": 100},
        "0.00025",
        "0",
    ),
    Case(
        "T20 PostHog/posthog#71065: reasoning is billed once",
        "gcp.gemini",
        "gemini-2.5-flash",
        {"input_tokens": 9, "output_tokens": 22, "reasoning_tokens": 21},
        "0.0000577",
        "0.0001102",
    ),
    Case(
        "T21 PostHog/posthog#32295",
        "openrouter",
        "openai/gpt-4o-mini",
        {"input_tokens": 5_156, "output_tokens": 21},
        "0.000786",
        "0.15594",
    ),
    Case(
        "T22 Arize-ai/phoenix#10036",
        "aws.bedrock",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        {
            "input_tokens": 3 + 25 + 13_216,
            "cache_read_tokens": 13_216,
            "cache_write_tokens": 25,
            "output_tokens": 12,
        },
        "0.004672305",
        "0.20",
    ),
    Case(
        "T23 Arize-ai/phoenix#10783: output is what was reported, not total minus prompt",
        "aws.bedrock",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        {
            "input_tokens": 3 + 7_917 + 350,
            "cache_read_tokens": 7_917,
            "cache_write_tokens": 350,
            "output_tokens": 442,
        },
        "0.0103266",
        "0.1306",
    ),
    Case(
        "T24 Arize-ai/phoenix#13379: the output is what was put out, not total less prompt",
        "aws.bedrock",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        {
            "input_tokens": 4_299 + 35_574 + 17_787,
            "cache_read_tokens": 35_574,
            "cache_write_tokens": 17_787,
            "output_tokens": 631,
        },
        "0.09973545",
        "0.900",
    ),
    Case(
        "T26 mlflow/mlflow#24869",
        "anthropic",
        "claude-haiku-4-5",
        {
            "input_tokens": 10_500,
            "cache_read_tokens": 10_000,
            "cache_write_tokens": 300,
            "output_tokens": 0,
        },
        "0.001575",
        "0.0105",
    ),
    Case(
        "T27 mlflow/mlflow#23425: everything from the cache",
        "anthropic",
        "claude-sonnet-4-5",
        {"input_tokens": 10_000, "cache_read_tokens": 10_000, "output_tokens": 0},
        "0.003",
    ),
    Case(
        "T29 tailcallhq/forgecode#1641: the gateway's bill, not our arithmetic",
        "openrouter",
        "openai/gpt-4o",
        {
            "input_tokens": 10,
            "output_tokens": 1,
            "reported_cost": ReportedCost(Decimal("0.0360795"), **GATEWAY),
        },
        "0.0360795",
        "0.000035",
    ),
    Case(
        "T31 ccusage/ccusage#1636: before the price cut",
        "openai",
        "gpt-5.6-sol",
        {"at": "2026-08-20", "input_tokens": M // 10, "output_tokens": M},
        "30.50",
    ),
    Case(
        "T31 ccusage/ccusage#1636: after it",
        "openai",
        "gpt-5.6-sol",
        {"at": "2026-08-22", "input_tokens": M // 10, "output_tokens": M},
        "20.40",
    ),
    Case(
        "T32 pydantic/genai-prices#241: the whole request moves to the step",
        "anthropic",
        "claude-sonnet-4-5",
        {"at": "2026-01-01", "input_tokens": 200_001, "output_tokens": 1_000},
        "1.222506",
        "0.615006",
    ),
    Case(
        "T32 at the threshold",
        "anthropic",
        "claude-sonnet-4-5",
        {"at": "2026-01-01", "input_tokens": 200_000, "output_tokens": 1_000},
        "0.615",
    ),
    Case(
        "T33 pydantic/genai-prices#701",
        "groq",
        "openai/gpt-oss-safeguard-20b",
        {"input_tokens": M, "output_tokens": M},
        "0.375",
        "0.75",
    ),
    Case(
        "T35 BerriAI/litellm#27922: cached tokens of an OpenAI-compatible server",
        "together_ai",
        "deepseek-ai/DeepSeek-V3.1",
        {"input_tokens": 10_000, "cache_read_tokens": 9_000, "output_tokens": 0},
        "0.006",
    ),
    Case(
        "T36 langfuse/langfuse#13811: a streamed call keeps its cached share",
        "anthropic",
        "claude-sonnet-4-5",
        {"input_tokens": 10_000, "cache_read_tokens": 9_000, "output_tokens": 0},
        "0.0057",
        "0.03",
    ),
    Case(
        "T37 headroomlabs-ai/headroom#3732: a model other catalogues have dropped",
        "groq",
        "llama-3.3-70b-versatile",
        {"input_tokens": M, "output_tokens": M},
        "1.38",
        "12.5",
    ),
    Case(
        "T38 o3 before its price was cut",
        "openai",
        "o3",
        {"at": "2025-06-01", "input_tokens": M, "output_tokens": 0},
        "10",
        "2",
    ),
    Case(
        "T38 o3 after",
        "openai",
        "o3",
        {"at": "2025-07-01", "input_tokens": M, "output_tokens": 0},
        "2",
    ),
    Case(
        "T39 cached tokens exceeded an exclusive input, repaired by the dialect",
        "openai",
        "gpt-4o",
        {"input_tokens": 300, "cache_read_tokens": 200, "output_tokens": 0},
        "0.0005",
    ),
    Case(
        "T40 images and audio that the model has no price for",
        "openai",
        "gpt-4",
        {"input_tokens": 12, "output_tokens": 15, "images": 2, "audio_ms": 210_000},
        "0.00126",
        status="partial",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.thread)
def test_a_reported_wrong_bill_is_right_here(
    case: Case, card: RateCard, make_call: Callable[..., ModelCall]
) -> None:
    call = make_call(case.provider, case.model, **case.call)

    answer = card.price(call)

    assert isinstance(answer, Priced), answer
    assert (Decimal(answer.cost_nano).scaleb(-9), answer.status) == (
        Decimal(case.right),
        case.status,
    )
    assert case.wrong is None or Decimal(case.wrong) != Decimal(case.right)


UNPRICED = [
    Case(
        "R11 an image whose size nobody reports has no price",
        "openai",
        "dall-e-3",
        {"images": 1, **IMAGE},
        "no_price_for_units",
    ),
    Case(
        "T33 pydantic/genai-prices#471: not the price of `command-a` by its prefix",
        "cohere",
        "command-a-plus-05-2026",
        {"input_tokens": M, "output_tokens": M},
        "unknown_model",
    ),
    Case(
        "T34 BerriAI/litellm#36561: unknown is not zero",
        "openai",
        "gpt-77",
        {"input_tokens": M, "output_tokens": M},
        "unknown_model",
    ),
    Case(
        "T42 whisper-1 is priced by time, and got tokens",
        "openai",
        "whisper-1",
        {"input_tokens": 12, "output_tokens": 15, **TRANSCRIPTION},
        "no_price_for_units",
    ),
    Case(
        "T42 tts-1 is priced by characters, and got tokens",
        "openai",
        "tts-1",
        {"input_tokens": 12, "output_tokens": 15, **SPEECH},
        "no_price_for_units",
    ),
]


@pytest.mark.parametrize("case", UNPRICED, ids=lambda case: case.thread)
def test_what_has_no_price_has_no_cost_and_a_reason(
    case: Case, card: RateCard, make_call: Callable[..., ModelCall]
) -> None:
    call = make_call(case.provider, case.model, **case.call)

    answer = card.price(call)

    assert isinstance(answer, Unpriced)
    assert answer.reason == case.right


def test_contradictory_counters_price_their_parts_and_never_go_negative(
    card: RateCard, make_call: Callable[..., ModelCall]
) -> None:
    """T39 as it comes from an emitter whose dialect nobody knows."""
    call = make_call("openai", "gpt-4o", input_tokens=100, cache_read_tokens=200, output_tokens=0)

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.cost_nano, answer.status) == (250_000, "estimated")
    assert answer.reason == "contradictory counters, the parts are priced"


NOT_A_PRICE = {
    "T25": "a parent and its children count once: tests/pipeline",
    "T28": "leaves only, cache keys kept: tests/pipeline, tests/semconv",
    "T30": "a local day is not a UTC day: tests/query",
    "T41": "an average is a sum over a count: tests/query",
}
"""Threads whose wrong number was made after pricing, and where they are tested."""


def test_every_thread_of_the_research_has_its_case() -> None:
    cases = {case.thread.split()[0] for case in (*CASES, *UNPRICED)}

    assert cases | NOT_A_PRICE.keys() >= {f"T{number}" for number in range(1, 43)}
