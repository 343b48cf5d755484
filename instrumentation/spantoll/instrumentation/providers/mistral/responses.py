"""Mistral's Responses API, which has the shape of OpenAI's.

Input: requests, responses and the frames of a stream of the `mistralai` SDK. Output: its `Call`.
"""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation.apis.openai_responses import REQUEST, USAGE
from spantoll.instrumentation.provider import Call
from spantoll.instrumentation.reading import Table, nest_table, pick
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
    **USAGE,
    keys.ERROR_TYPE: "error.code",
}
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})

RESPONSE = Call(
    "chat",
    request=REQUEST,
    caller={"metadata": "metadata", "prompt_cache_key": "prompt_cache_key"},
    response=VALUES,
    chunk={
        **nest_table("data.response", VALUES),
        keys.ERROR_TYPE: ("data.response.error.code", "data.code"),
    },
    has_values=lambda frame: frame.data.type in ENDS,
)
