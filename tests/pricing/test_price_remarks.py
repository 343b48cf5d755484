"""What keeps a cost from being exact is said: partial, estimated, or a note."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from spantoll.pricing import Priced, RateCard, Unpriced
from spantoll.semconv.call import ModelCall

CallMaker = Callable[..., ModelCall]

IMAGE = {"role": "media", "operation": "image_generation"}
SPEECH = {"role": "media", "operation": "speech"}
TRANSCRIPTION = {"role": "media", "operation": "transcription"}
EMBEDDING = {"role": "embedding", "operation": "embeddings"}
SONNET_5 = ("anthropic", "claude-sonnet-4-5")
TTL_UNKNOWN = "cache lifetime not reported, five-minute write rate"

# provider/model, call: USD per million of what was used (as nano), status, reason
CASES: dict[str, tuple[tuple[str, str], dict[str, Any], int, str, str | None]] = {
    "five-minute and one-hour cache writes": (
        SONNET_5,
        {
            "input_tokens": 1_000,
            "cache_write_tokens": 900,
            "cache_write_1h_tokens": 400,
            "output_tokens": 0,
        },
        100 * 3_000 + 500 * 3_750 + 400 * 6_000,
        "priced",
        None,
    ),
    "cache writes of unknown lifetime": (
        SONNET_5,
        {"input_tokens": 1_000, "cache_write_tokens": 1_000, "output_tokens": 0},
        1_000 * 3_750,
        "priced",
        TTL_UNKNOWN,
    ),
    "inference kept in a region": (
        SONNET_5,
        {"input_tokens": 1_000, "output_tokens": 0, "region": "us"},
        1_000 * 3_000,
        "estimated",
        "no price for inference in us, list price",
    ),
    "the application's own region": (
        SONNET_5,
        {"input_tokens": 1_000, "output_tokens": 0, "region": "us-east-1"},
        1_000 * 3_000,
        "priced",
        None,
    ),
    "Claude on a regional endpoint of Vertex AI": (
        ("gcp.vertex_ai", "claude-sonnet-4-5"),
        {"input_tokens": 1_000, "output_tokens": 0, "region": "europe-west1"},
        1_000 * 3_300,
        "priced",
        None,
    ),
    "Gemini on a regional endpoint of Vertex AI": (
        ("gcp.vertex_ai", "gemini-2.5-flash"),
        {"input_tokens": 1_000, "output_tokens": 0, "region": "europe-west1"},
        1_000 * 300,
        "priced",
        None,
    ),
    "only the one-hour part was reported": (
        SONNET_5,
        {"input_tokens": 1_000, "cache_write_1h_tokens": 1_000, "output_tokens": 0},
        1_000 * 6_000,
        "priced",
        None,
    ),
    "a one-hour part larger than the whole": (
        SONNET_5,
        {
            "input_tokens": 1_000,
            "cache_write_tokens": 100,
            "cache_write_1h_tokens": 1_000,
            "output_tokens": 0,
        },
        1_000 * 6_000,
        "estimated",
        "contradictory counters, the parts are priced",
    ),
    "a one-hour write where only five minutes have a price": (
        ("aws.bedrock", "us.anthropic.claude-opus-4-1-20250805-v1:0"),
        {
            "input_tokens": 1_000,
            "cache_write_tokens": 1_000,
            "cache_write_1h_tokens": 1_000,
            "output_tokens": 0,
        },
        1_000 * 18_750,
        "estimated",
        "no one-hour cache write price, five-minute write rate",
    ),
    "cached input where the list has no cache discount": (
        ("openai", "gpt-4-turbo"),
        {"input_tokens": 1_000, "cache_read_tokens": 400, "output_tokens": 0},
        1_000 * 10_000,
        "priced",
        "no cached input price, input rate",
    ),
    "cache writes where the list has no surcharge": (
        ("openai", "gpt-4o"),
        {"input_tokens": 1_000, "cache_write_tokens": 400, "output_tokens": 0},
        1_000 * 2_500,
        "priced",
        None,
    ),
    "reasoning at a rate of its own": (
        ("perplexity", "sonar-deep-research"),
        {"input_tokens": 0, "output_tokens": 1_000, "reasoning_tokens": 600},
        400 * 8_000 + 600 * 3_000,
        "priced",
        None,
    ),
    "more reasoning than output": (
        ("openai", "o3"),
        {"input_tokens": 0, "output_tokens": 10, "reasoning_tokens": 600},
        600 * 8_000,
        "estimated",
        "contradictory counters, the parts are priced",
    ),
    "reasoning without a total": (
        ("openai", "o3"),
        {"input_tokens": 0, "reasoning_tokens": 600},
        600 * 8_000,
        "partial",
        "output_tokens not reported",
    ),
    "audio at its own rates": (
        ("openai", "gpt-realtime"),
        {
            "input_tokens": 1_000,
            "input_audio_tokens": 800,
            "output_tokens": 100,
            "output_audio_tokens": 60,
        },
        200 * 4_000 + 800 * 32_000 + 40 * 16_000 + 60 * 64_000,
        "priced",
        None,
    ),
    "audio read from the cache stands in both counters": (
        ("openai", "gpt-realtime-mini"),
        {
            "input_tokens": 1_000,
            "input_audio_tokens": 800,
            "cache_read_tokens": 500,
            "output_tokens": 0,
        },
        300 * 300 + 200 * 60 + 500 * 10_000,
        "estimated",
        "cached share of audio not reported, as much as the totals allow",
    ),
    "images read from the cache stand in both counters": (
        ("openai", "gpt-realtime-mini"),
        {
            "input_tokens": 1_000,
            "input_image_tokens": 800,
            "cache_read_tokens": 500,
            "output_tokens": 0,
            "output_audio_tokens": 0,
        },
        300 * 80 + 200 * 60 + 500 * 800,
        "priced",
        None,
    ),
    "audio without a price is not text": (
        ("openai", "gpt-4o"),
        {
            "input_tokens": 100,
            "input_audio_tokens": 80,
            "output_tokens": 15,
            "output_audio_tokens": 10,
        },
        20 * 2_500 + 5 * 10_000,
        "partial",
        "no price for input_audio_tokens; no price for output_audio_tokens",
    ),
    "totals of a model that speaks, without their audio": (
        ("openai", "gpt-4o-audio-preview"),
        {"input_tokens": 100, "output_tokens": 10},
        100 * 2_500 + 10 * 10_000,
        "estimated",
        "audio share not reported, priced as text",
    ),
    "audio of a model that speaks": (
        ("openai", "gpt-4o-audio-preview"),
        {"input_tokens": 100, "output_tokens": 15, "output_audio_tokens": 10},
        100 * 2_500 + 5 * 10_000 + 10 * 80_000,
        "priced",
        None,
    ),
    "image input that is billed as input": (
        ("openai", "gpt-4o"),
        {"input_tokens": 1_000, "input_image_tokens": 765, "output_tokens": 0},
        1_000 * 2_500,
        "priced",
        None,
    ),
    "image input where nobody says how it is billed": (
        ("mistral_ai", "mistral-small-latest"),
        {"input_tokens": 1_000, "input_image_tokens": 765, "output_tokens": 0},
        235 * 150,
        "partial",
        "no price for input_image_tokens",
    ),
    "Gemini audio where the list has one price for all input": (
        ("gcp.gemini", "gemini-2.5-pro"),
        {"input_tokens": 1_000, "input_audio_tokens": 900, "output_tokens": 0},
        1_000 * 1_250,
        "priced",
        None,
    ),
    "video tokens at their own rate": (
        ("gcp.gemini", "gemini-live-2.5-flash"),
        {"input_tokens": 1_000, "output_tokens": 0, "extra": {"input_video_tokens": 600}},
        400 * 500 + 600 * 3_000,
        "priced",
        None,
    ),
    "video tokens that are billed as input": (
        ("gcp.gemini", "gemini-2.5-pro"),
        {"input_tokens": 1_000, "output_tokens": 0, "extra": {"input_video_tokens": 600}},
        1_000 * 1_250,
        "priced",
        None,
    ),
    "video tokens without a price": (
        ("mistral_ai", "mistral-small-latest"),
        {"input_tokens": 1_000, "output_tokens": 0, "extra": {"input_video_tokens": 600}},
        400 * 150,
        "partial",
        "no price for input_video_tokens",
    ),
    "video out, and a number of tokens nobody can have made": (
        ("gcp.gemini", "gemini-omni-1.1-flash"),
        {
            "input_tokens": 0,
            "output_tokens": 1_000,
            "extra": {"output_video_tokens": 900, "citation_tokens": Decimal("NaN")},
        },
        100 * 9_000 + 900 * 17_500,
        "priced",
        None,
    ),
    "citations at their own rate": (
        ("perplexity", "sonar-deep-research"),
        {"input_tokens": 0, "output_tokens": 1_000, "extra": {"citation_tokens": 100}},
        1_000 * 8_000 + 100 * 2_000,
        "priced",
        None,
    ),
    "searches beside tokens": (
        ("openai", "gpt-4o"),
        {
            "input_tokens": 1_000,
            "output_tokens": 0,
            "extra": {"web_searches": 3, "file_searches": 2},
        },
        1_000 * 2_500 + 3 * 10_000_000 + 2 * 2_500_000,
        "priced",
        None,
    ),
    "a search by the provider's word for it": (
        SONNET_5,
        {"input_tokens": 0, "output_tokens": 0, "extra": {"web_search_requests": 1}},
        10_000_000,
        "priced",
        None,
    ),
    "a tool that costs nothing, tokens that are in the totals": (
        SONNET_5,
        {
            "input_tokens": 1_000,
            "output_tokens": 0,
            "extra": {"web_fetches": 3, "tool_tokens": 900},
        },
        1_000 * 3_000,
        "priced",
        None,
    ),
    "a unit without a price": (
        ("openai", "gpt-4o"),
        {"input_tokens": 1_000, "output_tokens": 0, "extra": {"container_hours": Decimal("0.5")}},
        1_000 * 2_500,
        "partial",
        "no price for container_hours",
    ),
    "a quantity that is none": (
        ("openai", "gpt-4o"),
        {"input_tokens": 1_000, "output_tokens": 0, "extra": {"web_searches": Decimal("NaN")}},
        1_000 * 2_500,
        "estimated",
        "contradictory counters, the parts are priced",
    ),
    "part of a unit": (
        ("openai", "gpt-4o"),
        {"input_tokens": 0, "output_tokens": 0, "extra": {"web_searches": Decimal("0.00000005")}},
        0,
        "priced",
        None,
    ),
    "pages, some of them annotated": (
        ("mistral_ai", "mistral-ocr-latest"),
        {
            "operation": "ocr",
            "input_tokens": 0,
            "output_tokens": 0,
            "extra": {"pages": 10, "annotated_pages": 4},
        },
        6 * 4_000_000 + 4 * 5_000_000,
        "priced",
        None,
    ),
    "every request has a price": (
        ("perplexity", "sonar"),
        {
            "input_tokens": 1_000,
            "output_tokens": 0,
            "requests": 2,
            "search_context_size": "high",
        },
        1_000 * 1_000 + 2 * 12_000_000,
        "priced",
        None,
    ),
    "a request whose tokens are unknown": (
        ("perplexity", "sonar"),
        {},
        5_000_000,
        "estimated",
        "search context size not reported, the provider's default; input_tokens not reported;"
        " output_tokens not reported",
    ),
    "output that was not reported": (
        ("openai", "gpt-4o"),
        {"input_tokens": 1_000},
        1_000 * 2_500,
        "partial",
        "output_tokens not reported",
    ),
    "input that was not reported, but its cached part": (
        ("openai", "gpt-4o"),
        {"cache_read_tokens": 1_000, "output_tokens": 0},
        1_000 * 1_250,
        "partial",
        "input_tokens not reported",
    ),
    "an embedding has no output": (
        ("openai", "text-embedding-3-small"),
        {"input_tokens": 1_000, **EMBEDDING},
        1_000 * 20,
        "priced",
        None,
    ),
    "a broken stream": (
        ("openai", "gpt-4o"),
        {"input_tokens": 1_000, "output_tokens": 10, "usage_quality": "partial"},
        1_000 * 2_500 + 10 * 10_000,
        "partial",
        "rest of a broken stream not reported",
    ),
    "counters the emitter guessed": (
        ("openai", "gpt-4o"),
        {"input_tokens": 1_000, "output_tokens": 10, "usage_quality": "estimated"},
        1_000 * 2_500 + 10 * 10_000,
        "estimated",
        "counters estimated by the emitter",
    ),
    "counters the dialect found contradictory": (
        ("openai", "gpt-4o"),
        {"input_tokens": 1_000, "output_tokens": 10, "usage_quality": "inconsistent"},
        1_000 * 2_500 + 10 * 10_000,
        "estimated",
        "contradictory counters, the parts are priced",
    ),
    "zero is known": (
        ("openai", "gpt-4o"),
        {"input_tokens": 0, "output_tokens": 0},
        0,
        "priced",
        None,
    ),
    "a negative counter": (
        ("openai", "gpt-4o"),
        {"input_tokens": -5, "output_tokens": 10},
        10 * 10_000,
        "estimated",
        "contradictory counters, the parts are priced",
    ),
    "a negative part": (
        ("openai", "gpt-4o"),
        {"input_tokens": 1_000, "cache_read_tokens": -5, "output_tokens": 0},
        1_000 * 2_500,
        "estimated",
        "contradictory counters, the parts are priced",
    ),
    "the shortest transcription Groq bills": (
        ("groq", "whisper-large-v3"),
        {"audio_ms": 2_000, **TRANSCRIPTION},
        308_333,
        "priced",
        None,
    ),
    "many short ones summed cannot be told apart": (
        ("groq", "whisper-large-v3"),
        {"audio_ms": 2_000, "requests": 5, **TRANSCRIPTION},
        61_667,
        "priced",
        None,
    ),
    "a transcription billed by time needs no token price": (
        ("openai", "whisper-1"),
        {"audio_ms": 60_000, "input_tokens": 600, "output_tokens": 20, **TRANSCRIPTION},
        6_000_000,
        "priced",
        None,
    ),
    "a transcription billed by tokens needs no time price": (
        ("openai", "gpt-4o-transcribe"),
        {
            "audio_ms": 60_000,
            "input_tokens": 600,
            "input_audio_tokens": 590,
            "output_tokens": 20,
            **TRANSCRIPTION,
        },
        10 * 2_500 + 590 * 6_000 + 20 * 10_000,
        "priced",
        None,
    ),
    "a transcription that does not say what was audio": (
        ("openai", "gpt-4o-transcribe"),
        {"input_tokens": 600, "output_tokens": 20, **TRANSCRIPTION},
        600 * 6_000 + 20 * 10_000,
        "estimated",
        "audio share not reported, all input priced as audio",
    ),
    "a transcription whose span names no operation": (
        ("openai", "gpt-4o-transcribe"),
        {"input_tokens": 600, "output_tokens": 20, "operation": None},
        600 * 6_000 + 20 * 10_000,
        "estimated",
        "audio share not reported, all input priced as audio",
    ),
    "an image whose span names no operation": (
        ("openai", "gpt-image-1.5"),
        {"input_tokens": 23, "output_tokens": 1_056, "operation": None},
        23 * 5_000 + 1_056 * 32_000,
        "priced",
        None,
    ),
    "a model that draws, in a chat that does not say what was drawn": (
        ("gcp.gemini", "gemini-2.5-flash-image"),
        {"input_tokens": 10, "output_tokens": 1_290, "operation": "generate_content"},
        10 * 300 + 1_290 * 30_000,
        "estimated",
        "image share not reported, all output priced as images",
    ),
    "a model that draws, whose thoughts are text": (
        ("gcp.gemini", "gemini-3-pro-image-preview"),
        {"input_tokens": 10, "output_tokens": 1_320, "reasoning_tokens": 200},
        10 * 2_000 + 1_120 * 120_000 + 200 * 12_000,
        "estimated",
        "image share not reported, all output priced as images",
    ),
    "a model that draws, and put out thoughts alone": (
        ("gcp.gemini", "gemini-3-pro-image-preview"),
        {"input_tokens": 10, "output_tokens": 200, "reasoning_tokens": 200},
        10 * 2_000 + 200 * 12_000,
        "priced",
        None,
    ),
    "a model that draws, and says what was drawn": (
        ("gcp.gemini", "gemini-2.5-flash-image"),
        {"input_tokens": 10, "output_tokens": 1_310, "output_image_tokens": 1_290},
        10 * 300 + 20 * 2_500 + 1_290 * 30_000,
        "priced",
        None,
    ),
    "a model that draws and answered by words alone": (
        ("gcp.gemini", "gemini-2.5-flash-image"),
        {"input_tokens": 10, "output_tokens": 40, "output_image_tokens": 0},
        10 * 300 + 40 * 2_500,
        "priced",
        None,
    ),
    "a model that draws, at a list without a price of images": (
        ("openrouter", "google/gemini-2.5-flash-image"),
        {"input_tokens": 10, "output_tokens": 1_290},
        10 * 300 + 1_290 * 2_500,
        "estimated",
        "image share not reported, priced as text",
    ),
    "speech by characters": (
        ("openai", "tts-1"),
        {"characters": 1_000, "audio_ms": 60_000, "output_tokens": 5, **SPEECH},
        1_000 * 15_000,
        "priced",
        None,
    ),
    "speech by tokens, at the one output rate of the model": (
        ("openai", "gpt-4o-mini-tts"),
        {
            "input_tokens": 100,
            "output_tokens": 1_000,
            "output_audio_tokens": 1_000,
            "characters": 400,
            **SPEECH,
        },
        100 * 600 + 1_000 * 12_000,
        "priced",
        None,
    ),
    "speech whose output has an audio rate and no split": (
        ("openai", "gpt-realtime"),
        {"input_tokens": 100, "output_tokens": 1_000, **SPEECH},
        100 * 4_000 + 1_000 * 64_000,
        "priced",
        None,
    ),
    "speech whose output is unknown": (
        ("openai", "gpt-4o-mini-tts"),
        {"input_tokens": 100, **SPEECH},
        100 * 600,
        "partial",
        "output_tokens not reported",
    ),
    "images whose tokens are known": (
        ("openai", "gpt-image-1.5"),
        {
            "input_tokens": 100,
            "output_tokens": 1_100,
            "output_image_tokens": 1_000,
            "images": 1,
            **IMAGE,
        },
        100 * 5_000 + 100 * 10_000 + 1_000 * 32_000,
        "priced",
        None,
    ),
    "images whose tokens are known, at the one output rate of the model": (
        ("openai", "gpt-image-1"),
        {"input_tokens": 100, "output_tokens": 1_000, "output_image_tokens": 1_000, **IMAGE},
        100 * 5_000 + 1_000 * 40_000,
        "priced",
        None,
    ),
    "images whose tokens are unknown": (
        ("openai", "gpt-image-1"),
        {"input_tokens": 100, "images": 2, **IMAGE},
        100 * 5_000,
        "partial",
        "no price for images",
    ),
}


@pytest.mark.parametrize(("named", "used", "nano", "status", "reason"), CASES.values(), ids=CASES)
def test_a_cost_says_how_far_it_can_be_trusted(
    named: tuple[str, str],
    used: dict[str, Any],
    nano: int,
    status: str,
    reason: str | None,
    card: RateCard,
    make_call: CallMaker,
) -> None:
    call = make_call(*named, **used)

    answer = card.price(call)

    assert isinstance(answer, Priced), answer
    assert (answer.cost_nano, answer.status, answer.reason) == (nano, status, reason)


@pytest.mark.parametrize("status", ["success", "timeout", "cancelled"])
def test_a_call_without_usage_has_no_cost(
    status: str, card: RateCard, make_call: CallMaker
) -> None:
    answer = card.price(make_call("openai", "gpt-4o", status=status))

    assert answer == Unpriced("no_usage", "the span carries no usage")


def test_a_cost_beyond_the_ledger_is_refused(card: RateCard, make_call: CallMaker) -> None:
    call = make_call("openai", "gpt-4o", input_tokens=2**62, output_tokens=0)

    answer = card.price(call)

    assert isinstance(answer, Unpriced)
    assert answer.reason == "out_of_range"


def test_the_shares_say_what_the_cost_is_for(card: RateCard, make_call: CallMaker) -> None:
    call = make_call(
        *SONNET_5,
        input_tokens=1_000,
        cache_read_tokens=300,
        cache_write_tokens=200,
        output_tokens=10,
        extra={"web_searches": 1},
    )

    answer = card.price(call)

    assert isinstance(answer, Priced)
    assert (answer.input_nano, answer.output_nano) == (500 * 3_000, 10 * 15_000)
    assert (answer.cache_nano, answer.other_nano) == (300 * 300 + 200 * 3_750, 10_000_000)


def test_the_lines_name_quantity_price_and_share(card: RateCard, make_call: CallMaker) -> None:
    call = make_call("openai", "gpt-4-turbo", input_tokens=10, cache_read_tokens=4, output_tokens=1)
    answer = card.price(call)
    assert isinstance(answer, Priced)
    assert answer.rate is not None

    lines = card.lines(call, answer.rate)

    assert [(x.metric, x.quantity, x.unit_price.metric, x.nano) for x in lines] == [
        ("cache_read", 4, "input", 40_000),
        ("input", 6, "input", 60_000),
        ("output", 1, "output", 30_000),
    ]
