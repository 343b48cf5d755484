"""Anthropic's messages in the convention's shape.

Input: a request, a message or the events of a stream of the messages API. Output: attributes of
OpenTelemetry's GenAI content (`gen_ai.input.messages` and its like) as JSON text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spantoll.instrumentation import content
from spantoll.instrumentation.reading import pick

__all__ = ["answers", "events", "messages"]

MODALITIES = {"image": "image", "document": "document"}


def messages(body: Any) -> dict[str, str]:
    """Content of a request to the messages API."""
    found: dict[str, str] = {}
    turns = [
        content.message(str(item.get("role")), _parts(item.get("content")))
        for item in body.get("messages") or ()
        if isinstance(item, Mapping)
    ]
    if turns:
        found[content.INPUT_MESSAGES] = content.dump(turns)
    system = list(_parts(body.get("system")))
    if system:
        found[content.SYSTEM_INSTRUCTIONS] = content.dump(system)
    tools = [_definition(tool) for tool in body.get("tools") or ()]
    if tools:
        found[content.TOOL_DEFINITIONS] = content.dump(tools)
    return found


def answers(message: Any) -> dict[str, str]:
    """Content of a message of the model."""
    return content.output(_parts(pick(message, "content")), pick(message, "stop_reason"))


def events(chunks: Sequence[Any]) -> dict[str, str]:
    """Content of a message that came as a stream of events."""
    blocks: dict[int, dict[str, Any]] = {}
    reason = None
    for event in chunks:
        kind, at = pick(event, "type"), pick(event, "index") or 0
        if kind == "content_block_start":
            block = pick(event, "content_block")
            names = ("type", "text", "thinking", "id", "name")
            blocks[at] = {name: pick(block, name) for name in names} | {"input": ""}
        elif kind == "content_block_delta" and at in blocks:
            _extend(blocks[at], pick(event, "delta"))
        elif kind == "message_delta":
            reason = pick(event, "delta.stop_reason")
    return content.output(_parts([blocks[at] for at in sorted(blocks)]), reason)


def _extend(block: dict[str, Any], delta: Any) -> None:
    places = (("text", "text"), ("thinking", "thinking"), ("partial_json", "input"))
    for source, name in places:
        piece = pick(delta, source)
        if isinstance(piece, str):
            block[name] = (block[name] or "") + piece


def _parts(body: Any) -> Iterator[content.Part]:
    if isinstance(body, str):
        yield content.text(body)
        return
    for block in body or ():
        kind = str(pick(block, "type"))
        if kind == "text":
            yield content.text(pick(block, "text") or "")
        elif kind == "thinking":
            yield content.reasoning(pick(block, "thinking") or "")
        elif kind.endswith("tool_use"):
            yield content.tool_call(pick(block, "name"), pick(block, "input"), pick(block, "id"))
        elif kind.endswith("tool_result"):
            yield content.tool_result(_result(block), pick(block, "tool_use_id"))
        elif kind in MODALITIES:
            yield _source(MODALITIES[kind], pick(block, "source"))
        else:
            yield {"type": kind}


def _result(block: Any) -> Any:
    body = pick(block, "content")
    if isinstance(body, str | None):
        return body
    return list(_parts(body)) if isinstance(body, list | tuple) else {"type": pick(body, "type")}


def _source(modality: str, source: Any) -> content.Part:
    kind = pick(source, "type")
    if kind == "url":
        return content.uri(modality, pick(source, "url") or "")
    if kind == "file":
        return content.file(modality, pick(source, "file_id") or "")
    data = pick(source, "data")
    if kind == "text":
        return content.text(data or "")
    return content.blob(modality, data if isinstance(data, str) else "", pick(source, "media_type"))


def _definition(tool: Any) -> dict[str, Any]:
    found = {"type": pick(tool, "type") or "function", "name": pick(tool, "name")}
    for name, field in (("description", "description"), ("parameters", "input_schema")):
        value = pick(tool, field)
        if value is not None:
            found[name] = value
    return found
