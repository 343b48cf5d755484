from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import THOUGHTS_APART, Counting

CACHE_KEYS = frozenset(
    {"gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens"}
)


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    # By its utils.py Anthropic and Bedrock counters are passed on; the others contain the cache.
    apart = span.scope_name.endswith((".anthropic", ".bedrock"))
    return Counting(
        input_has_cache=not apart,
        # Its Gemini counters are candidates and thoughts, as the API reports them.
        output_has_reasoning=provider not in THOUGHTS_APART,
        reports_cache=not CACHE_KEYS.isdisjoint(span.attributes),
    )


def _refine(span: SpanView, found: Found) -> None:
    if found.get("cost") in (0, 0.0):
        # 0 stands for a model OpenLIT has no price for.
        del found["cost"]
    if found.get("stream") is True:
        # On streams it writes `auto` or `default` for any tier.
        found.pop("service_tier", None)
        if span.scope_name.endswith(".openai") and CACHE_KEYS.isdisjoint(span.attributes):
            # With the provider's usage come the cache keys, if only as 0; without, it counts words.
            found["usage_status"] = "estimated"


DIALECT = TableDialect(
    name="openlit",
    keys={
        **GENAI,
        "image_size": ("gen_ai.response.image_size", "gen_ai.request.image_size"),
        "image_quality": ("gen_ai.response.image_quality", "gen_ai.request.image_quality"),
    },
    scopes=("openlit.",),
    rank=30,
    counting=_declare_counting,
    refine=_refine,
)
