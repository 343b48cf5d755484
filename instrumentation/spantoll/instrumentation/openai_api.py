"""Where OpenAI's API keeps its numbers. Others speak it too: Groq, Cerebras, OpenRouter, vLLM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spantoll.instrumentation import openai_content
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.reading import Table, Via, pick
from spantoll.semconv import attributes as keys

__all__ = [
    "CHAT",
    "COMPLETION",
    "EMBEDDING",
    "FETCH",
    "IMAGE",
    "INCLUDES_USAGE",
    "LOOPBACK",
    "RESPONSE",
    "SPEECH",
    "TRANSCRIPTION",
    "VIDEO",
    "with_usage",
]

INCLUDES_USAGE = frozenset(
    {"openai", "azure.ai.openai", "openrouter", "deepseek", "groq", "cerebras", "together_ai"}
    | {"fireworks_ai", "vllm", "ollama", "lm_studio"}
)
"""Providers whose API takes `stream_options.include_usage`; others refuse what they do not know, or
tell usage anyway (Mistral, Perplexity, xAI)."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Here answers one of vLLM, SGLang, llama.cpp, Ollama, LM Studio, LiteLLM: all take the option."""
OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}


def listed(value: Any) -> Any:
    """One string, or a list of them, as a list."""
    return (value,) if isinstance(value, str) else value


def unless_one(count: Any) -> int | None:
    """Number of choices asked for, which is worth a word only if it is not one."""
    return count if isinstance(count, int) and count != 1 else None


def with_usage(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Make the options that ask a stream for usage; None where the caller has chosen."""
    asked = body.get("stream_options")
    if asked is not None and (not isinstance(asked, Mapping) or "include_usage" in asked):
        return None
    return {"stream_options": {**(asked or {}), "include_usage": True}}


_TOTAL, _BYOK, _UPSTREAM = "_total", "_byok", "_upstream"


def _refine(found: dict[str, Any]) -> None:
    """Settle what hosts mean differently, from the values found."""
    total = found.pop(_TOTAL, None)
    told = (found.get(keys.USAGE_INPUT_TOKENS, 0), found.get(keys.USAGE_OUTPUT_TOKENS))
    if type(total) is int and type(told[0]) is int and type(told[1]) is int:
        # xAI and Gemini's OpenAI endpoint count reasoning into the total only.
        rest = total - told[0] - told[1]
        if rest > 0 and found.get(keys.USAGE_REASONING, rest) in (0, rest):
            found[keys.USAGE_OUTPUT_TOKENS] = told[1] + rest
    byok, upstream = found.pop(_BYOK, False), found.pop(_UPSTREAM, 0)
    cost = found.get(keys.COST_AMOUNT)
    if cost is None:
        return
    if isinstance(cost, int | float):
        # OpenRouter with a key of one's own: the upstream's charge comes on top of its fee.
        extra = upstream if byok is True and isinstance(upstream, int | float) else 0
        found[keys.COST_AMOUNT] = cost + extra
        found[keys.COST_CURRENCY] = "USD"
        found[keys.COST_SOURCE] = "provider"
    else:
        del found[keys.COST_AMOUNT]


def finish_by_index(chunk: Any) -> dict[int, str]:
    """Reasons of a chunk by the choice they end: choices of a stream do not end together."""
    return {
        pick(choice, "index") or 0: reason
        for choice in pick(chunk, "choices") or ()
        if (reason := pick(choice, "finish_reason"))
    }


def _says_something(chunk: Any) -> bool:
    if chunk.usage is not None:
        return True
    for choice in chunk.choices or ():  # noqa: SIM110 - a generator would cost as much again
        if choice.finish_reason is not None:
            return True
    return False


SAMPLING: Table = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_TEMPERATURE: "temperature",
    keys.REQUEST_TOP_P: "top_p",
    keys.REQUEST_TOP_K: "top_k",
    keys.REQUEST_SEED: "seed",
    keys.REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    keys.REQUEST_PRESENCE_PENALTY: "presence_penalty",
    keys.REQUEST_STOP_SEQUENCES: Via("stop", listed),
    keys.REQUEST_MAX_TOKENS: ("max_completion_tokens", "max_tokens"),
    keys.REQUEST_CHOICE_COUNT: Via("n", unless_one),
    keys.OPENAI_REQUEST_SERVICE_TIER: "service_tier",
}

COST: Table = {
    # OpenRouter says what it charges, in US dollars; Perplexity nests a total.
    keys.COST_AMOUNT: ("usage.cost", "usage.cost.total_cost"),
    _BYOK: "usage.is_byok",
    _UPSTREAM: "usage.cost_details.upstream_inference_cost",
}

COMPLETION_USAGE: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.USAGE_INPUT_TOKENS: ("usage.prompt_tokens", "x_groq.usage.prompt_tokens"),
    keys.USAGE_OUTPUT_TOKENS: ("usage.completion_tokens", "x_groq.usage.completion_tokens"),
    _TOTAL: ("usage.total_tokens", "x_groq.usage.total_tokens"),
    keys.USAGE_CACHE_READ: (
        "usage.prompt_tokens_details.cached_tokens",
        # DeepSeek (api-docs.deepseek.com/guides/kv_cache); Moonshot puts it beside the totals.
        "usage.prompt_cache_hit_tokens",
        "usage.cached_tokens",
        "x_groq.usage.prompt_tokens_details.cached_tokens",
    ),
    keys.USAGE_CACHE_WRITE: (
        "usage.prompt_tokens_details.cache_write_tokens",
        "usage.prompt_tokens_details.cache_creation_tokens",
    ),
    keys.USAGE_TEXT_INPUT: "usage.prompt_tokens_details.text_tokens",
    keys.USAGE_AUDIO_INPUT: "usage.prompt_tokens_details.audio_tokens",
    keys.USAGE_IMAGE_INPUT: "usage.prompt_tokens_details.image_tokens",
    keys.USAGE_REASONING: (
        "usage.completion_tokens_details.reasoning_tokens",
        "usage.reasoning_tokens",
        "x_groq.usage.completion_tokens_details.reasoning_tokens",
    ),
    keys.USAGE_TEXT_OUTPUT: "usage.completion_tokens_details.text_tokens",
    keys.USAGE_AUDIO_OUTPUT: "usage.completion_tokens_details.audio_tokens",
    keys.USAGE_IMAGE_OUTPUT: "usage.completion_tokens_details.image_tokens",
    # Perplexity (docs.perplexity.ai, pricing): searches are billed beside tokens.
    keys.SPANTOLL_USAGE_PREFIX + "web_searches": "usage.num_search_queries",
    keys.SPANTOLL_USAGE_PREFIX + "citation_tokens": "usage.citation_tokens",
    keys.OPENAI_RESPONSE_SERVICE_TIER: "service_tier",
    keys.OPENAI_SYSTEM_FINGERPRINT: "system_fingerprint",
    keys.SPANTOLL_REQUEST_ID: "_request_id",
    **COST,
}
COMPLETION_RESPONSE: Table = {
    **COMPLETION_USAGE,
    keys.RESPONSE_FINISH_REASONS: "choices[].finish_reason",
}
COMPLETION_CHUNK: Table = {**COMPLETION_USAGE, keys.RESPONSE_FINISH_REASONS: finish_by_index}

CHAT = Call(
    "chat",
    request={
        **SAMPLING,
        keys.REQUEST_REASONING_LEVEL: ("reasoning_effort", "reasoning.effort"),
        keys.OUTPUT_TYPE: (
            Via("modalities", lambda kinds: "speech" if "audio" in kinds else None),
            Via("response_format.type", OUTPUT_TYPES.get),
        ),
    },
    response=COMPLETION_RESPONSE,
    chunk=COMPLETION_CHUNK,
    notable=_says_something,
    refine=_refine,
    constant={keys.OPENAI_API_TYPE: "chat_completions"},
    messages=openai_content.chat_messages,
    answers=openai_content.chat_answers,
    stream_answers=openai_content.chat_chunks,
)

COMPLETION = Call(
    "text_completion",
    request=SAMPLING,
    response=COMPLETION_RESPONSE,
    chunk=COMPLETION_CHUNK,
    notable=_says_something,
    refine=_refine,
)


def _response_finish(response: Any) -> tuple[str, ...] | None:
    """A response has a status where a chat completion has a finish reason."""
    status = pick(response, "status")
    if status == "completed":
        return ("stop",)
    if status == "incomplete":
        return (pick(response, "incomplete_details.reason") or "incomplete",)
    return ("error",) if status in ("failed", "cancelled") else None


def _tool_calls(kind: str, action: str | None = None) -> Via:
    """Count calls of a server-side tool that is billed per call, None if there were none."""

    def count(items: Any) -> int | None:
        calls = (item for item in items if pick(item, "type") == kind)
        if action is not None:
            # Opening and searching a page is part of the search (platform.openai.com/docs/pricing).
            calls = (item for item in calls if pick(item, "action.type") in (None, action))
        return sum(1 for _ in calls) or None

    return Via("output", count)


def within(path: str, table: Table) -> Table:
    """The same values one level down."""

    def lower(reading: Any) -> Any:
        if isinstance(reading, Via):
            return Via(f"{path}.{reading.path}", reading.convert)
        if isinstance(reading, str):
            return f"{path}.{reading}"
        if isinstance(reading, tuple):
            return tuple(lower(alternative) for alternative in reading)
        return lambda source: reading(pick(source, path))

    return {key: lower(reading) for key, reading in table.items()}


RESPONSE_VALUES: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.RESPONSE_FINISH_REASONS: _response_finish,
    keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
    keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
    keys.USAGE_CACHE_READ: "usage.input_tokens_details.cached_tokens",
    keys.USAGE_CACHE_WRITE: "usage.input_tokens_details.cache_write_tokens",
    keys.SPANTOLL_USAGE_PREFIX + "cache_write_12h_tokens": (
        "usage.input_tokens_details.cache_write_tokens_details.ttl_12h_tokens"
    ),
    keys.USAGE_REASONING: "usage.output_tokens_details.reasoning_tokens",
    keys.SPANTOLL_USAGE_PREFIX + "web_searches": _tool_calls("web_search_call", "search"),
    keys.SPANTOLL_USAGE_PREFIX + "file_searches": _tool_calls("file_search_call"),
    keys.OPENAI_RESPONSE_SERVICE_TIER: "service_tier",
    keys.SPANTOLL_REQUEST_ID: "_request_id",
    keys.ERROR_TYPE: "error.code",
    **COST,
}


TELLING_EVENTS = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.created", "error"}
)


def _response_event_tells(event: Any) -> bool:
    return event.type in TELLING_EVENTS


def _error_event(event: Any) -> str | None:
    if pick(event, "type") == "error":
        return pick(event, "code") or "_OTHER"
    code: str | None = pick(event, "response.error.code")
    return code


RESPONSE = Call(
    "chat",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_TEMPERATURE: "temperature",
        keys.REQUEST_TOP_P: "top_p",
        keys.REQUEST_MAX_TOKENS: "max_output_tokens",
        keys.REQUEST_REASONING_LEVEL: "reasoning.effort",
        keys.REQUEST_PREVIOUS_RESPONSE_ID: "previous_response_id",
        keys.CONVERSATION_ID: ("conversation", "conversation.id"),
        keys.OUTPUT_TYPE: Via("text.format.type", OUTPUT_TYPES.get),
        keys.OPENAI_REQUEST_SERVICE_TIER: "service_tier",
        "gen_ai.prompt.name": "prompt.id",
        "gen_ai.prompt.version": "prompt.version",
    },
    response=RESPONSE_VALUES,
    chunk={**within("response", RESPONSE_VALUES), keys.ERROR_TYPE: _error_event},
    notable=_response_event_tells,
    refine=_refine,
    constant={keys.OPENAI_API_TYPE: "responses"},
    messages=openai_content.response_messages,
    answers=openai_content.response_answers,
    stream_answers=lambda events: openai_content.response_answers(events[-1]),
)

FETCH = Call(
    "fetch_response",
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.RESPONSE_FINISH_REASONS: _response_finish,
    },
    chunk={keys.RESPONSE_ID: "response.id", keys.RESPONSE_MODEL: "response.model"},
    notable=_response_event_tells,
    constant={keys.OPENAI_API_TYPE: "responses"},
    billed=False,
)
"""Reading a stored response: "SHOULD NOT report token usage", whoever made it has reported it."""

EMBEDDING = Call(
    "embeddings",
    request={
        keys.REQUEST_MODEL: "model",
        keys.EMBEDDINGS_DIMENSION_COUNT: "dimensions",
        keys.REQUEST_ENCODING_FORMATS: Via("encoding_format", listed),
    },
    response={
        keys.RESPONSE_MODEL: "model",
        keys.USAGE_INPUT_TOKENS: "usage.prompt_tokens",
        **COST,
    },
    refine=_refine,
)


def _count(items: Any) -> int | None:
    return len(items) or None


def _one_image(event: Any) -> int | None:
    return 1 if str(pick(event, "type")).endswith(".completed") else None


IMAGE_USAGE: Table = {
    keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
    keys.USAGE_TEXT_INPUT: "usage.input_tokens_details.text_tokens",
    keys.USAGE_IMAGE_INPUT: "usage.input_tokens_details.image_tokens",
    keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
    keys.USAGE_TEXT_OUTPUT: "usage.output_tokens_details.text_tokens",
    keys.USAGE_IMAGE_OUTPUT: "usage.output_tokens_details.image_tokens",
    keys.SPANTOLL_IMAGE_SIZE: "size",
    keys.SPANTOLL_IMAGE_QUALITY: "quality",
}

IMAGE = Call(
    "image_generation",
    request={
        keys.REQUEST_MODEL: "model",
        keys.SPANTOLL_IMAGE_SIZE: "size",
        keys.SPANTOLL_IMAGE_QUALITY: "quality",
        keys.REQUEST_CHOICE_COUNT: Via("n", unless_one),
    },
    response={**IMAGE_USAGE, keys.SPANTOLL_IMAGES: Via("data", _count)},
    chunk={**IMAGE_USAGE, keys.SPANTOLL_IMAGES: _one_image},
    notable=lambda event: event.type.endswith(".completed"),
    constant={keys.OUTPUT_TYPE: "image"},
)


def _milliseconds(seconds: Any) -> int | None:
    try:
        return round(float(seconds) * 1000)
    except (TypeError, ValueError):
        return None


TRANSCRIPTION = Call(
    "transcription",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_TEMPERATURE: "temperature",
    },
    response={
        keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
        keys.USAGE_TEXT_INPUT: "usage.input_token_details.text_tokens",
        keys.USAGE_AUDIO_INPUT: "usage.input_token_details.audio_tokens",
        keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
        # Billed seconds where the API tells them, else the length of the sound.
        keys.SPANTOLL_AUDIO_MS: (
            Via("usage.seconds", _milliseconds),
            Via("duration", _milliseconds),
        ),
    },
    notable=lambda event: event.type.endswith(".done"),
    constant={keys.OUTPUT_TYPE: "text"},
)


SPEECH = Call(
    "speech",
    # The answer is nothing but sound: what is billed by the character is in the request.
    request={keys.REQUEST_MODEL: "model", keys.SPANTOLL_CHARACTERS: Via("input", len)},
    response={
        keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
        keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
    },
    constant={keys.OUTPUT_TYPE: "speech"},
)


VIDEO = Call(
    "video_generation",
    request={keys.REQUEST_MODEL: "model", keys.SPANTOLL_IMAGE_SIZE: "size"},
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.SPANTOLL_IMAGE_SIZE: "size",
        keys.SPANTOLL_VIDEO_MS: Via("seconds", _milliseconds),
    },
)
