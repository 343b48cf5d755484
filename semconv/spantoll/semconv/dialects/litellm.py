"""LiteLLM's OpenTelemetry callback, versions 1 and 2, in the SDK and in the proxy.

It writes onto a span of its own or onto the current span, and dumps the provider's answer on a
child span (litellm/integrations/opentelemetry.py).
"""

from __future__ import annotations

import re

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.provider_usage import add_missing, read_parts, read_totals
from spantoll.semconv.roles import role_of_operation
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import mapping

RAW = "raw_gen_ai_request"
"""The child span that dumps the provider's answer. It repeats the call of its parent, but the
usage object in it has the cached tokens, which the parent may lack."""
REQUEST_TYPE = "llm.request.type"
PROVIDER_MODEL = "litellm.provider.model"
DUMPED = re.compile(r"llm\.\w+\.(?P<what>usage|usageMetadata|id|model)")


def _decide_role(span: SpanView, found: Found) -> Role | None:
    if span.name == RAW:
        return "inference" if "output" in found else "aggregate"
    return role_of_operation(found.get("operation")) or role_of_operation(
        span.attributes.get(REQUEST_TYPE)
    )


def _refine(span: SpanView, found: Found) -> None:
    if span.name == RAW:
        _read_dump(span, found)
    attributes = span.attributes
    add_missing(found, read_parts(mapping(attributes.get("metadata.usage_object"))))
    request_type = attributes.get(REQUEST_TYPE)
    if request_type is not None and role_of_operation(found.get("operation")) is None:
        found["operation"] = request_type
    model = attributes.get(PROVIDER_MODEL)
    if isinstance(model, str):
        found.setdefault("request_model", model)


def _read_dump(span: SpanView, found: Found) -> None:
    for key, value in span.attributes.items():
        match = DUMPED.fullmatch(key)
        if match is None:
            continue
        if match["what"] == "id":
            found["response_id"] = value
        elif match["what"] == "model":
            found["response_model"] = value
        else:
            found.update(read_totals(mapping(value)))
            found.pop("cost", None)


DIALECT = TableDialect(
    name="litellm",
    keys={
        **GENAI,
        "provider": ("gen_ai.provider.name", "gen_ai.system", "litellm.provider"),
        "stream": ("gen_ai.request.stream", "litellm.request.streaming", "llm.is_streaming"),
        "request_id": ("litellm.call_id",),
        "cost": ("litellm.cost.total", "gen_ai.cost.total_cost"),
        "cache_hit": ("litellm.cache_hit",),
    },
    scopes=("litellm",),
    # The callback writes onto the current span, which may be a web framework's.
    markers=("litellm.call_id", PROVIDER_MODEL),
    # Keys of the dump.
    span_markers=("llm.",),
    rank=15,
    # prompt_tokens is fresh plus cache read plus cache write (anthropic/chat/transformation.py).
    counting=Counting(input_has_cache=True),
    role=_decide_role,
    refine=_refine,
    cost_source="gateway",
)
