"""OpenLLMetry (Traceloop), Python and Node: the GenAI keys of its version, or older `llm.*` ones.

Which counters contain cached tokens follows from the scope, which names the instrumented library
(packages/opentelemetry-instrumentation-*, packages/instrumentation-*).
"""

from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.provider_usage import add_missing, make_paths, read_paths
from spantoll.semconv.roles import role_of_operation
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import mapping

KIND = "traceloop.span.kind"
REQUEST_TYPE = "llm.request.type"
NODE = "@traceloop/instrumentation-"
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


CREW_USAGE = make_paths(
    {
        "input": ("prompt_tokens",),
        "output": ("completion_tokens",),
        "cache_read": ("cached_prompt_tokens",),
        "cache_write": ("cache_creation_tokens",),
        "reasoning": ("reasoning_tokens",),
    },
    owner="dialect openllmetry",
)
"""What a whole crew used: the only number where its models are not instrumented."""


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    if span.scope_name.startswith(NODE):
        # The Node package passes Anthropic's own counters on, streamed or not, and adds input and
        # output up to a total that proves nothing (dist/index.js:318-328 of 0.25 to 0.27).
        return Counting(input_has_cache=False if span.scope_name == NODE + "anthropic" else None)
    # Bedrock's own counters are passed on (openllmetry#4449); the others add the cached tokens up.
    # InvokeModel has no key for cached tokens, Converse does, if only as 0.
    bedrock = span.scope_name.endswith(".bedrock")
    return Counting(
        input_has_cache=not bedrock,
        reports_cache=not bedrock or "gen_ai.usage.cache_read.input_tokens" in span.attributes,
    )


def _decide_role(span: SpanView, found: Found) -> Role | None:
    known = role_of_operation(found.get("operation"))
    kind = span.attributes.get(KIND)
    if known is None and kind is not None:
        return "tool" if kind == "tool" else "aggregate"
    return known


def _refine(span: SpanView, found: Found) -> None:
    attributes = span.attributes
    request_type = attributes.get(REQUEST_TYPE)
    if "operation" not in found and request_type is not None:
        found["operation"] = REQUEST_TYPES.get(str(request_type), str(request_type))
    if "operation" not in found and span.name.startswith("openai.embeddings"):
        found["operation"] = "embeddings"
    if span.scope_name.endswith(".bedrock"):
        # Older releases name the model's maker.
        found["provider"] = "aws.bedrock"
    crew_usage = attributes.get("crewai.crew.usage_metrics")
    if crew_usage is not None:
        add_missing(found, read_paths(mapping(crew_usage), CREW_USAGE))
    finish = attributes.get("gen_ai.completion.0.finish_reason")
    if finish is not None:
        found.setdefault("finish_reasons", finish)


DIALECT = TableDialect(
    name="openllmetry",
    keys={
        **GENAI,
        "cost": (),
        # Up to release 0.14 (March 2024).
        "provider": (*GENAI["provider"], "llm.vendor"),
        "request_model": (*GENAI["request_model"], "llm.request.model"),
        "response_model": (*GENAI["response_model"], "llm.response.model"),
    },
    scopes=(
        *(PREFIX + library for library in LIBRARIES.split()),
        PREFIX + "crewai.",
        "traceloop.tracer",
        NODE + "*",
    ),
    markers=(KIND, REQUEST_TYPE),
    rank=30,
    counting=_declare_counting,
    role=_decide_role,
    refine=_refine,
)
