"""Messages of Bedrock's Converse API in the convention's shape.

Input: a request, a response or the events of a stream. Output: attributes of OpenTelemetry's GenAI
content (`gen_ai.input.messages` and its like) as JSON text.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any

from spantoll.instrumentation import content
from spantoll.instrumentation.reading import pick

__all__ = ["answers", "events", "messages"]

MODALITIES = ("image", "document", "video", "audio")


def messages(body: Any) -> dict[str, str]:
    """Content of a request."""
    found: dict[str, str] = {}
    turns = [
        content.message(str(pick(item, "role")), _parts(pick(item, "content")))
        for item in body.get("messages") or ()
    ]
    if turns:
        found[content.INPUT_MESSAGES] = content.dump(turns)
    system = list(_parts(body.get("system")))
    if system:
        found[content.SYSTEM_INSTRUCTIONS] = content.dump(system)
    tools = [
        {
            "type": "function",
            "name": pick(tool, "toolSpec.name"),
            "description": pick(tool, "toolSpec.description"),
            "parameters": pick(tool, "toolSpec.inputSchema.json"),
        }
        for tool in pick(body, "toolConfig.tools") or ()
        if pick(tool, "toolSpec") is not None
    ]
    if tools:
        found[content.TOOL_DEFINITIONS] = content.dump(tools)
    return found


def answers(response: Any) -> dict[str, str]:
    """Content of a response."""
    return content.output(
        _parts(pick(response, "output.message.content")), pick(response, "stopReason")
    )


def events(chunks: Sequence[Any]) -> dict[str, str]:
    """Content of a response that came as a stream of events."""
    blocks: dict[int, dict[str, Any]] = {}
    reason = None
    for event in chunks:
        if start := pick(event, "contentBlockStart"):
            tool = pick(start, "start.toolUse")
            if tool is not None:
                blocks[pick(start, "contentBlockIndex") or 0] = {"toolUse": {**tool, "input": ""}}
        elif piece := pick(event, "contentBlockDelta"):
            block = blocks.setdefault(pick(piece, "contentBlockIndex") or 0, {})
            _extend(block, pick(piece, "delta") or {})
        elif stop := pick(event, "messageStop"):
            reason = pick(stop, "stopReason")
    return content.output(_parts([blocks[at] for at in sorted(blocks)]), reason)


def _extend(block: dict[str, Any], delta: Any) -> None:
    words, thought = pick(delta, "text"), pick(delta, "reasoningContent.text")
    arguments = pick(delta, "toolUse.input")
    if words:
        block["text"] = block.get("text", "") + words
    elif thought:
        known = pick(block, "reasoningContent.reasoningText.text") or ""
        block["reasoningContent"] = {"reasoningText": {"text": known + thought}}
    elif arguments and "toolUse" in block:
        block["toolUse"]["input"] += arguments


def _parts(blocks: Any) -> Iterator[content.Part]:
    for block in blocks or ():
        if (words := pick(block, "text")) is not None:
            yield content.text(words)
        elif (thought := pick(block, "reasoningContent.reasoningText.text")) is not None:
            yield content.reasoning(thought)
        elif (call := pick(block, "toolUse")) is not None:
            yield content.tool_call(
                pick(call, "name"), pick(call, "input"), pick(call, "toolUseId")
            )
        elif (result := pick(block, "toolResult")) is not None:
            body = pick(result, "content")
            yield content.tool_result(body, pick(result, "toolUseId"))
        else:
            yield from _media(block)


def _media(block: Any) -> Iterator[content.Part]:
    for modality in MODALITIES:
        media = pick(block, modality)
        if media is None:
            continue
        where = pick(media, "source.s3Location.uri")
        inside = pick(media, "source.bytes")
        if where is not None:
            yield content.uri(modality, where)
        elif isinstance(inside, bytes):
            mime_type = f"{modality}/{pick(media, 'format')}"
            yield content.blob(modality, b64encode(inside).decode(), mime_type)
        return
    yield {"type": next(iter(block), "unknown")}
