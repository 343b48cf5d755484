"""Content in the shape of the GenAI convention, for applications that capture it on their spans.

Input: texts and parts that a provider's `content` module found. Output: JSON text. Called only
where content is captured; a ledger never stores it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

__all__ = [
    "INPUT_MESSAGES",
    "OUTPUT_MESSAGES",
    "SYSTEM_INSTRUCTIONS",
    "TOOL_DEFINITIONS",
    "blob",
    "dump",
    "file",
    "message",
    "output",
    "reasoning",
    "text",
    "tool_call",
    "tool_result",
    "uri",
]

INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
TOOL_DEFINITIONS = "gen_ai.tool.definitions"

Part = dict[str, Any]


def dump(value: Any) -> str:
    """Write a value as JSON text: span attributes hold no structure."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def message(role: str, parts: Iterable[Part], finish_reason: str | None = None) -> dict[str, Any]:
    """Make a message; one of the model has a finish reason."""
    made: dict[str, Any] = {"role": role, "parts": list(parts)}
    if finish_reason is not None:
        made["finish_reason"] = finish_reason
    return made


def output(parts: Iterable[Part], finish_reason: Any) -> dict[str, str]:
    """Make the attribute of a model's one message; none without parts, `error` without a reason."""
    found = list(parts)
    if not found:
        return {}
    return {OUTPUT_MESSAGES: dump([message("assistant", found, str(finish_reason or "error"))])}


def text(content: str) -> Part:
    """Make a text part."""
    return {"type": "text", "content": content}


def reasoning(content: str) -> Part:
    """Make a reasoning part."""
    return {"type": "reasoning", "content": content}


def tool_call(name: str | None, arguments: Any, call_id: str | None) -> Part:
    """Make a tool call part; arguments that are JSON text are decoded."""
    if isinstance(arguments, str):
        # Cut short or no JSON: the text stays as it is.
        with suppress(ValueError):
            arguments = json.loads(arguments)
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}


def tool_result(response: Any, call_id: str | None) -> Part:
    """Make a tool result part."""
    return {"type": "tool_call_response", "id": call_id, "response": response}


def blob(modality: str, content: str, mime_type: str | None = None) -> Part:
    """Make a part of an image, audio or video inside the message, as base64."""
    return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": content}


def uri(modality: str, where: str) -> Part:
    """Make a part at a URI; a data URI becomes a blob."""
    if where.startswith("data:"):
        head, _, content = where.partition(",")
        return blob(modality, content, head.removeprefix("data:").partition(";")[0] or None)
    return {"type": "uri", "modality": modality, "uri": where}


def file(modality: str, file_id: str) -> Part:
    """Make a part that the provider stores under an id."""
    return {"type": "file", "modality": modality, "file_id": file_id}
