"""Messages of Ollama's API in the convention's shape."""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation import content
from spantoll.instrumentation.reading import pick

__all__ = ["answers", "prompt", "stream_answers"]


def answers(response: Any) -> dict[str, str]:
    """Content of a response."""
    return stream_answers([response])


def stream_answers(chunks: Any) -> dict[str, str]:
    """Content of a response that came as a stream."""
    words, thoughts, reason = "", "", None
    calls: list[Any] = []
    for chunk in chunks:
        words += pick(chunk, "message.content") or pick(chunk, "response") or ""
        thoughts += pick(chunk, "message.thinking") or pick(chunk, "thinking") or ""
        calls += pick(chunk, "message.tool_calls") or ()
        reason = pick(chunk, "done_reason") or reason
    parts = [content.reasoning(thoughts)] if thoughts else []
    parts += [content.text(words)] if words else []
    parts += [
        content.tool_call(pick(call, "function.name"), pick(call, "function.arguments"), None)
        for call in calls
    ]
    message = content.message("assistant", parts, reason or "error")
    return {content.OUTPUT_MESSAGES: content.dump([message])} if parts else {}


def prompt(body: Any) -> dict[str, str]:
    """Content of a request to `generate`."""
    message = content.message("user", [content.text(str(body.get("prompt") or ""))])
    found = {content.INPUT_MESSAGES: content.dump([message])}
    if body.get("system"):
        found[content.SYSTEM_INSTRUCTIONS] = content.dump([content.text(body["system"])])
    return found
