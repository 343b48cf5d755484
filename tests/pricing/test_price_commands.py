"""`spantoll price`, `estimate` and `models`, as somebody at a terminal runs them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from spantoll.pricing import RateCard, UnitPrice, load_rate_card
from spantoll.pricing.price_line import describe_cost, price_record
from spantoll.pricing.tariff import make_rate
from spantoll.semconv.call import ModelCall
from spantoll.surfaces.cli import main

CASES = Path(__file__).parent / "data" / "worked_cases.jsonl"


class Ran(NamedTuple):
    status: int
    out: str
    err: str


Cli = Callable[..., Ran]


@pytest.fixture
def spantoll(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Cli:
    """Run a command in this process, without the ledger of the user; `given` is its stdin."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def run(*arguments: str, given: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capfd.readouterr()
        status = main(arguments)
        return Ran(status, *capfd.readouterr())

    return run


def test_price_answers_every_line_in_its_order(spantoll: Cli) -> None:
    lines = [json.loads(line)["call"] for line in CASES.read_text().splitlines()]
    given = "\n".join(json.dumps({**call, "id": n}) for n, call in enumerate(lines))

    ran = spantoll("price", given=given.encode())

    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert (ran.status, ran.err) == (0, "")
    assert [answer["id"] for answer in answers] == list(range(len(lines)))
    assert list(answers[0]) == ["id", "cost_usd", "status", "unpriced_reason", "remarks", "lines"]


UNREADABLE = {
    "not JSON": (b"{", "not JSON"),
    "not an object": (b"[1]", "not a JSON object"),
    "bytes that are no text": (b'"\xff"', "not JSON"),
    "too deep": (b"[" * 100_000, "not JSON"),
    "usage that is a list": (b'{"usage": [1]}', "usage is not an object"),
    "a counter below zero": (
        b'{"usage": {"input_tokens": -1}}',
        "input_tokens is out of range: -1",
    ),
    "half a token": (
        b'{"usage": {"input_tokens": 0.5}}',
        "input_tokens is not a whole number: 0.5",
    ),
    "a number in words": (b'{"usage": {"pages": "two"}}', "pages is not a number: two"),
    "a truth as a number": (b'{"usage": {"pages": true}}', "pages is not a number"),
    "no number at all": (b'{"usage": {"pages": NaN}}', "pages is not a number"),
    "more than there is": (b'{"usage": {"pages": 1e99}}', "pages is out of range: 1E+99"),
    "a model that is a number": (b'{"request_model": 4}', "request_model is not a string"),
    "a time that is none": (
        b'{"context": {"timestamp": "noon"}}',
        "timestamp is not RFC 3339: noon",
    ),
    "a flag that is text": (b'{"context": {"batch": "yes"}}', "batch is not true or false"),
    "a report without an amount": (
        b'{"context": {"provider_reported": {"tokens": 3}}}',
        "provider_reported has neither cost_usd, cost, amount nor ticks",
    ),
}


@pytest.mark.parametrize(("line", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_line_that_cannot_be_read_is_answered_and_the_rest_goes_on(
    line: bytes, reason: str, spantoll: Cli
) -> None:
    good = (
        b'{"id": 2, "provider": "openai", "request_model": "gpt-4o", "usage": {"input_tokens": 1}}'
    )

    ran = spantoll("price", given=line + b"\n\n" + good)

    answers = [json.loads(answer) for answer in ran.out.splitlines()]
    assert [answer["status"] for answer in answers] == ["unpriced", "partial"]
    assert answers[0]["unpriced_reason"] == "unreadable"
    assert answers[0]["remarks"][0].startswith(reason)
    assert answers[0]["cost_usd"] is None


def price(card: RateCard, **record: Any) -> dict[str, Any]:
    return price_record(card, record, now_ns=1_795_176_000 * 10**9)


def test_units_may_stand_in_the_usage_or_in_an_object_of_their_own(card: RateCard) -> None:
    named = {"provider": "openai", "request_model": "dall-e-3", "operation": "image"}
    images = {"count": 2, "size": "1024x1024", "quality": "standard"}

    flat = price(card, **named, usage={"images": images})
    nested = price(card, **named, usage={"units": {"images": images}})

    assert flat == nested
    assert flat["cost_usd"] == "0.08"


def test_parts_may_stand_in_an_object_of_their_own(card: RateCard) -> None:
    usage = {"input_tokens": 1_000, "output_tokens": 0, "parts": {"cache_read": 1_000}}

    answer = price(card, provider="openai", request_model="gpt-4o", usage=usage)

    assert answer["cost_usd"] == "0.00125"


def test_images_may_be_a_bare_count(card: RateCard) -> None:
    named = {"provider": "x_ai", "request_model": "grok-imagine-image", "operation": "image"}

    assert price(card, **named, usage={"images": 3})["cost_usd"] == "0.06"


def test_a_unit_without_a_price_makes_the_cost_a_lower_bound(card: RateCard) -> None:
    usage = {"input_tokens": 1_000, "output_tokens": 0, "moon_phases": 1}

    answer = price(card, provider="openai", request_model="gpt-4o", usage=usage)

    assert (answer["status"], answer["remarks"]) == ("partial", ["no price for moon_phases"])


@pytest.mark.parametrize(
    ("call", "advice"),
    [
        ({"request_model": "foo"}, "foo belongs to none we know: name the provider"),
        ({"request_model": "foo", "provider": "openrouter"}, "give (openrouter, foo) a price row"),
        ({"request_model": "foo", "provider": "azure"}, "name the model that it runs, or give ("),
        ({"request_model": "arn:aws:x", "provider": "aws.bedrock"}, "arn:aws:x) a price row"),
        ({"request_model": "foo", "provider": "openai"}, "give (openai, foo) a price row"),
        ({"request_model": "foo", "provider": "acme"}, "give (acme, foo) a price row"),
        (
            {"request_model": "gpt-4o", "provider": "openai", "usage": {}},
            "the usage counts nothing",
        ),
        ({}, "no model is named"),
    ],
)
def test_advice_on_a_call_that_no_span_reports_is_not_about_spans(
    call: dict[str, Any], advice: str, card: RateCard
) -> None:
    answer = price(card, **{"usage": {"input_tokens": 1}} | call)

    (remark,) = answer["remarks"]
    assert answer["status"] == "unpriced"
    assert advice in remark
    assert not any(word in remark for word in ("span", "gen_ai"))


def test_tokens_of_an_unknown_name_are_not_free(card: RateCard) -> None:
    usage = {"tokens_in": 1_000, "reply_tokens": 100}

    answer = price(card, provider="openai", request_model="gpt-4o", usage=usage)

    assert (answer["cost_usd"], answer["status"]) == (None, "unpriced")
    assert answer["remarks"] == ["openai/gpt-4o has no price for tokens_in, reply_tokens"]


SONNET, FLASH, GPT_4O = (
    ("anthropic", "claude-sonnet-4-5"),
    ("gcp.gemini", "gemini-2.5-flash"),
    ("openai", "gpt-4o"),
)
USAGE_OBJECTS = {
    # 400 x 2.50 + 600 x 1.25 + 100 x 10 USD per million.
    "OpenAI, chat completions": (
        GPT_4O,
        {
            "prompt_tokens": 1_000,
            "completion_tokens": 100,
            "total_tokens": 1_100,
            "prompt_tokens_details": {"cached_tokens": 600, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 40},
        },
        "0.00275",
    ),
    "OpenAI, responses": (
        GPT_4O,
        {
            "input_tokens": 1_000,
            "input_tokens_details": {"cached_tokens": 600},
            "output_tokens": 100,
            "output_tokens_details": {"reasoning_tokens": 40},
            "total_tokens": 1_100,
        },
        "0.00275",
    ),
    # 200 x 3 + 600 x 0.30 + 150 x 3.75 + 50 x 6 + 100 x 15 USD per million, and 2 searches.
    "Anthropic": (
        SONNET,
        {
            "input_tokens": 200,
            "cache_read_input_tokens": 600,
            "cache_creation_input_tokens": 200,
            "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
            "output_tokens": 100,
            "server_tool_use": {"web_search_requests": 2},
            "service_tier": "standard",
        },
        "0.0231425",
    ),
    # 400 x 0.30 + 600 x 0.03 + (100 + 500) x 2.50 USD per million.
    "Gemini": (
        FLASH,
        {
            "promptTokenCount": 1_000,
            "candidatesTokenCount": 100,
            "thoughtsTokenCount": 500,
            "cachedContentTokenCount": 600,
            "totalTokenCount": 1_600,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1_000}],
        },
        "0.001638",
    ),
    "Gemini by its SDK for Python": (
        FLASH,
        {
            "prompt_token_count": 1_000,
            "candidates_token_count": 100,
            "thoughts_token_count": 500,
            "cached_content_token_count": 600,
        },
        "0.001638",
    ),
    # 200 x 3.30 + 600 x 0.33 + 200 x 4.125 + 100 x 16.50 USD per million.
    "Bedrock": (
        ("aws.bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        {
            "inputTokens": 200,
            "cacheReadInputTokens": 600,
            "cacheWriteInputTokens": 200,
            "outputTokens": 100,
            "totalTokens": 1_100,
        },
        "0.003333",
    ),
}


@pytest.mark.parametrize(("model", "usage", "cost"), USAGE_OBJECTS.values(), ids=USAGE_OBJECTS)
def test_the_usage_object_of_a_provider_is_read_as_it_is(
    model: tuple[str, str], usage: dict[str, Any], cost: str, card: RateCard
) -> None:
    answer = price(card, provider=model[0], request_model=model[1], usage=usage)

    assert (answer["cost_usd"], answer["status"]) == (cost, "exact")


@pytest.mark.parametrize("counted", ["as Anthropic counts", "in our names"])
@pytest.mark.parametrize(
    ("model", "served", "context", "cost"),
    [
        # 1,000 x 3 + 100 x 15 USD per million; a batch costs half of it.
        ("claude-sonnet-4-5", {}, {}, "0.0045"),
        ("claude-sonnet-4-5", {"service_tier": "standard"}, {}, "0.0045"),
        ("claude-sonnet-4-5", {"service_tier": "batch"}, {}, "0.00225"),
        ("claude-sonnet-4-5", {"service_tier": None}, {"batch": True}, "0.00225"),
        (
            "claude-sonnet-4-5",
            {"service_tier": "standard"},
            {"service_tier_response": "batch"},
            "0.00225",
        ),
        # 1,000 x 5 + 100 x 25 USD per million, and a tenth more in the US.
        ("claude-opus-4-6", {"inference_geo": "global", "speed": "standard"}, {}, "0.0075"),
        ("claude-opus-4-6", {"inference_geo": "us"}, {}, "0.00825"),
        # 1,000 x 10 + 100 x 50 USD per million.
        ("claude-opus-4-8", {"speed": "fast"}, {}, "0.015"),
    ],
)
def test_a_usage_object_says_how_anthropic_served_the_call(
    counted: str,
    model: str,
    served: dict[str, str],
    context: dict[str, Any],
    cost: str,
    card: RateCard,
) -> None:
    usage = {"input_tokens": 1_000, "output_tokens": 100} | served
    if counted == "as Anthropic counts":
        usage |= {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}

    answer = price(card, provider="anthropic", request_model=model, usage=usage, context=context)

    assert (answer["cost_usd"], answer["status"]) == (cost, "exact")


@pytest.mark.parametrize("counter", ["prompt_tokens", "inputTokens", "cache_read_input_tokens"])
def test_a_counter_of_a_usage_object_that_is_none_is_refused(counter: str, card: RateCard) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1} if counter == "prompt_tokens" else {}

    answer = price(
        card, provider="openai", request_model="gpt-4o", usage=usage | {counter: "a lot"}
    )

    assert answer["unpriced_reason"] == "unreadable"


def test_a_provider_that_is_not_named_is_found_by_its_host(card: RateCard) -> None:
    context = {"server_address": "bedrock-runtime.us-east-1.amazonaws.com"}
    usage = {"input_tokens": 1_000, "output_tokens": 0}

    answer = price(card, request_model="amazon.nova-pro-v1:0", usage=usage, context=context)

    assert (answer["cost_usd"], answer["status"]) == ("0.0008", "exact")


@pytest.mark.parametrize(
    ("provider", "reported", "cost"),
    [
        ("openrouter", "0.5", "0.5"),
        ("openrouter", {"cost_usd": "0.5"}, "0.5"),
        ("openrouter", {"amount": Decimal("0.5"), "currency": "USD"}, "0.5"),
        ("openrouter", {"cost": 0, "is_byok": True, "upstream_inference_cost": "0.5"}, "0.5"),
        ("openrouter", {"is_byok": True, "upstream_inference_cost": "0.5"}, "0.5"),
        ("x_ai", 5_000_000_000, "0.5"),
        ("x_ai", "0.5", "0.5"),
    ],
)
def test_the_providers_own_figure_is_billed(
    provider: str, reported: Any, cost: str, card: RateCard
) -> None:
    answer = price(
        card,
        provider=provider,
        request_model="no/such-model",
        usage={"input_tokens": 1},
        context={"provider_reported": reported},
    )

    assert (answer["cost_usd"], answer["status"]) == (cost, "exact")
    assert [line["metric"] for line in answer["lines"]] == ["reported_cost"]


def test_a_figure_that_differs_from_the_list_says_so(card: RateCard) -> None:
    answer = price(
        card,
        provider="openrouter",
        request_model="openai/gpt-4o",
        usage={"input_tokens": 1_000, "output_tokens": 0},
        context={"provider_reported": "0.5"},
    )

    assert answer["remarks"] == ["the price list says 0.0025 USD"]


def test_what_is_free_costs_nothing_and_has_no_lines(card: RateCard) -> None:
    answer = price(card, provider="ollama", request_model="llama3.1", usage={"input_tokens": 9})

    assert (answer["cost_usd"], answer["status"], answer["lines"]) == ("0", "free", [])


def test_a_fraction_of_a_unit_is_written_exactly(card: RateCard) -> None:
    named = {"provider": "anthropic", "request_model": "claude-opus-5"}

    quarter = price(card, **named, usage={"session_seconds": Decimal("0.25")})
    less = price(card, **named, usage={"session_seconds": Decimal("0.0005")})

    quantities = [answer["lines"][0]["quantity"] for answer in (quarter, less)]
    assert quantities == [250, "0.5000"]


def test_estimate_names_the_price_row(spantoll: Cli) -> None:
    ran = spantoll(
        *("estimate", "--model", "gpt-4o", "--provider", "openai"),
        *("--input", "1200", "--output", "400", "--cache-read", "200", "-f", "json"),
    )

    answer = json.loads(ran.out)
    assert (answer["cost_usd"], answer["status"]) == ("0.00675", "exact")
    assert {line["price_row"]["model"] for line in answer["lines"]} == {"gpt-4o"}


def test_estimate_is_a_table_for_people(spantoll: Cli) -> None:
    ran = spantoll("estimate", "--model", "gpt-4o", "--input", "1200", "--output", "400")

    assert ran.status == 0
    assert ran.out.splitlines()[-2:] == [
        "0.007 USD (estimated)",
        "  provider not named, priced at the list of openai",
    ]


def test_estimate_is_csv_too(spantoll: Cli) -> None:
    ran = spantoll("estimate", "--model", "openai/gpt-4o", "--input", "1200", "-f", "csv")

    assert ran.out.splitlines()[1].startswith("input,1200,2.5,1000000,0.003,gpt-4o,")


def test_estimate_without_a_price_fails_and_says_why(spantoll: Cli) -> None:
    ran = spantoll("estimate", "--model", "gpt-77", "--provider", "openai", "--input", "1")

    assert ran.status == 1
    assert "no price for gpt-77 of openai" in ran.out


def test_models_lists_what_has_a_price(spantoll: Cli) -> None:
    ran = spantoll("models", "sonnet-4-5", "--provider", "anthropic", "-f", "json")

    model, *snapshots = json.loads(ran.out)
    assert {"claude-sonnet-4-5-20250929"} <= {each["model"] for each in snapshots}
    assert (model["model"], model["operation"], model["free"]) == (
        "claude-sonnet-4-5",
        "chat",
        False,
    )
    assert (model["input_usd"], model["output_usd"], model["context_window"]) == (
        "3",
        "15",
        200_000,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--operation", "embeddings", "--provider", "openai"], "text-embedding-3-small"),
        (["--operation", "transcription", "--provider", "openai"], "whisper-1"),
        (["--operation", "rerank"], "rerank"),
        (["--operation", "ocr"], "mistral-ocr"),
        (["--free"], ":free"),
    ],
)
def test_models_are_found_by_what_they_are_for(
    arguments: list[str], expected: str, spantoll: Cli
) -> None:
    ran = spantoll("models", *arguments, "-f", "csv")

    assert expected in ran.out


def test_models_lists_those_that_only_our_own_rows_price(spantoll: Cli) -> None:
    ran = spantoll("models", "dall-e-3", "--provider", "openai")

    assert "dall-e-3" in ran.out


def test_models_has_the_price_history_of_one_model(spantoll: Cli) -> None:
    ran = spantoll("models", "o3", "--provider", "openai", "--history", "-f", "csv")

    assert "2025-04-16,2025-06-10,input,10,1000000,catalogue" in ran.out.splitlines()
    assert "2025-06-10,,input,2,1000000,catalogue" in ran.out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--history"], "--history needs --provider and the model's name"),
        (["gpt-77", "--provider", "openai", "--history"], "no price for gpt-77 of openai"),
    ],
)
def test_a_history_of_no_model_is_refused(
    arguments: list[str], message: str, spantoll: Cli
) -> None:
    ran = spantoll("models", *arguments)

    assert ran.status == 2
    assert message in ran.err


def test_a_users_own_row_is_the_source_of_its_line(make_call: Callable[..., ModelCall]) -> None:
    rate = make_rate("acme", "m", [UnitPrice("input", Decimal(2), 1_000_000)], source="user")
    card = load_rate_card([rate])

    answer = describe_cost(card, make_call("acme", "m", input_tokens=1_000, output_tokens=0))

    assert [line["price_row"]["source"] for line in answer["lines"]] == ["user"]


def test_what_was_not_called_has_no_lines(
    card: RateCard, make_call: Callable[..., ModelCall]
) -> None:
    answer = describe_cost(card, make_call("openai", "gpt-4o", input_tokens=9, cache_hit=True))

    assert (answer["cost_usd"], answer["status"], answer["lines"]) == ("0", "free", [])


def test_a_search_without_its_count_is_not_priced_as_none(card: RateCard) -> None:
    named = {"provider": "openai", "usage": {"input_tokens": 1_000, "output_tokens": 0}}
    sized = {**named["usage"], "search_context_size": "low"}  # type: ignore[dict-item]  # a dict

    always = price(card, **named, request_model="gpt-4o-search-preview")
    asked = price(card, **{**named, "usage": sized}, request_model="gpt-4.1")

    assert (always["cost_usd"], always["status"]) == ("0.0275", "estimated")
    assert (asked["status"], asked["remarks"]) == ("partial", ["web_searches not reported"])
