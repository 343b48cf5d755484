from __future__ import annotations

from spantoll.semconv.call import Status
from spantoll.semconv.dialect import SpanView
from spantoll.semconv.fields import Found

__all__ = ["read_outcome"]

ERROR = 2
"""OTLP StatusCode."""
MAX_MESSAGE_CHARS = 1024


def read_outcome(span: SpanView, found: Found) -> tuple[Status, str | None, str | None]:
    """Read how a call ended: status, error type, error message."""
    error_type = found.get("error_type")
    if span.status_code != ERROR and error_type is None and "error_message" not in found:
        return "success", None, None
    message = span.status_message or found.get("error_message") or ""
    if not isinstance(error_type, str) or not error_type:
        error_type, text = _read_exception(span)
        message = message or text
    return (
        _status_of_error(error_type),
        error_type,
        message[:MAX_MESSAGE_CHARS] if isinstance(message, str) and message else None,
    )


def _read_exception(span: SpanView) -> tuple[str | None, str]:
    for event in span.events:
        if event.name == "exception":
            kind = event.attributes.get("exception.type")
            text = event.attributes.get("exception.message")
            return kind if isinstance(kind, str) else None, text if isinstance(text, str) else ""
    return None, ""


def _status_of_error(error_type: str | None) -> Status:
    name = (error_type or "").lower()
    if "timeout" in name or "timedout" in name or "deadline" in name:
        return "timeout"
    if "cancel" in name or "generatorexit" in name or "keyboardinterrupt" in name:
        return "cancelled"
    return "error"
