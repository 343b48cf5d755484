from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.dialects.otel import GENAI
from spantoll.semconv.numbers import mapping
from spantoll.semconv.roles import role_of
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting

PREFIX = "opentelemetry.instrumentation."
LIBRARIES = """
alephalpha agno anthropic bedrock chromadb cohere crewai google_generativeai groq haystack lancedb
langchain llamaindex marqo mcp milvus mistralai ollama openai openai_agents openai.v0 openai.v1
pinecone qdrant replicate sagemaker together transformers vertexai voyageai watsonx weaviate writer
"""
REQUEST_TYPES: dict[str, str] = {
    "chat": "chat",
    "completion": "text_completion",
    "embedding": "embeddings",
    "rerank": "rerank",
}


CREW_USED = {
    "input": "prompt_tokens",
    "output": "completion_tokens",
    "cache_read": "cached_prompt_tokens",
    "cache_write": "cache_creation_tokens",
    "reasoning": "reasoning_tokens",
}


def _counting(span: SpanView, provider: str | None) -> Counting:
    # Bedrock's own counters are passed on (openllmetry#4449); the others add the cached tokens up.
    # InvokeModel tells no cache at all, Converse does, if only as 0.
    bedrock = span.scope_name.endswith(".bedrock")
    return Counting(
        input_has_cache=not bedrock,
        tells_cache=not bedrock or "gen_ai.usage.cache_read.input_tokens" in span.attributes,
    )


def _role(span: SpanView, found: Found) -> Role | None:
    known = role_of(found.get("operation"))
    if known is None and "traceloop_kind" in found:
        return "tool" if found["traceloop_kind"] == "tool" else "aggregate"
    return known


def _refine(span: SpanView, found: Found) -> None:
    if "operation" not in found and "request_type" in found:
        kind = str(found["request_type"])
        found["operation"] = REQUEST_TYPES.get(kind, kind)
    if "operation" not in found and span.name.startswith("openai.embeddings"):
        found["operation"] = "embeddings"
    if span.scope_name.endswith(".bedrock"):
        # Older releases name the model's maker.
        found["provider"] = "aws.bedrock"
    if "crew_usage" in found:
        # What a whole crew used: the only number where its models are not instrumented.
        used = mapping(found["crew_usage"])
        for name, key in CREW_USED.items():
            found.setdefault(name, used.get(key))
    finish = span.attributes.get("gen_ai.completion.0.finish_reason")
    if finish is not None:
        found.setdefault("finish_reasons", finish)


DIALECT = TableDialect(
    name="openllmetry",
    keys={
        **GENAI,
        "request_type": ("llm.request.type",),
        "crew_usage": ("crewai.crew.usage_metrics",),
        "traceloop_kind": ("traceloop.span.kind",),
        "cost": (),
    },
    scopes=(
        *(PREFIX + library for library in LIBRARIES.split()),
        PREFIX + "crewai.",
        "traceloop.tracer",
    ),
    markers=("traceloop.span.kind", "llm.request.type"),
    rank=30,
    counting=_counting,
    role=_role,
    refine=_refine,
)
