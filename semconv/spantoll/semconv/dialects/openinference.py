"""OpenInference (Arize Phoenix): spans of kind LLM, EMBEDDING and RERANKER are calls.

Some counters, the response id and OpenRouter's cost are only inside the answer's JSON text, of
which nothing else is kept (openinference/spec/semantic_conventions.md).
"""

from __future__ import annotations

import json
from decimal import Decimal

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found
from spantoll.semconv.provider_usage import (
    MAX_ANSWER_CHARS,
    add_missing,
    make_paths,
    read_billed_cost,
    read_parts,
    read_paths,
    read_totals,
)
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting

KIND = "openinference.span.kind"
ROLES: dict[str, Role] = {
    "LLM": "inference",
    "EMBEDDING": "embedding",
    "RERANKER": "inference",
    "TOOL": "tool",
    "RETRIEVER": "tool",
}

LANGCHAIN_DETAILS = make_paths(
    {
        "cache_read": ("flex_cache_read", "priority_cache_read"),
        "cache_write_5m": ("ephemeral_5m_input_tokens",),
        "cache_write_1h": ("ephemeral_1h_input_tokens",),
    },
    owner="dialect openinference",
)
"""Details of `usage_metadata` that OpenInference has no attributes for."""
LIFETIMES = ("cache_write_5m", "cache_write_1h")


def _decide_role(span: SpanView, found: Found) -> Role | None:
    kind = _read_kind(span)
    if "retrieve" in span.name.lower() and kind == "LLM":
        return "fetch"
    return ROLES.get(kind, "aggregate")


def _read_kind(span: SpanView) -> str:
    kind = span.attributes.get(KIND)
    return "" if kind is None else str(kind).upper()


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    if span.scope_name.endswith(".bedrock"):
        # inputTokens as Bedrock reports them; the details are read under another name.
        return Counting()
    return Counting(input_has_cache=True)


def _refine(span: SpanView, found: Found) -> None:
    """Read what OpenInference keeps only inside the answer's JSON: id, tier, and OpenRouter's cost.

    The text itself is not kept.
    """
    attributes = span.attributes
    if _read_kind(span) == "EMBEDDING":
        found.setdefault("operation", "embeddings")
    elif span.name.lower().startswith("image"):
        found.setdefault("operation", "image_generation")
    answer = _read_json(attributes.get("output.value"))
    if isinstance(answer.get("id"), str):
        found.setdefault("response_id", answer["id"])
    if isinstance(answer.get("service_tier"), str):
        found.setdefault("service_tier", answer["service_tier"])
    if "generations" in answer:
        found.setdefault("response_id", _read_langchain_id(answer))
        _read_langchain_message(answer, found)
    usage = answer.get("usage")
    if isinstance(usage, dict):
        # Of images and transcriptions it has no attributes.
        add_missing(found, read_parts(usage) if "input" in found else read_totals(usage))
        _read_cost(usage, found)
    parameters = attributes.get("llm.invocation_parameters")
    if parameters is None:
        parameters = attributes.get("embedding.invocation_parameters")
    _read_parameters(_read_json(parameters), found)


def _read_parameters(parameters: dict[str, object], found: Found) -> None:
    if isinstance(parameters.get("service_tier"), str):
        found.setdefault("service_tier_requested", parameters["service_tier"])
    if isinstance(parameters.get("stream"), bool):
        found.setdefault("stream", parameters["stream"])
    if isinstance(parameters.get("model"), str):
        found.setdefault("request_model", parameters["model"])


def _read_cost(usage: dict[str, object], found: Found) -> None:
    cost = read_billed_cost(usage)
    if cost is not None:
        found["cost"], found["cost_source"] = cost, "provider"


def _read_langchain_message(result: dict[str, object], found: Found) -> None:
    """Read the tier and the parts of the usage that only a LangChain message has."""
    message = _read_path(result, "generations", 0, 0, "message", "kwargs")
    tier = _read_path(message, "response_metadata", "service_tier")
    if isinstance(tier, str):
        found.setdefault("service_tier", tier)
    for name in ("usage", "token_usage"):
        usage = _read_path(message, "response_metadata", name)
        if isinstance(usage, dict):
            add_missing(found, read_parts(usage))
            _read_cost(usage, found)
    details = _read_path(message, "usage_metadata", "input_token_details")
    if isinstance(details, dict):
        parts = read_paths(details, LANGCHAIN_DETAILS)
        if found.get("cache_write") == 0 and any(map(parts.get, LIFETIMES)):
            # So LangChain reports writes of which it knows the lifetimes.
            del found["cache_write"]
        add_missing(found, parts)


def _read_langchain_id(result: dict[str, object]) -> str | None:
    """Read the provider's response id in a LangChain LLMResult; a run's own id is none."""
    message = _read_path(result, "generations", 0, 0, "message", "kwargs")
    for found in (
        _read_path(result, "llm_output", "id"),
        _read_path(message, "response_metadata", "id"),
        _read_path(message, "id"),
    ):
        if isinstance(found, str) and not found.startswith(("lc_run-", "run-")):
            return found
    return None


def _read_path(found: object, *path: str | int) -> object:
    for step in path:
        if isinstance(step, str) and isinstance(found, dict):
            found = found.get(step)
        elif isinstance(step, int) and isinstance(found, list) and len(found) > step:
            found = found[step]
        else:
            return None
    return found


def _read_json(text: object) -> dict[str, object]:
    if not isinstance(text, str) or text[:1] != "{" or len(text) > MAX_ANSWER_CHARS:
        return {}
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


DIALECT = TableDialect(
    name="openinference",
    keys={
        "operation": ("openinference.operation",),
        "provider": ("llm.provider", "llm.system"),
        "request_model": ("llm.request.model_name", "embedding.request.model_name"),
        "response_model": (
            "llm.response.model_name",
            "llm.model_name",
            "embedding.model_name",
            "reranker.model_name",
            "decision.model_name",
        ),
        "input": ("llm.token_count.prompt", "decision.token_count.input"),
        "output": ("llm.token_count.completion", "decision.token_count.output"),
        "total": ("llm.token_count.total",),
        "cache_read": (
            "llm.token_count.prompt_details.cache_read",
            "llm.token_count.prompt_details.cache_input",
        ),
        "cache_write": ("llm.token_count.prompt_details.cache_write",),
        "reasoning": ("llm.token_count.completion_details.reasoning",),
        "audio_in": ("llm.token_count.prompt_details.audio",),
        "audio_out": ("llm.token_count.completion_details.audio",),
        "finish_reasons": ("llm.finish_reason",),
        "cost": ("llm.cost.total",),
    },
    scopes=("openinference.",),
    markers=(KIND,),
    marks_every_span=True,
    rank=10,
    counting=_declare_counting,
    role=_decide_role,
    refine=_refine,
)
