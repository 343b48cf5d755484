"""Where Anthropic's API has its values; Bedrock and Vertex pass them on.

`input_tokens` leaves out what was read from a cache or written to one
(docs.anthropic.com/en/docs/build-with-claude/prompt-caching); a compaction is billed and in no
total of its own (types/beta/beta_usage.py of the SDK).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from spantoll.instrumentation.apis import anthropic_content
from spantoll.instrumentation.provider import Call, DeferredResult
from spantoll.instrumentation.reading import AsIs, Table, Via, pick
from spantoll.instrumentation.values import as_list, positive
from spantoll.semconv import attributes as keys

__all__ = ["AGENT_REQUEST", "COMPLETION", "MESSAGE"]

_INPUT, _OUTPUT = "_input", "_output"
_COMPACTED = "_compacted_"
_ITERATIONS = "_iterations"
_PARTS = {
    "input": "input_tokens",
    "read": "cache_read_input_tokens",
    "write": "cache_creation_input_tokens",
    "output": "output_tokens",
}
ADVISOR = "advisor_message"


def _sum_iterations(kind: str, field: str) -> Callable[[Any], int | None]:
    def total(iterations: Any) -> int | None:
        counts = [pick(each, field) for each in iterations if pick(each, "type") == kind]
        return sum(count for count in counts if isinstance(count, int)) if counts else None

    return total


def _region(geo: Any) -> Any:
    return None if geo in ("global", "not_available") else geo


USAGE: Table = {
    _INPUT: "input_tokens",
    _OUTPUT: "output_tokens",
    keys.USAGE_CACHE_READ: "cache_read_input_tokens",
    keys.USAGE_CACHE_WRITE: "cache_creation_input_tokens",
    keys.SPANTOLL_CACHE_WRITE_1H: "cache_creation.ephemeral_1h_input_tokens",
    keys.USAGE_REASONING: "output_tokens_details.thinking_tokens",
    keys.SPANTOLL_USAGE_PREFIX + "web_searches": Via(
        "server_tool_use.web_search_requests", positive
    ),
    keys.SPANTOLL_SERVICE_TIER: "service_tier",
    keys.SPANTOLL_SPEED: "speed",
    keys.SPANTOLL_REGION: Via("inference_geo", _region),
    **{
        _COMPACTED + name: Via("iterations", _sum_iterations("compaction", field))
        for name, field in _PARTS.items()
    },
    _ITERATIONS: AsIs("iterations"),
}


def _usage(*places: str) -> Table:
    """Return the table of a usage object; in a stream's events it has two places."""
    return {
        key: AsIs(*(f"{place}.{path}" for place in places for path in reading.paths))
        if isinstance(reading, AsIs)
        else tuple(_nest_reading(place, reading) for place in places)
        for key, reading in USAGE.items()
    }


def _nest_reading(place: str, reading: Any) -> Any:
    if isinstance(reading, Via):
        return Via(f"{place}.{reading.path}", reading.convert)
    return f"{place}.{reading}"


def _conclude(found: dict[str, Any]) -> None:
    """Add up the totals: a stream reports its input first and its output last."""
    compacted = {name: found.pop(_COMPACTED + name, 0) for name in _PARTS}
    fresh, output = found.pop(_INPUT, None), found.pop(_OUTPUT, None)
    for name, key in (("read", keys.USAGE_CACHE_READ), ("write", keys.USAGE_CACHE_WRITE)):
        if compacted[name]:
            found[key] = found.get(key, 0) + compacted[name]
    if type(fresh) is int:
        cached = found.get(keys.USAGE_CACHE_READ, 0) + found.get(keys.USAGE_CACHE_WRITE, 0)
        found[keys.USAGE_INPUT_TOKENS] = fresh + compacted["input"] + cached
    if type(output) is int:
        found[keys.USAGE_OUTPUT_TOKENS] = output + compacted["output"]


def _advisors(found: dict[str, Any]) -> Iterator[DeferredResult]:
    """Return the requests to an advisor, another model at its own price."""
    for each in found.pop(_ITERATIONS, None) or ():
        if pick(each, "type") == ADVISOR:
            yield DeferredResult(ADVISED, "", body=each)


ADVISED = Call(
    "chat",
    response={
        keys.REQUEST_MODEL: "model",
        keys.RESPONSE_MODEL: "model",
        **{key: path for key, path in USAGE.items() if key != _ITERATIONS},
    },
    conclude=_conclude,
)

MESSAGE = Call(
    "chat",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_MAX_TOKENS: "max_tokens",
        keys.REQUEST_TEMPERATURE: "temperature",
        keys.REQUEST_TOP_P: "top_p",
        keys.REQUEST_TOP_K: "top_k",
        keys.REQUEST_STOP_SEQUENCES: "stop_sequences",
        keys.REQUEST_REASONING_LEVEL: "output_config.effort",
        keys.SPANTOLL_SERVICE_TIER_REQUESTED: "service_tier",
        keys.SPANTOLL_SPEED_REQUESTED: "speed",
        keys.OUTPUT_TYPE: (
            Via("output_config.format.type", {"json_schema": "json"}.get),
            Via("output_format.type", {"json_schema": "json"}.get),
        ),
    },
    caller={"user": "metadata.user_id"},
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.RESPONSE_FINISH_REASONS: Via("stop_reason", as_list),
        keys.SPANTOLL_REQUEST_ID: "_request_id",
        **_usage("usage"),
    },
    # `message_start` holds a message; the counters of `message_delta` replace those it began with.
    chunk={
        keys.RESPONSE_ID: "message.id",
        keys.RESPONSE_MODEL: "message.model",
        keys.RESPONSE_FINISH_REASONS: Via("delta.stop_reason", as_list),
        **_usage("usage", "message.usage"),
    },
    has_values=lambda event: event.type in ("message_start", "message_delta"),
    conclude=_conclude,
    beside=_advisors,
    messages=anthropic_content.messages,
    answers=anthropic_content.answers,
    stream_answers=anthropic_content.events,
)

AGENT_REQUEST = Call(
    "chat",
    response={keys.RESPONSE_ID: "id", **_usage("model_usage")},
    conclude=_conclude,
    beside=_advisors,
)
"""A model request of a managed agent: the event that reports it does not carry the model."""

COMPLETION = Call(
    "text_completion",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_MAX_TOKENS: "max_tokens_to_sample",
        keys.REQUEST_TEMPERATURE: "temperature",
        keys.REQUEST_TOP_P: "top_p",
        keys.REQUEST_TOP_K: "top_k",
        keys.REQUEST_STOP_SEQUENCES: "stop_sequences",
    },
    caller={"user": "metadata.user_id"},
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.RESPONSE_FINISH_REASONS: Via("stop_reason", as_list),
    },
)
"""The legacy API, which reports no usage."""
