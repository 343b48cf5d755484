from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.dialects.otel import GENAI
from spantoll.semconv.numbers import integer
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting


def _counting(span: SpanView, provider: str | None) -> Counting:
    """Their own rule (metrics.py:184): up to August 2026 Bedrock's input left the cache out."""
    cached = not CACHE_KEYS.isdisjoint(span.attributes)
    told = {key: integer(span.attributes.get(f"gen_ai.usage.{key}_tokens")) for key in PARTS}
    if None in told.values():
        return Counting(tells_cache=cached)
    summed = (told["input"] or 0) + (told["output"] or 0)
    return Counting(input_has_cache=summed == told["total"], tells_cache=cached)


def _refine(span: SpanView, found: Found) -> None:
    for event in span.events:
        reason = event.attributes.get("finish_reason")
        if event.name == "gen_ai.choice" and isinstance(reason, str):
            found.setdefault("finish_reasons", reason)


CACHE_KEYS = frozenset(
    {"gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"}
)
PARTS = ("input", "output", "total")

DIALECT = TableDialect(
    name="strands",
    keys=GENAI,
    scopes=("strands.*",),
    rank=30,
    counting=_counting,
    refine=_refine,
)
