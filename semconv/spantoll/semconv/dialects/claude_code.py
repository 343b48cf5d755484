"""Claude Code: spans `claude_code.*` and log records `claude_code.api_request` and `api_error`.

Keys are bare names (`model`, `input_tokens`), and the input leaves cached tokens out. They
are those of docs.claude.com/en/docs/claude-code/monitoring-usage.
"""

from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.events import EventDialect
from spantoll.semconv.fields import Found
from spantoll.semconv.providers import provider_of_model_id
from spantoll.semconv.table import TableDialect
from spantoll.semconv.usage import Counting
from spantoll.semconv.values import decimal, integer

REQUEST = "claude_code.llm_request"
EVENT_NAMES = {"claude_code.api_request": False, "claude_code.api_error": True}
CALLS = frozenset({REQUEST, *EVENT_NAMES})


def _decide_role(span: SpanView, found: Found) -> Role | None:
    if span.name in CALLS:
        return "inference"
    return "tool" if span.name.startswith("claude_code.tool") else "aggregate"


def _refine(span: SpanView, found: Found) -> None:
    if span.name not in CALLS:
        return
    attributes = span.attributes
    found["operation"] = "chat"
    # The response id is not reported; the span and the event of one request share this one.
    found["response_id"] = found.get("request_id")
    found["provider"] = provider_of_model_id(str(found.get("request_model"))) or "anthropic"
    status = integer(attributes.get("status_code"))
    if status is not None and status >= 400:
        found.setdefault("error_type", str(status))
    if attributes.get("success") in (False, "false"):
        found["error_message"] = attributes.get("error")
    first_token_ms = decimal(attributes.get("ttft_ms"))
    if first_token_ms is not None:
        found["time_to_first_chunk_s"] = str(first_token_ms / 1000)


DIALECT = TableDialect(
    name="claude_code",
    keys={
        "request_model": ("model", "gen_ai.request.model"),
        "input": ("input_tokens",),
        "output": ("output_tokens",),
        "cache_read": ("cache_read_tokens",),
        "cache_write": ("cache_creation_tokens",),
        "request_id": ("request_id",),
        "speed": ("speed",),
        "finish_reasons": ("gen_ai.response.finish_reasons", "stop_reason"),
        "error_type": ("error.type",),
        "cost": ("cost_usd",),
        "purpose": ("query_source",),
        "user_id": ("user.id", "user.account_uuid", "user.account_id"),
        "organisation": ("organization.id",),
    },
    scopes=("com.anthropic.claude_code*",),
    span_markers=("claude_code",),
    rank=20,
    counting=Counting(input_has_cache=False),
    role=_decide_role,
    refine=_refine,
)

EVENTS = EventDialect(
    names=EVENT_NAMES,
    table=DIALECT,
    unique=(("session.id", "request_id"), ("session.id", "event.sequence")),
)
