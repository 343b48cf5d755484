from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import CACHE_APART, Counting

KIND = "spring.ai.kind"


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    """Usage is the provider's own, and the total only adds its two numbers up.

    So the total proves nothing here. Cached tokens have keys since spring-ai#5962 (May 2026).
    """
    return Counting(input_has_cache=provider not in CACHE_APART)


def _decide_role(span: SpanView, found: Found) -> Role | None:
    # The chat client, its advisors and vector stores around the call of the model.
    return "aggregate" if span.attributes.get(KIND) is not None else None


DIALECT = TableDialect(
    name="spring_ai",
    keys={
        **GENAI,
        "stream": ("gen_ai.request.stream", "spring.ai.chat.client.stream"),
    },
    # Micrometer's bridge: of all spans of a Spring Boot application.
    scopes=("org.springframework.boot",),
    markers=(KIND,),
    rank=30,
    counting=_declare_counting,
    role=_decide_role,
)
