"""Where the Responses API and OpenAI's images and videos have their values.

Input: wire bodies and objects of OpenAI's SDK. Output: the tables of each `Call`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spantoll.instrumentation.apis import openai_responses
from spantoll.instrumentation.apis.openai_chat import CALLER, COST, combine_totals
from spantoll.instrumentation.provider import Call, DeferredResult
from spantoll.instrumentation.providers.openai import content
from spantoll.instrumentation.reading import AsIs, Table, Via, nest_table, pick
from spantoll.instrumentation.values import count_items, positive, unless_one, whole_milliseconds
from spantoll.semconv import attributes as keys

__all__ = [
    "DECISION",
    "FETCH",
    "IMAGE",
    "RESPONSE",
    "VIDEO",
    "finish_of_status",
    "model_attribute",
]


def finish_of_status(response: Any) -> tuple[str, ...] | None:
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


_IMAGES, _TOOLS, _ITEMS, _SVG = "_images", "_tools", "_items", "_svg"

RESPONSE_VALUES: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.RESPONSE_FINISH_REASONS: finish_of_status,
    **openai_responses.USAGE,
    keys.SPANTOLL_USAGE_PREFIX + "cache_write_12h_tokens": (
        "usage.input_tokens_details.cache_write_tokens_details.ttl_12h_tokens"
    ),
    keys.SPANTOLL_USAGE_PREFIX + "web_searches": (
        # Those that are billed: a discounted search is a call of the tool too.
        Via("tool_usage.web_search.num_requests", positive),
        _tool_calls("web_search_call", "search"),
    ),
    keys.SPANTOLL_USAGE_PREFIX + "file_searches": _tool_calls("file_search_call"),
    keys.OPENAI_RESPONSE_SERVICE_TIER: "service_tier",
    keys.SPANTOLL_REQUEST_ID: "_request_id",
    keys.ERROR_TYPE: "error.code",
    _IMAGES: AsIs("tool_usage.image_gen"),
    _TOOLS: AsIs("tools"),
    _ITEMS: AsIs("output"),
    **COST,
}


EVENTS_WITH_VALUES = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.created", "error"}
)


def _event_has_values(event: Any) -> bool:
    return event.type in EVENTS_WITH_VALUES


def _error_event(event: Any) -> str | None:
    if pick(event, "type") == "error":
        return pick(event, "code") or "_OTHER"
    code: str | None = pick(event, "response.error.code")
    return code


def model_attribute(model: Any) -> dict[str, str]:
    """Return the attribute of a model that a call is known to have asked for; none for another."""
    return {keys.REQUEST_MODEL: model} if isinstance(model, str) and model else {}


def _images_drawn(found: dict[str, Any]) -> Iterator[DeferredResult]:
    """Return the requests to the models of the image tool, whose tokens the totals leave out."""
    items, usage, tools = (found.pop(name, None) for name in (_ITEMS, _IMAGES, _TOOLS))
    for item in items if isinstance(items, list) else ():
        if pick(item, "type") == IMAGE_CALL:
            yield from _svg_written(pick(item, "svg_usage"))
    if pick(usage, "input_tokens") or pick(usage, "output_tokens"):
        models = {
            str(pick(tool, "model") or "")
            for tool in (tools if isinstance(tools, list) else ())
            if pick(tool, "type") == IMAGE_TOOL
        }
        model = models.pop() if len(models) == 1 else None
        yield DeferredResult(DRAWN, "", body=usage, attributes=model_attribute(model))


def _svg_written(usage: Any) -> Iterator[DeferredResult]:
    """Return the request to the model that wrote an image as SVG; no other usage has its tokens."""
    if usage is not None:
        attributes = model_attribute(pick(usage, "model"))
        yield DeferredResult(WRITTEN, "", body=usage, attributes=attributes)


def _image_as_svg(found: dict[str, Any]) -> Iterator[DeferredResult]:
    return _svg_written(found.pop(_SVG, None))


IMAGE_TOOL, IMAGE_CALL = "image_generation", "image_generation_call"
WRITTEN = Call(
    "chat",
    response={
        keys.RESPONSE_MODEL: "model",
        keys.USAGE_INPUT_TOKENS: "input_tokens",
        keys.USAGE_OUTPUT_TOKENS: "output_tokens",
        keys.USAGE_REASONING: "reasoning_tokens",
    },
)
IMAGE_TOKENS: Table = {
    keys.USAGE_INPUT_TOKENS: "input_tokens",
    keys.USAGE_TEXT_INPUT: "input_tokens_details.text_tokens",
    keys.USAGE_IMAGE_INPUT: "input_tokens_details.image_tokens",
    keys.USAGE_OUTPUT_TOKENS: "output_tokens",
    keys.USAGE_TEXT_OUTPUT: "output_tokens_details.text_tokens",
    keys.USAGE_IMAGE_OUTPUT: "output_tokens_details.image_tokens",
}
DRAWN = Call(
    "image_generation",
    response={
        **IMAGE_TOKENS,
        keys.USAGE_CACHE_READ: "cached_tokens",
        **{
            f"spantoll.usage.cache_read.{kind}.input_tokens": (
                f"cached_tokens_details.cached_{kind}_tokens"
            )
            for kind in ("text", "image")
        },
    },
    constant={keys.OUTPUT_TYPE: "image"},
)

RESPONSE = Call(
    "chat",
    request={
        **openai_responses.REQUEST,
        keys.REQUEST_PREVIOUS_RESPONSE_ID: "previous_response_id",
        keys.CONVERSATION_ID: ("conversation", "conversation.id"),
        keys.OPENAI_REQUEST_SERVICE_TIER: "service_tier",
        "gen_ai.prompt.name": "prompt.id",
        "gen_ai.prompt.version": "prompt.version",
    },
    caller={**CALLER, "session": ("session_id", "previous_response_id")},
    response=RESPONSE_VALUES,
    chunk={**nest_table("response", RESPONSE_VALUES), keys.ERROR_TYPE: _error_event},
    has_values=_event_has_values,
    refine=combine_totals,
    beside=_images_drawn,
    constant={keys.OPENAI_API_TYPE: "responses"},
    messages=content.response_messages,
    answers=content.response_answers,
    stream_answers=lambda events: content.response_answers(events[-1]),
)

DECISION = Call(
    "chat",
    request={keys.REQUEST_MODEL: "model"},
    caller=CALLER,
    response={
        keys.RESPONSE_MODEL: "model",
        **openai_responses.USAGE,
        keys.SPANTOLL_REQUEST_ID: "_request_id",
    },
    constant={keys.OUTPUT_TYPE: "json"},
)
"""Questions about a text, answered with probabilities."""

FETCH = Call(
    "fetch_response",
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.RESPONSE_FINISH_REASONS: finish_of_status,
    },
    chunk={keys.RESPONSE_ID: "response.id", keys.RESPONSE_MODEL: "response.model"},
    has_values=_event_has_values,
    constant={keys.OPENAI_API_TYPE: "responses"},
    billed=False,
)
"""Reading a stored response: "SHOULD NOT report token usage", creating it has reported it."""


def _one_image(event: Any) -> int | None:
    return 1 if str(pick(event, "type")).endswith(".completed") else None


IMAGE_USAGE: Table = {
    **nest_table("usage", IMAGE_TOKENS),
    keys.SPANTOLL_IMAGE_SIZE: "size",
    keys.SPANTOLL_IMAGE_QUALITY: "quality",
    **COST,
}

IMAGE = Call(
    "image_generation",
    request={
        keys.REQUEST_MODEL: "model",
        keys.SPANTOLL_IMAGE_SIZE: "size",
        keys.SPANTOLL_IMAGE_QUALITY: "quality",
        keys.REQUEST_CHOICE_COUNT: Via("n", unless_one),
    },
    caller=CALLER,
    response={
        **IMAGE_USAGE,
        keys.SPANTOLL_IMAGES: Via("data", count_items),
        _SVG: AsIs("svg_usage"),
    },
    chunk={**IMAGE_USAGE, keys.SPANTOLL_IMAGES: _one_image},
    has_values=lambda event: event.type.endswith(".completed"),
    refine=combine_totals,
    beside=_image_as_svg,
    constant={keys.OUTPUT_TYPE: "image"},
)

VIDEO = Call(
    "video_generation",
    request={keys.REQUEST_MODEL: "model", keys.SPANTOLL_IMAGE_SIZE: "size"},
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.SPANTOLL_IMAGE_SIZE: "size",
        keys.SPANTOLL_VIDEO_MS: Via("seconds", whole_milliseconds),
    },
)
