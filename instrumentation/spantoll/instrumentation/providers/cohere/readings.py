"""Where Cohere's API has its values, in both of its versions.

Billed units go before tokens: a prompt that Cohere adds to is longer than what it charges for.
"""

from __future__ import annotations

from dataclasses import replace

from spantoll.instrumentation.apis import openai_chat
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.providers.cohere import content
from spantoll.instrumentation.reading import Reading, Table, Via, nest_table, pick
from spantoll.instrumentation.values import as_list, positive
from spantoll.semconv import attributes as keys

__all__ = ["CHAT", "EMBED", "GENERATE", "RERANK", "raw_call"]


def _counter(counter: str, *places: str) -> Reading:
    """Return billed units, else tokens; the SDK has both as floats."""
    return tuple(
        Via(f"{place}.{kind}.{counter}", int)
        for kind in ("billed_units", "tokens")
        for place in places
    )


def _usage(*places: str) -> Table:
    return {
        keys.USAGE_INPUT_TOKENS: _counter("input_tokens", *places),
        keys.USAGE_OUTPUT_TOKENS: _counter("output_tokens", *places),
        keys.USAGE_CACHE_READ: tuple(Via(f"{place}.cached_tokens", int) for place in places),
        keys.SPANTOLL_USAGE_PREFIX + "search_units": tuple(
            Via(f"{place}.billed_units.search_units", positive) for place in places
        ),
        keys.SPANTOLL_USAGE_PREFIX + "classifications": tuple(
            Via(f"{place}.billed_units.classifications", positive) for place in places
        ),
    }


REQUEST: Table = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_MAX_TOKENS: "max_tokens",
    keys.REQUEST_TEMPERATURE: "temperature",
    keys.REQUEST_TOP_P: "p",
    keys.REQUEST_TOP_K: "k",
    keys.REQUEST_SEED: "seed",
    keys.REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    keys.REQUEST_PRESENCE_PENALTY: "presence_penalty",
    keys.REQUEST_STOP_SEQUENCES: "stop_sequences",
    keys.OUTPUT_TYPE: Via("response_format.type", openai_chat.OUTPUT_TYPES.get),
    # Version 1 keeps conversations; version 2 has no field for a user or metadata.
    keys.CONVERSATION_ID: "conversation_id",
}
CHAT = Call(
    "chat",
    request=REQUEST,
    response={
        keys.RESPONSE_ID: ("id", "response_id", "generation_id"),
        keys.RESPONSE_FINISH_REASONS: Via("finish_reason", as_list),
        **_usage("usage", "meta"),
    },
    chunk={
        keys.RESPONSE_ID: ("id", "response.response_id", "generation_id"),
        keys.RESPONSE_FINISH_REASONS: (
            Via("delta.finish_reason", as_list),
            Via("finish_reason", as_list),
        ),
        **_usage("delta.usage", "response.meta"),
    },
    has_values=lambda event: (
        getattr(event, "type", None) == "message-end"
        or getattr(event, "event_type", None) == "stream-end"
    ),
    messages=content.messages,
    answers=content.answers,
    stream_answers=content.events,
)
GENERATE = Call(
    "text_completion",
    request=REQUEST,
    response={keys.RESPONSE_ID: "id", **_usage("meta")},
    chunk={keys.RESPONSE_ID: "response.id", **_usage("response.meta")},
)
EMBED = Call(
    "embeddings",
    request={
        keys.REQUEST_MODEL: "model",
        keys.EMBEDDINGS_DIMENSION_COUNT: "output_dimension",
        keys.REQUEST_ENCODING_FORMATS: "embedding_types",
    },
    response={
        keys.RESPONSE_ID: "id",
        keys.USAGE_IMAGE_INPUT: Via("meta.billed_units.image_tokens", int),
        **_usage("meta"),
    },
)
RERANK = Call(
    "rerank",
    request={keys.REQUEST_MODEL: "model"},
    response={keys.RESPONSE_ID: "id", **_usage("meta")},
)


def raw_call(call: Call) -> Call:
    """Return the call of the raw client below, which wraps each answer in `data`.

    A client made before `instrument()` holds the methods of the raw client, not of its own class.
    """
    return replace(
        call,
        response=nest_table("data", call.response),
        answers=lambda response: content.answers(pick(response, "data")),
    )
