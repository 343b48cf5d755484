"""OpenAI's Codex CLI: the log records of completed responses, and spans with GenAI keys.

Keys are bare names of its own (codex-rs/otel); the numbers are OpenAI's, so the input
contains cached tokens.
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

NAMES = {"codex.sse_event": False, "codex.websocket_event": False}


def _decide_role(span: SpanView, found: Found) -> Role | None:
    if span.name in NAMES:
        return "inference"
    # The span of the last event of a stream carries its usage and no operation.
    return role_of_operation(found.get("operation")) or ("inference" if "input" in found else None)


def _refine(span: SpanView, found: Found) -> None:
    if span.name in NAMES:
        found["operation"] = "chat"


DIALECT = TableDialect(
    name="codex",
    keys={
        **GENAI,
        "request_model": ("model", *GENAI["request_model"]),
        "response_id": ("response.id", *GENAI["response_id"]),
        "input": ("input_token_count", *GENAI["input"]),
        "output": ("output_token_count", *GENAI["output"]),
        # Named for tools, it is the provider's total_tokens.
        "total": ("tool_token_count", *GENAI["total"]),
        "cache_read": ("cached_token_count", *GENAI["cache_read"]),
        "cache_write": ("cache_write_token_count", *GENAI["cache_write"]),
        "reasoning": (
            "reasoning_token_count",
            "codex.usage.reasoning_output_tokens",
            *GENAI["reasoning"],
        ),
        "session_id": ("conversation.id",),
        "user_id": ("user.account_id",),
    },
    scopes=("codex_cli_rs", "codex_exec", "codex_otel*"),
    rank=20,
    counting=Counting(input_has_cache=True),
    role=_decide_role,
    refine=_refine,
    fixed_provider="openai",
)

EVENTS = EventDialect(
    names=NAMES,
    table=DIALECT,
    # Events are written twice, for the log and for the backend; the numbers stand in one or both.
    required={"event.kind": "response.completed", "input_token_count": None},
    scopes=("codex_otel.log_only", "codex_otel.trace_safe"),
    unique=(("conversation.id", "event.timestamp", "input_token_count", "output_token_count"),),
)
