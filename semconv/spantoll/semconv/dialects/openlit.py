from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.dialects.otel import GENAI
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting


def _counting(span: SpanView, provider: str | None) -> Counting:
    # By its utils.py Anthropic and Bedrock counters are passed on; the others contain the cache.
    apart = span.scope_name.endswith((".anthropic", ".bedrock"))
    return Counting(input_has_cache=not apart)


def _refine(span: SpanView, found: Found) -> None:
    if found.get("cost") in (0, 0.0):
        # 0 stands for a model OpenLIT has no price for.
        del found["cost"]
    if found.get("stream") is True:
        # On streams the tier is `auto` or `default` whatever the provider said.
        found.pop("service_tier", None)


DIALECT = TableDialect(
    name="openlit",
    keys={
        **GENAI,
        "image_size": ("gen_ai.response.image_size", "gen_ai.request.image_size"),
        "image_quality": ("gen_ai.response.image_quality", "gen_ai.request.image_quality"),
    },
    scopes=("openlit.",),
    rank=30,
    counting=_counting,
    refine=_refine,
)
