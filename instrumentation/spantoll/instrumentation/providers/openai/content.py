"""Items of the Responses API in the convention's shape."""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation import content
from spantoll.instrumentation.apis.openai_content import (
    SYSTEM_ROLES,
    message_parts,
    tool_definition,
)
from spantoll.instrumentation.reading import pick

__all__ = ["response_answers", "response_messages"]


def response_messages(body: Any) -> dict[str, str]:
    """Content of a request to the responses API."""
    found: dict[str, str] = {}
    given = body.get("input")
    if isinstance(given, str):
        found[content.INPUT_MESSAGES] = content.dump(
            [content.message("user", [content.text(given)])]
        )
    elif given:
        found[content.INPUT_MESSAGES] = content.dump([_item(item) for item in given])
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        found[content.SYSTEM_INSTRUCTIONS] = content.dump([content.text(instructions)])
    tools = [tool_definition(tool) for tool in body.get("tools") or ()]
    if tools:
        found[content.TOOL_DEFINITIONS] = content.dump(tools)
    return found


def response_answers(response: Any) -> dict[str, str]:
    """Content of a response, whole or as the last event of its stream."""
    items = pick(response, "output") or pick(response, "response.output") or ()
    parts = [part for item in items for part in _item(item)["parts"]]
    if not parts:
        return {}
    reason = "stop" if pick(response, "status") in ("completed", None) else "error"
    return {content.OUTPUT_MESSAGES: content.dump([content.message("assistant", parts, reason)])}


def _item(item: Any) -> dict[str, Any]:
    kind = pick(item, "type")
    if kind in ("function_call", "custom_tool_call"):
        arguments = pick(item, "arguments") or pick(item, "input")
        call = content.tool_call(pick(item, "name"), arguments, pick(item, "call_id"))
        return content.message("assistant", [call])
    if kind in ("function_call_output", "custom_tool_call_output"):
        result = content.tool_result(pick(item, "output"), pick(item, "call_id"))
        return content.message("tool", [result])
    if kind == "reasoning":
        summaries = message_parts(pick(item, "summary"))
        return content.message(
            "assistant", [content.reasoning(part["content"]) for part in summaries]
        )
    if kind not in (None, "message"):
        return content.message("assistant", [content.tool_call(kind, None, pick(item, "id"))])
    role = str(pick(item, "role") or "user")
    return content.message(
        "system" if role in SYSTEM_ROLES else role, message_parts(pick(item, "content"))
    )
