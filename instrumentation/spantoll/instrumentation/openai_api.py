"""Where OpenAI's API keeps its numbers. Others speak it too: Groq, Cerebras, OpenRouter, vLLM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.reading import Table, pick
from spantoll.semconv import attributes as keys

__all__ = [
    "CHAT",
    "COMPLETION",
    "EMBEDDING",
    "FETCH",
    "IMAGE",
    "RESPONSE",
    "SPEECH",
    "TRANSCRIPTION",
    "VIDEO",
]

OUTPUT_TYPES = {"text": "text", "json_object": "json", "json_schema": "json"}


def _stop(body: Any) -> Any:
    stop = body.get("stop")
    return (stop,) if isinstance(stop, str) else stop


def _several(body: Any) -> int | None:
    count = body.get("n")
    return count if isinstance(count, int) and count != 1 else None


def _chat_output_type(body: Any) -> str | None:
    if "audio" in (body.get("modalities") or ()):
        return "speech"
    return OUTPUT_TYPES.get(pick(body, "response_format.type") or "")


def _output(response: Any) -> int | None:
    """Output as billed: xAI and Gemini's OpenAI endpoint count reasoning into the total only."""
    usage = pick(response, "usage")
    if usage is None:
        usage = pick(response, "x_groq.usage")
    output = pick(usage, "completion_tokens")
    if not isinstance(output, int):
        return None
    total, prompt = pick(usage, "total_tokens"), pick(usage, "prompt_tokens")
    if isinstance(total, int) and isinstance(prompt, int) and total > prompt + output:
        apart = pick(usage, "completion_tokens_details.reasoning_tokens") or 0
        if apart in (0, total - prompt - output):
            return total - prompt
    return output


def _cost(response: Any) -> float | None:
    """OpenRouter says what it charges: `usage.cost`, in US dollars; Perplexity nests a total.

    With a key of one's own the upstream's charge comes on top (openrouter.ai/docs, usage
    accounting).
    """
    cost = pick(response, "usage.cost")
    if isinstance(cost, int | float):
        upstream = pick(response, "usage.cost_details.upstream_inference_cost")
        if pick(response, "usage.is_byok") and isinstance(upstream, int | float):
            return float(cost + upstream)
        return float(cost)
    total = pick(cost, "total_cost")
    return float(total) if isinstance(total, int | float) else None


def _when_charged(value: str) -> Callable[[Any], str | None]:
    return lambda response: None if _cost(response) is None else value


def _finish_by_index(chunk: Any) -> dict[int, str]:
    return {
        pick(choice, "index") or 0: reason
        for choice in pick(chunk, "choices") or ()
        if (reason := pick(choice, "finish_reason"))
    }


def _says_something(chunk: Any) -> bool:
    if getattr(chunk, "usage", None) is not None:
        return True
    return any(choice.finish_reason for choice in chunk.choices or ())


SAMPLING: Table = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_TEMPERATURE: "temperature",
    keys.REQUEST_TOP_P: "top_p",
    keys.REQUEST_TOP_K: "top_k",
    keys.REQUEST_SEED: "seed",
    keys.REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    keys.REQUEST_PRESENCE_PENALTY: "presence_penalty",
    keys.REQUEST_STOP_SEQUENCES: _stop,
    keys.REQUEST_MAX_TOKENS: ("max_completion_tokens", "max_tokens"),
    keys.REQUEST_CHOICE_COUNT: _several,
    keys.OPENAI_REQUEST_SERVICE_TIER: "service_tier",
}

COMPLETION_USAGE: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.USAGE_INPUT_TOKENS: ("usage.prompt_tokens", "x_groq.usage.prompt_tokens"),
    keys.USAGE_OUTPUT_TOKENS: _output,
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
    ),
    keys.USAGE_TEXT_OUTPUT: "usage.completion_tokens_details.text_tokens",
    keys.USAGE_AUDIO_OUTPUT: "usage.completion_tokens_details.audio_tokens",
    keys.USAGE_IMAGE_OUTPUT: "usage.completion_tokens_details.image_tokens",
    # Perplexity (docs.perplexity.ai, pricing): searches are billed beside tokens.
    keys.SPANTOLL_USAGE_PREFIX + "web_searches": "usage.num_search_queries",
    keys.SPANTOLL_USAGE_PREFIX + "citation_tokens": "usage.citation_tokens",
    keys.OPENAI_RESPONSE_SERVICE_TIER: "service_tier",
    keys.OPENAI_SYSTEM_FINGERPRINT: "system_fingerprint",
    keys.COST_AMOUNT: _cost,
    keys.COST_CURRENCY: _when_charged("USD"),
    keys.COST_SOURCE: _when_charged("provider"),
}
COMPLETION_RESPONSE: Table = {
    **COMPLETION_USAGE,
    keys.RESPONSE_FINISH_REASONS: "choices[].finish_reason",
}
COMPLETION_CHUNK: Table = {**COMPLETION_USAGE, keys.RESPONSE_FINISH_REASONS: _finish_by_index}

CHAT = Call(
    "chat",
    request={
        **SAMPLING,
        keys.REQUEST_REASONING_LEVEL: ("reasoning_effort", "reasoning.effort"),
        keys.OUTPUT_TYPE: _chat_output_type,
    },
    response=COMPLETION_RESPONSE,
    chunk=COMPLETION_CHUNK,
    notable=_says_something,
    constant={keys.OPENAI_API_TYPE: "chat_completions"},
)

COMPLETION = Call(
    "text_completion",
    request=SAMPLING,
    response=COMPLETION_RESPONSE,
    chunk=COMPLETION_CHUNK,
    notable=_says_something,
)


def _conversation(body: Any) -> str | None:
    conversation = body.get("conversation")
    return conversation if isinstance(conversation, str) else pick(conversation, "id")


def _response_finish(response: Any) -> tuple[str, ...] | None:
    """A response has a status where a chat completion has a finish reason."""
    status = pick(response, "status")
    if status == "completed":
        return ("stop",)
    if status == "incomplete":
        return (pick(response, "incomplete_details.reason") or "incomplete",)
    return ("error",) if status in ("failed", "cancelled") else None


def _tool_calls(kind: str, action: str | None = None) -> Callable[[Any], int | None]:
    """Count calls of a server-side tool that is billed per call, None if there were none."""

    def count(response: Any) -> int | None:
        items = pick(response, "output") or ()
        calls = (item for item in items if pick(item, "type") == kind)
        if action is not None:
            # Opening and searching a page is part of the search (platform.openai.com/docs/pricing).
            calls = (item for item in calls if pick(item, "action.type") in (None, action))
        return sum(1 for _ in calls) or None

    return count


def _within(path: str, table: Table) -> Table:
    """The same values one level down."""

    def lower(reading: Any) -> Any:
        if callable(reading):
            return lambda source: reading(pick(source, path))
        if isinstance(reading, str):
            return f"{path}.{reading}"
        return tuple(f"{path}.{alternative}" for alternative in reading)

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
    keys.ERROR_TYPE: "error.code",
    keys.COST_AMOUNT: _cost,
    keys.COST_CURRENCY: _when_charged("USD"),
    keys.COST_SOURCE: _when_charged("provider"),
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
        keys.CONVERSATION_ID: _conversation,
        keys.OUTPUT_TYPE: lambda body: OUTPUT_TYPES.get(pick(body, "text.format.type") or ""),
        keys.OPENAI_REQUEST_SERVICE_TIER: "service_tier",
        "gen_ai.prompt.name": "prompt.id",
        "gen_ai.prompt.version": "prompt.version",
    },
    response=RESPONSE_VALUES,
    chunk={**_within("response", RESPONSE_VALUES), keys.ERROR_TYPE: _error_event},
    notable=_response_event_tells,
    constant={keys.OPENAI_API_TYPE: "responses"},
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
        keys.REQUEST_ENCODING_FORMATS: lambda body: _listed(body.get("encoding_format")),
    },
    response={
        keys.RESPONSE_MODEL: "model",
        keys.USAGE_INPUT_TOKENS: "usage.prompt_tokens",
        keys.COST_AMOUNT: _cost,
        keys.COST_CURRENCY: _when_charged("USD"),
        keys.COST_SOURCE: _when_charged("provider"),
    },
)


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else None


def _images(response: Any) -> int | None:
    return len(pick(response, "data") or ()) or None


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
        keys.REQUEST_CHOICE_COUNT: _several,
    },
    response={**IMAGE_USAGE, keys.SPANTOLL_IMAGES: _images},
    chunk={**IMAGE_USAGE, keys.SPANTOLL_IMAGES: _one_image},
    notable=lambda event: event.type.endswith(".completed"),
    constant={keys.OUTPUT_TYPE: "image"},
)


def _audio_ms(response: Any) -> int | None:
    """Billed seconds where the API tells them, else the sound's length."""
    seconds = pick(response, "usage.seconds")
    if seconds is None:
        seconds = pick(response, "duration")
    try:
        return round(float(seconds) * 1000) if seconds is not None else None
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
        keys.SPANTOLL_AUDIO_MS: _audio_ms,
    },
    notable=lambda event: event.type.endswith(".done"),
    constant={keys.OUTPUT_TYPE: "text"},
)


def _characters(body: Any) -> int | None:
    text = body.get("input")
    return len(text) if isinstance(text, str) else None


SPEECH = Call(
    "speech",
    # The answer is nothing but sound: what is billed by the character is in the request.
    request={keys.REQUEST_MODEL: "model", keys.SPANTOLL_CHARACTERS: _characters},
    response={
        keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
        keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
    },
    constant={keys.OUTPUT_TYPE: "speech"},
)


def _video_ms(video: Any) -> int | None:
    seconds = pick(video, "seconds")
    return (
        int(seconds) * 1000 if isinstance(seconds, str | int) and str(seconds).isdigit() else None
    )


VIDEO = Call(
    "video_generation",
    request={keys.REQUEST_MODEL: "model", keys.SPANTOLL_IMAGE_SIZE: "size"},
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.SPANTOLL_IMAGE_SIZE: "size",
        keys.SPANTOLL_VIDEO_MS: _video_ms,
    },
)
