"""MLflow's tracing: spans of type CHAT_MODEL, LLM and EMBEDDING are calls.

Every attribute is JSON text, strings too; usage is normalised to contain cached tokens
(mlflow/tracing/constant.py).
"""

from __future__ import annotations

import re

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found, convert_fields, name_fields
from spantoll.semconv.provider_usage import (
    MAX_ANSWER_CHARS,
    add_missing,
    read_counters,
    read_parts,
)
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import mapping, unquoted

ROLES: dict[str, Role] = {
    "CHAT_MODEL": "inference",
    "LLM": "inference",
    "EMBEDDING": "embedding",
    "RERANKER": "inference",
    "TOOL": "tool",
    "RETRIEVER": "tool",
}
OPERATIONS = {"CHAT_MODEL": "chat", "LLM": "chat", "EMBEDDING": "embeddings", "RERANKER": "rerank"}
KIND = "mlflow.spanType"
QUOTED = name_fields(
    *("provider", "request_model", "response_model", "user_id", "session_id"),
    *("service_tier_requested", "stream"),
    owner="dialect mlflow",
)
ANSWER_ID = re.compile(r'^\{"id": ?"([\w.:-]{1,128})"')
"""The id at the head of the answer. Of the answer nothing but its usage is read."""
PROVIDERS = {
    "anthropic": "anthropic",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "groq": "groq",
    "mistral": "mistral_ai",
}
"""SDK -> provider; OpenAI's SDK calls many hosts, so it decides nothing."""


def _decide_role(span: SpanView, found: Found) -> Role | None:
    return ROLES.get(str(unquoted(span.attributes.get(KIND))), "aggregate")


def _refine(span: SpanView, found: Found) -> None:
    """Every attribute of MLflow is JSON text, strings too."""
    attributes = span.attributes
    convert_fields(found, QUOTED, unquoted)
    found.update(read_counters(mapping(attributes.get("mlflow.chat.tokenUsage"))))
    sdk = unquoted(attributes.get("mlflow.message.format"))
    if span.name.startswith("BedrockRuntime."):
        sdk = "bedrock"
    if sdk == "bedrock" or "provider" not in found:
        # Of Bedrock, MLflow takes the model id's first word for the provider.
        found["provider"] = PROVIDERS.get(str(sdk))
    found["operation"] = OPERATIONS.get(str(unquoted(attributes.get(KIND))))
    cost = mapping(attributes.get("mlflow.llm.cost")).get("total_cost")
    if cost:
        found["cost"] = cost
    outputs = attributes.get("mlflow.spanOutputs")
    if isinstance(outputs, str):
        if answer := ANSWER_ID.match(outputs[:200]):
            found.setdefault("response_id", answer.group(1))
        if '"usage"' in outputs and len(outputs) <= MAX_ANSWER_CHARS:
            # It normalises the totals and drops parts; of embeddings it reports no usage.
            usage = mapping(mapping(outputs).get("usage"))
            add_missing(found, read_parts(usage) if "input" in found else read_counters(usage))


DIALECT = TableDialect(
    name="mlflow",
    keys={
        "provider": ("mlflow.llm.provider",),
        "request_model": ("model",),
        "response_model": ("mlflow.llm.model",),
        "service_tier_requested": ("service_tier",),
        "stream": ("stream",),
        "user_id": ("user", "mlflow.trace.user"),
    },
    scopes=("mlflow.*", "mlflow"),
    markers=(KIND,),
    rank=40,
    counting=Counting(input_has_cache=True),
    role=_decide_role,
    refine=_refine,
)
