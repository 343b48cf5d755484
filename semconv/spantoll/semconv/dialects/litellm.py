from __future__ import annotations

import re

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.dialects.otel import GENAI
from spantoll.semconv.numbers import mapping
from spantoll.semconv.provider_usage import parts, supplement, totals
from spantoll.semconv.roles import role_of
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting

RAW = "raw_gen_ai_request"
"""The child span that dumps the provider's answer. It is no call of its own, but where it has the
provider's usage object it is the better witness: it knows of the cache."""
DUMPED = re.compile(r"llm\.\w+\.(?P<what>usage|usageMetadata|id|model)")


def _counting(span: SpanView, provider: str | None) -> Counting:
    # prompt_tokens is fresh plus cache read plus cache write (anthropic/chat/transformation.py).
    return Counting(input_has_cache=True)


def _role(span: SpanView, found: Found) -> Role | None:
    if span.name == RAW:
        return "inference" if "output" in found else "aggregate"
    return role_of(found.get("operation")) or role_of(found.get("request_type"))


def _refine(span: SpanView, found: Found) -> None:
    if span.name == RAW:
        _read_dump(span, found)
    supplement(found, parts(mapping(found.get("usage_object"))))
    if role_of(found.get("operation")) is None and "request_type" in found:
        found["operation"] = found["request_type"]
    model = found.get("provider_model")
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
            found.update(totals(mapping(value)))
            found.pop("cost", None)


DIALECT = TableDialect(
    name="litellm",
    keys={
        **GENAI,
        "provider": ("gen_ai.provider.name", "gen_ai.system", "litellm.provider"),
        "usage_object": ("metadata.usage_object",),
        "request_type": ("llm.request.type",),
        "provider_model": ("litellm.provider.model",),
        "stream": ("gen_ai.request.stream", "litellm.request.streaming", "llm.is_streaming"),
        "request_id": ("litellm.call_id",),
        "cost": ("litellm.cost.total", "gen_ai.cost.total_cost"),
        "cache_hit": ("litellm.cache_hit",),
    },
    scopes=("litellm",),
    # The callback writes onto whatever span is current, such as a web framework's.
    markers=("litellm.call_id", "litellm.provider.model"),
    rank=15,
    counting=_counting,
    role=_role,
    refine=_refine,
    cost_source="gateway",
)
