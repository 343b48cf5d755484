"""Messages of Cohere's chat in the convention's shape."""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation import content
from spantoll.instrumentation.apis import openai_content
from spantoll.instrumentation.reading import pick
from spantoll.instrumentation.values import as_wire

__all__ = ["answers", "events", "messages"]


def events(chunks: Any) -> dict[str, str]:
    """Content of a response that came as a stream."""
    words, reason = "", None
    for event in chunks:
        words += pick(event, "delta.message.content.text") or pick(event, "text") or ""
        reason = pick(event, "delta.finish_reason") or pick(event, "finish_reason") or reason
    if not words:
        return {}
    message = content.message("assistant", [content.text(words)], str(reason or "error"))
    return {content.OUTPUT_MESSAGES: content.dump([message])}


def answers(response: Any) -> dict[str, str]:
    """Content of a response."""
    content_parts = pick(response, "message.content") or ()
    words = (
        "".join(pick(part, "text") or "" for part in content_parts) or pick(response, "text") or ""
    )
    calls = [
        content.tool_call(
            pick(call, "function.name"), pick(call, "function.arguments"), pick(call, "id")
        )
        for call in pick(response, "message.tool_calls") or ()
    ]
    parts = ([content.text(words)] if words else []) + calls
    reason = str(pick(response, "finish_reason") or "error")
    message = content.message("assistant", parts, reason)
    return {content.OUTPUT_MESSAGES: content.dump([message])} if parts else {}


def messages(request: Any) -> dict[str, str]:
    """Content of a request of either version of the API."""
    if request.get("message") is not None:
        message = content.message("user", [content.text(str(request["message"]))])
        return {content.INPUT_MESSAGES: content.dump([message])}
    given = {name: as_wire(request.get(name)) for name in ("messages", "tools")}
    usable = {name: value if isinstance(value, list) else () for name, value in given.items()}
    return openai_content.chat_messages(usable)
