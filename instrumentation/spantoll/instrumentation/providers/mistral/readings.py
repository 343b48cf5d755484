"""Where Mistral's API has its values.

Input: requests, responses and stream events of the `mistralai` SDK. Output: one `Call` per
operation, a table of attribute keys of the GenAI conventions and the paths of their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from spantoll.instrumentation.apis import openai_chat, openai_content
from spantoll.instrumentation.caller import CallerTable
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.reading import Sum, Table, Via, nest_table
from spantoll.instrumentation.values import as_list, as_wire, whole_milliseconds
from spantoll.semconv import attributes as keys

__all__ = [
    "AGENT",
    "CHAT",
    "CONVERSATION",
    "EMBEDDING",
    "FIM",
    "OCR",
    "SPEECH",
    "TRANSCRIPTION",
    "USAGE",
]


def _messages(request: Any) -> Mapping[str, Any]:
    wire = {name: as_wire(request.get(name)) or () for name in ("messages", "tools")}
    return openai_content.chat_messages(wire)


SAMPLING: Table = {
    key: reading
    for key, reading in openai_chat.SAMPLING.items()
    if key != keys.OPENAI_REQUEST_SERVICE_TIER
} | {
    keys.REQUEST_SEED: "random_seed",
    keys.REQUEST_REASONING_LEVEL: "reasoning_effort",
    keys.SPANTOLL_SERVICE_TIER_REQUESTED: "service_tier",
    keys.OUTPUT_TYPE: Via("response_format.type", openai_chat.OUTPUT_TYPES.get),
}
USAGE: Table = {
    keys.USAGE_INPUT_TOKENS: "usage.prompt_tokens",
    keys.USAGE_OUTPUT_TOKENS: "usage.completion_tokens",
    keys.USAGE_CACHE_READ: (
        "usage.prompt_tokens_details.cached_tokens",
        "usage.num_cached_tokens",
    ),
    keys.SPANTOLL_AUDIO_MS: Via("usage.prompt_audio_seconds", whole_milliseconds),
    keys.SPANTOLL_SERVICE_TIER: "usage.service_tier",
}
RESPONSE: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.RESPONSE_FINISH_REASONS: "choices[].finish_reason",
    **USAGE,
}

CALLER: CallerTable = {"metadata": "metadata", "prompt_cache_key": "prompt_cache_key"}

CHAT = Call(
    "chat",
    request=SAMPLING,
    caller=CALLER,
    response=RESPONSE,
    chunk=nest_table(
        "data", {**RESPONSE, keys.RESPONSE_FINISH_REASONS: openai_chat.finish_by_index}
    ),
    has_values=lambda event: (
        event.data.usage is not None or any(choice.finish_reason for choice in event.data.choices)
    ),
    messages=_messages,
    answers=openai_content.chat_answers,
    stream_answers=lambda events: openai_content.chat_chunks([event.data for event in events]),
)
FIM = replace(CHAT, operation="text_completion", messages=None)
AGENT = replace(CHAT, request={**SAMPLING, "gen_ai.agent.id": "agent_id"})

EMBEDDING = Call(
    "embeddings",
    request={
        keys.REQUEST_MODEL: "model",
        keys.EMBEDDINGS_DIMENSION_COUNT: "output_dimension",
        keys.REQUEST_ENCODING_FORMATS: Via("encoding_format", as_list),
    },
    caller=CALLER,
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.USAGE_INPUT_TOKENS: "usage.prompt_tokens",
    },
)
OCR = Call(
    "ocr",
    request={keys.REQUEST_MODEL: "model"},
    response={
        keys.RESPONSE_MODEL: "model",
        keys.SPANTOLL_USAGE_PREFIX + "pages": "usage_info.pages_processed",
    },
)
TRANSCRIPTION = Call(
    "transcription",
    request={keys.REQUEST_MODEL: "model", keys.REQUEST_TEMPERATURE: "temperature"},
    response={keys.RESPONSE_MODEL: "model", **USAGE},
    chunk=nest_table("data", {keys.RESPONSE_MODEL: "model", **USAGE}),
    has_values=lambda event: getattr(event.data, "usage", None) is not None,
    constant={keys.OUTPUT_TYPE: "text"},
)
SPEECH = Call(
    "speech",
    # Billed by the character, which the request has; only a stream reports tokens, at its end.
    request={keys.REQUEST_MODEL: "model", keys.SPANTOLL_CHARACTERS: Via("input", len)},
    caller=CALLER,
    chunk=nest_table("data", USAGE),
    has_values=lambda event: getattr(event.data, "usage", None) is not None,
    constant={keys.OUTPUT_TYPE: "speech"},
)
CONVERSATION_VALUES: Table = {
    keys.CONVERSATION_ID: "conversation_id",
    # What a connector returned is billed as input.
    keys.USAGE_INPUT_TOKENS: Sum("usage.prompt_tokens", "usage.connector_tokens"),
    keys.USAGE_OUTPUT_TOKENS: "usage.completion_tokens",
    keys.SPANTOLL_USAGE_PREFIX + "web_searches": "usage.connectors.web_search",
}
CONVERSATION = Call(
    "chat",
    request={
        keys.REQUEST_MODEL: "model",
        "gen_ai.agent.id": "agent_id",
        keys.REQUEST_MAX_TOKENS: "completion_args.max_tokens",
        keys.REQUEST_TEMPERATURE: "completion_args.temperature",
        keys.REQUEST_TOP_P: "completion_args.top_p",
        keys.REQUEST_SEED: "completion_args.random_seed",
        keys.CONVERSATION_ID: "conversation_id",
    },
    caller=CALLER,
    response=CONVERSATION_VALUES,
    chunk={
        keys.CONVERSATION_ID: "data.conversation_id",
        keys.USAGE_INPUT_TOKENS: Sum("data.usage.prompt_tokens", "data.usage.connector_tokens"),
        keys.USAGE_OUTPUT_TOKENS: "data.usage.completion_tokens",
        keys.SPANTOLL_USAGE_PREFIX + "web_searches": "data.usage.connectors.web_search",
    },
    has_values=lambda event: getattr(event.data, "usage", None) is not None,
)
