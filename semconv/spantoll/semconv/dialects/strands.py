from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import integer


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    """Their own rule (metrics.py:184): up to August 2026 Bedrock's input left the cache out."""
    cached = not CACHE_KEYS.isdisjoint(span.attributes)
    input_, output, total = (
        integer(span.attributes.get(f"gen_ai.usage.{part}_tokens"))
        for part in ("input", "output", "total")
    )
    if input_ is None or output is None or total is None:
        return Counting(reports_cache=cached)
    return Counting(input_has_cache=input_ + output == total, reports_cache=cached)


def _refine(span: SpanView, found: Found) -> None:
    for event in span.events:
        reason = event.attributes.get("finish_reason")
        if event.name == "gen_ai.choice" and isinstance(reason, str):
            found.setdefault("finish_reasons", reason)


CACHE_KEYS = frozenset(
    {"gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"}
)

DIALECT = TableDialect(
    name="strands",
    keys=GENAI,
    scopes=("strands.*",),
    rank=30,
    counting=_declare_counting,
    refine=_refine,
)
