from __future__ import annotations

from spantoll.semconv.call import Role
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.events import EventDialect
from spantoll.semconv.numbers import decimal, integer
from spantoll.semconv.table import Found, TableDialect
from spantoll.semconv.usage import Counting

REQUEST = "claude_code.llm_request"
EVENT_NAMES = {"claude_code.api_request": False, "claude_code.api_error": True}
CALLS = frozenset({REQUEST, *EVENT_NAMES})


def _role(span: SpanView, found: Found) -> Role | None:
    if span.name in CALLS:
        return "inference"
    return "tool" if span.name.startswith("claude_code.tool") else "aggregate"


def _counting(span: SpanView, provider: str | None) -> Counting:
    return Counting(input_has_cache=False)


def _refine(span: SpanView, found: Found) -> None:
    if span.name not in CALLS:
        return
    found["operation"] = "chat"
    # The id of the answer is not told; the span and the event of one request share this one.
    found["response_id"] = found.get("request_id")
    found["provider"] = _provider(str(found.get("request_model")))
    status = integer(found.get("http_status"))
    if status is not None and status >= 400:
        found.setdefault("error_type", str(status))
    if found.get("success") in (False, "false"):
        found["error_message"] = found.get("error")
    first = decimal(found.get("first_token_ms"))
    if first is not None:
        found["time_to_first_chunk_s"] = str(first / 1000)


def _provider(model: str) -> str:
    """Tell by the form of the model's id who serves it: nothing else says so."""
    if model.startswith("arn:aws:") or "anthropic." in model:
        return "aws.bedrock"
    return "gcp.vertex_ai" if "@" in model else "anthropic"


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
        "first_token_ms": ("ttft_ms",),
        "error_type": ("error.type",),
        "http_status": ("status_code",),
        "error": ("error",),
        "success": ("success",),
        "cost": ("cost_usd",),
        "purpose": ("query_source",),
        "user_id": ("user.id", "user.account_uuid", "user.account_id"),
        "organisation": ("organization.id",),
    },
    scopes=("com.anthropic.claude_code*",),
    rank=20,
    counting=_counting,
    role=_role,
    refine=_refine,
)

EVENTS = EventDialect(
    names=EVENT_NAMES,
    table=DIALECT,
    marker=b"claude_code",
    unique=(("session.id", "request_id"), ("session.id", "event.sequence")),
)
