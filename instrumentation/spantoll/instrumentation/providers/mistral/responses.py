"""Mistral's Responses API, which has the shape of OpenAI's.

Input: requests, responses and the frames of a stream of the `mistralai` SDK. Output: its `Call`.
"""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.reading import Table, Via, nest_table, pick
from spantoll.instrumentation.values import as_list
from spantoll.semconv import attributes as keys

__all__ = ["RESPONSE"]

FINISH_REASONS = {"completed": "stop", "failed": "error", "cancelled": "error"}


def _finish(response: Any) -> Any:
    status = pick(response, "status")
    if status == "incomplete":
        return as_list(pick(response, "incomplete_details.reason") or status)
    return as_list(FINISH_REASONS.get(status))


VALUES: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.RESPONSE_FINISH_REASONS: _finish,
    keys.USAGE_INPUT_TOKENS: "usage.input_tokens",
    keys.USAGE_OUTPUT_TOKENS: "usage.output_tokens",
    keys.USAGE_CACHE_READ: "usage.input_tokens_details.cached_tokens",
    keys.USAGE_CACHE_WRITE: "usage.input_tokens_details.cache_write_tokens",
    keys.USAGE_REASONING: "usage.output_tokens_details.reasoning_tokens",
    keys.ERROR_TYPE: "error.code",
}
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})

RESPONSE = Call(
    "chat",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_TEMPERATURE: "temperature",
        keys.REQUEST_TOP_P: "top_p",
        keys.REQUEST_MAX_TOKENS: "max_output_tokens",
        keys.REQUEST_REASONING_LEVEL: "reasoning.effort",
        keys.OUTPUT_TYPE: Via(
            "text.format.type", {"json_object": "json", "json_schema": "json"}.get
        ),
    },
    caller={"metadata": "metadata", "prompt_cache_key": "prompt_cache_key"},
    response=VALUES,
    chunk={
        **nest_table("data.response", VALUES),
        keys.ERROR_TYPE: ("data.response.error.code", "data.code"),
    },
    has_values=lambda frame: frame.data.type in ENDS,
)
