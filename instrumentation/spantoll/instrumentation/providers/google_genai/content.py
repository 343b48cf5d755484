"""Gemini's contents in the convention's shape."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spantoll.instrumentation import content
from spantoll.instrumentation.reading import pick

__all__ = ["answers", "chunks", "messages"]

ROLES = {"model": "assistant", None: "user"}


def messages(request: Any) -> dict[str, str]:
    """Content of a request: what the caller passed, in any of the shapes the SDK takes."""
    found: dict[str, str] = {}
    body = list(_contents(request.get("contents")))
    if body:
        found[content.INPUT_MESSAGES] = content.dump(body)
    config = request.get("config")
    system = pick(config, "system_instruction") or pick(config, "systemInstruction")
    if system is not None:
        parts = [part for each in _contents(system) for part in each["parts"]]
        found[content.SYSTEM_INSTRUCTIONS] = content.dump(parts)
    tools = [
        definition for tool in pick(config, "tools") or () for definition in _definitions(tool)
    ]
    if tools:
        found[content.TOOL_DEFINITIONS] = content.dump(tools)
    return found


def answers(response: Any) -> dict[str, str]:
    """Content of a response."""
    made = [
        _message(_parts(pick(each, "content.parts")), pick(each, "finish_reason"))
        for each in pick(response, "candidates") or ()
    ]
    return {content.OUTPUT_MESSAGES: content.dump(made)} if made else {}


def chunks(seen: Sequence[Any]) -> dict[str, str]:
    """Content of a response that came as a stream."""
    parts: dict[int, list[content.Part]] = {}
    reasons: dict[int, Any] = {}
    for chunk in seen:
        for candidate in pick(chunk, "candidates") or ():
            at = pick(candidate, "index") or 0
            known = parts.setdefault(at, [])
            for part in _parts(pick(candidate, "content.parts")):
                if known and part["type"] == known[-1]["type"] in ("text", "reasoning"):
                    known[-1]["content"] += part["content"]
                else:
                    known.append(part)
            reasons[at] = pick(candidate, "finish_reason") or reasons.get(at)
    made = [_message(parts[at], reasons.get(at)) for at in sorted(parts)]
    return {content.OUTPUT_MESSAGES: content.dump(made)} if made else {}


def _message(parts: Any, reason: Any) -> dict[str, Any]:
    return content.message("assistant", parts, str(getattr(reason, "value", reason) or "error"))


def _contents(body: Any) -> Iterator[dict[str, Any]]:
    if body is None:
        return
    if isinstance(body, str) or not isinstance(body, list | tuple):
        body = [body]
    for each in body:
        if isinstance(each, str):
            yield content.message("user", [content.text(each)])
        elif (parts := pick(each, "parts")) is not None:
            role = pick(each, "role")
            yield content.message(ROLES.get(role, str(role)), _parts(parts))
        elif isinstance(each, list | tuple):
            yield from _contents(each)
        else:
            yield content.message("user", _parts([each]))


def _parts(parts: Any) -> Iterator[content.Part]:
    for part in parts or ():
        if isinstance(part, str):
            yield content.text(part)
        elif (words := pick(part, "text")) is not None:
            yield content.reasoning(words) if pick(part, "thought") else content.text(words)
        elif (call := _either(part, "function_call", "functionCall")) is not None:
            yield content.tool_call(pick(call, "name"), pick(call, "args"), pick(call, "id"))
        elif (result := _either(part, "function_response", "functionResponse")) is not None:
            yield content.tool_result(pick(result, "response"), pick(result, "id"))
        elif (blob := _either(part, "inline_data", "inlineData")) is not None:
            yield _blob(blob)
        elif (file := _either(part, "file_data", "fileData")) is not None:
            mime_type = _either(file, "mime_type", "mimeType") or ""
            where = _either(file, "file_uri", "fileUri") or ""
            yield content.uri(mime_type.partition("/")[0] or "document", where)
        else:
            yield {"type": "unknown"}


def _either(source: Any, one: str, other: str) -> Any:
    found = pick(source, one)
    return pick(source, other) if found is None else found


def _blob(blob: Any) -> content.Part:
    mime_type = str(_either(blob, "mime_type", "mimeType") or "")
    data = pick(blob, "data")
    text = b64encode(data).decode() if isinstance(data, bytes) else str(data or "")
    modality = mime_type.partition("/")[0]
    known = modality if modality in ("image", "audio", "video") else "document"
    return content.blob(known, text, mime_type or None)


def _definitions(tool: Any) -> Iterator[dict[str, Any]]:
    if callable(tool):
        yield {"type": "function", "name": getattr(tool, "__name__", None)}
        return
    for each in _either(tool, "function_declarations", "functionDeclarations") or ():
        parameters = pick(each, "parameters_json_schema") or pick(each, "parameters")
        if hasattr(parameters, "model_dump"):
            parameters = parameters.model_dump(exclude_none=True, mode="json")
        found = {"name": pick(each, "name"), "description": pick(each, "description")}
        given = {name: value for name, value in found.items() if value is not None}
        if isinstance(parameters, Mapping):
            given["parameters"] = parameters
        yield {"type": "function", **given}
