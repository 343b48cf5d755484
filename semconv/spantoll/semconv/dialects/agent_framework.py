from __future__ import annotations

from spantoll.semconv.dialect import SpanView
from spantoll.semconv.genai import GENAI
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import CACHE_APART, Counting


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    """Each client passes its provider's counters on (`_parse_usage*` of the chat clients, 1.23).

    Claude is reached through Foundry and Vertex too, by the same code. Cached tokens have a key
    only where the latest conventions are opted into, which also renames the provider's key.
    """
    model = str(span.attributes.get("gen_ai.request.model"))
    return Counting(
        input_has_cache=provider not in CACHE_APART and "claude" not in model,
        reports_cache="gen_ai.provider.name" in span.attributes,
    )


DIALECT = TableDialect(
    name="agent_framework",
    keys=GENAI,
    scopes=("agent_framework", "agent_framework."),
    rank=30,
    counting=_declare_counting,
)
