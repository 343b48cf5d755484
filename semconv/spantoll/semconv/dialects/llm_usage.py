"""Spans of emitters that are not known, with a model and usage under `llm.*` alone.

Agents write their sums under the same names. A sum is not billed where a call below reports usage;
what is billed is marked, because it may be the sum of calls that report none.
"""

from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import UNKNOWN_EMITTER


def _refine(span: SpanView, found: Found) -> None:
    found["usage_status"] = UNKNOWN_EMITTER


DIALECT = TableDialect(
    name="llm_usage",
    keys={
        "provider": ("llm.provider", "llm.vendor", "llm.system"),
        "request_model": ("llm.request.model", "llm.model", "llm.model_name", "llm.model.name"),
        "response_model": ("llm.response.model",),
        "response_id": ("llm.response.id",),
        "input": ("llm.usage.prompt_tokens", "llm.usage.input_tokens"),
        "output": ("llm.usage.completion_tokens", "llm.usage.output_tokens"),
        "total": ("llm.usage.total_tokens",),
    },
    markers=(
        "llm.usage.prompt_tokens",
        "llm.usage.completion_tokens",
        "llm.usage.input_tokens",
        "llm.usage.output_tokens",
    ),
    # After the convention, whose spans may carry these keys too.
    rank=95,
    refine=_refine,
)
