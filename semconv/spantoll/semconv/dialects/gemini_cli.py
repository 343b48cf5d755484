"""Gemini CLI and its descendant Qwen Code: log records `gemini_cli.api_response` and `api_error`.

Keys are bare names (docs/cli/telemetry.md of gemini-cli); the numbers are Gemini's, so the output
leaves thoughts out and the input leaves out what tools asked.
"""

from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.events import EventDialect
from spantoll.semconv.fields import Found
from spantoll.semconv.genai import GENAI
from spantoll.semconv.roles import role_of_operation
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import integer

NAMES = {
    "gemini_cli.api_response": False,
    "gemini_cli.api_error": True,
    # A descendant with the same telemetry.
    "qwen-code.api_response": False,
    "qwen-code.api_error": True,
}


def _decide_role(span: SpanView, found: Found) -> Role | None:
    return "inference" if span.name in NAMES else role_of_operation(found.get("operation"))


def _declare_counting(span: SpanView, provider: str | None) -> Counting:
    # Gemini's usage metadata: the prompt contains cached content, candidates leave thoughts out.
    return Counting(input_has_cache=True, output_has_reasoning=span.name not in NAMES)


def _refine(span: SpanView, found: Found) -> None:
    if span.name not in NAMES:
        return
    found["operation"] = "generate_content"
    prompt = integer(found.get("input"))
    by_tools = integer(span.attributes.get("tool_token_count"))
    if prompt is not None and by_tools:
        found["input"] = prompt + by_tools
    if span.name.startswith("gemini_cli."):
        vertex = span.attributes.get("auth_type") in ("vertex-ai", "cloud-shell")
        found["provider"] = "gcp.vertex_ai" if vertex else "gcp.gemini"


DIALECT = TableDialect(
    name="gemini_cli",
    keys={
        **GENAI,
        "request_model": ("model", *GENAI["request_model"]),
        "input": ("input_token_count", *GENAI["input"]),
        "output": ("output_token_count", *GENAI["output"]),
        "cache_read": ("cached_content_token_count", *GENAI["cache_read"]),
        "reasoning": ("thoughts_token_count", *GENAI["reasoning"]),
        "finish_reasons": ("finish_reasons", *GENAI["finish_reasons"]),
        "purpose": ("role",),
    },
    scopes=("gemini-cli", "qwen-code"),
    rank=20,
    counting=_declare_counting,
    role=_decide_role,
    refine=_refine,
)

EVENTS = EventDialect(
    names=NAMES,
    table=DIALECT,
    unique=(("session.id", "prompt_id", "event.timestamp", "model"),),
)
