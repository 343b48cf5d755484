from __future__ import annotations

import re

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.numbers import mapping, unquoted
from spantoll.semconv.provider_usage import LONGEST_ANSWER, counters, parts, supplement
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting

ROLES: dict[str, Role] = {
    "CHAT_MODEL": "inference",
    "LLM": "inference",
    "EMBEDDING": "embedding",
    "RERANKER": "inference",
    "TOOL": "tool",
    "RETRIEVER": "tool",
}
OPERATIONS = {"CHAT_MODEL": "chat", "LLM": "chat", "EMBEDDING": "embeddings", "RERANKER": "rerank"}
QUOTED = ("kind", "provider", "request_model", "response_model", "user_id", "session_id")
ANSWER_ID = re.compile(r'^\{"id": ?"([\w.:-]{1,128})"')
"""The id at the head of the answer. Of the answer nothing but its usage is read."""
PROVIDERS = {
    "anthropic": "anthropic",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "groq": "groq",
    "mistral": "mistral_ai",
}
"""Whose SDK was called; OpenAI's is used for many hosts, so it says nothing."""


def _role(span: SpanView, found: Found) -> Role | None:
    return ROLES.get(str(found.get("kind")), "aggregate")


def _counting(span: SpanView, provider: str | None) -> Counting:
    return Counting(input_has_cache=True)


def _refine(span: SpanView, found: Found) -> None:
    """Every attribute of MLflow is JSON text, strings too."""
    for name in (*QUOTED, "service_tier_requested", "stream"):
        if name in found:
            found[name] = unquoted(found[name])
    found.update(counters(mapping(found.get("token_usage"))))
    form = unquoted(found.get("format"))
    if span.name.startswith("BedrockRuntime."):
        form = "bedrock"
    if form == "bedrock" or "provider" not in found:
        # Of Bedrock, MLflow takes the model id's first word for the provider.
        found["provider"] = PROVIDERS.get(str(form))
    found["operation"] = OPERATIONS.get(str(found.get("kind")))
    cost = mapping(found.get("cost_details")).get("total_cost")
    if cost:
        found["cost"] = cost
    outputs = span.attributes.get("mlflow.spanOutputs")
    if isinstance(outputs, str):
        if answer := ANSWER_ID.match(outputs[:200]):
            found.setdefault("response_id", answer.group(1))
        if '"usage"' in outputs and len(outputs) <= LONGEST_ANSWER:
            # It normalises the totals and drops parts; of embeddings it tells no usage.
            usage = mapping(mapping(outputs).get("usage"))
            supplement(found, parts(usage) if "input" in found else counters(usage))


DIALECT = TableDialect(
    name="mlflow",
    keys={
        "kind": ("mlflow.spanType",),
        "provider": ("mlflow.llm.provider",),
        "request_model": ("model",),
        "response_model": ("mlflow.llm.model",),
        "token_usage": ("mlflow.chat.tokenUsage",),
        "format": ("mlflow.message.format",),
        "cost_details": ("mlflow.llm.cost",),
        "service_tier_requested": ("service_tier",),
        "stream": ("stream",),
        "user_id": ("user", "mlflow.trace.user"),
    },
    scopes=("mlflow.*", "mlflow"),
    markers=("mlflow.spanType",),
    rank=40,
    counting=_counting,
    role=_role,
    refine=_refine,
)
