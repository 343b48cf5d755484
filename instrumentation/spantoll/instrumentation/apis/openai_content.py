"""Messages of OpenAI's chat completions in the convention's shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spantoll.instrumentation import content
from spantoll.instrumentation.reading import pick

__all__ = [
    "SYSTEM_ROLES",
    "chat_answers",
    "chat_chunks",
    "chat_messages",
    "message_parts",
    "tool_definition",
]

SYSTEM_ROLES = frozenset({"system", "developer"})


def chat_messages(body: Any) -> dict[str, str]:
    """Content of a chat completion's request."""
    found: dict[str, str] = {}
    messages = [item for item in body.get("messages") or () if isinstance(item, Mapping)]
    if messages:
        found[content.INPUT_MESSAGES] = content.dump([_message(item) for item in messages])
    tools = [tool_definition(tool) for tool in body.get("tools") or ()]
    if tools:
        found[content.TOOL_DEFINITIONS] = content.dump(tools)
    return found


def chat_answers(response: Any) -> dict[str, str]:
    """Content of a chat completion."""
    choices = [
        content.message(
            pick(choice, "message.role") or "assistant",
            _parts_with_calls(pick(choice, "message")),
            pick(choice, "finish_reason") or "error",
        )
        for choice in pick(response, "choices") or ()
    ]
    return {content.OUTPUT_MESSAGES: content.dump(choices)} if choices else {}


def chat_chunks(chunks: Sequence[Any]) -> dict[str, str]:
    """Content of a chat completion that came as a stream."""
    choices: dict[int, _Choice] = {}
    for chunk in chunks:
        for piece in pick(chunk, "choices") or ():
            choices.setdefault(pick(piece, "index") or 0, _Choice()).add(piece)
    made = [choices[index].message() for index in sorted(choices)]
    return {content.OUTPUT_MESSAGES: content.dump(made)} if made else {}


class _Choice:
    """One answer, put together from the pieces of a stream."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: dict[int, dict[str, Any]] = {}
        self.reason: str | None = None

    def add(self, piece: Any) -> None:
        words = pick(piece, "delta.content")
        if words:
            self.texts.append(words)
        for call in pick(piece, "delta.tool_calls") or ():
            known = self.calls.setdefault(
                pick(call, "index") or 0, {"name": None, "arguments": "", "call_id": None}
            )
            known["call_id"] = pick(call, "id") or known["call_id"]
            known["name"] = pick(call, "function.name") or known["name"]
            known["arguments"] += pick(call, "function.arguments") or ""
        self.reason = pick(piece, "finish_reason") or self.reason

    def message(self) -> dict[str, Any]:
        parts = [content.text("".join(self.texts))] if self.texts else []
        parts += [content.tool_call(**self.calls[index]) for index in sorted(self.calls)]
        return content.message("assistant", parts, self.reason or "error")


def _message(item: Mapping[str, Any]) -> dict[str, Any]:
    role = str(item.get("role"))
    if role == "tool":
        result = content.tool_result(item.get("content"), item.get("tool_call_id"))
        return content.message(role, [result])
    return content.message("system" if role in SYSTEM_ROLES else role, _parts_with_calls(item))


def _parts_with_calls(message: Any) -> list[content.Part]:
    parts = list(message_parts(pick(message, "content")))
    refusal = pick(message, "refusal")
    if refusal:
        parts.append(content.text(refusal))
    sound = pick(message, "audio")
    if sound is not None:
        parts.append(content.blob("audio", pick(sound, "data") or pick(sound, "id") or ""))
    for call in pick(message, "tool_calls") or ():
        name = pick(call, "function.name") or pick(call, "custom.name")
        arguments = pick(call, "function.arguments") or pick(call, "custom.input")
        parts.append(content.tool_call(name, arguments, pick(call, "id")))
    return parts


def message_parts(body: Any) -> Iterator[content.Part]:
    """Yield the parts of a message's content, a text or a list."""
    if isinstance(body, str):
        yield content.text(body)
        return
    for part in body or ():
        kind = str(pick(part, "type"))
        if kind in ("text", "input_text", "output_text", "summary_text", "refusal"):
            yield content.text(pick(part, "text") or pick(part, "refusal") or "")
        elif kind == "image_url":
            yield content.uri("image", pick(part, "image_url.url") or "")
        elif kind == "input_image" and pick(part, "image_url"):
            yield content.uri("image", pick(part, "image_url"))
        elif kind == "input_audio":
            yield content.blob("audio", pick(part, "input_audio.data") or "")
        else:
            where = pick(part, "file_id") or pick(part, "file.file_id")
            inside = pick(part, "file_data") or pick(part, "file.file_data")
            modality = "image" if "image" in kind else "document"
            if where:
                yield content.file(modality, where)
            elif inside:
                yield content.uri(modality, inside)
            else:
                yield {"type": kind}


def tool_definition(tool: Any) -> dict[str, Any]:
    """Return a tool of a request as the convention describes tools."""
    where = pick(tool, "function") or tool
    names = ("name", "description", "parameters")
    found = {name: pick(where, name) for name in names if pick(where, name) is not None}
    return {"type": pick(tool, "type"), **found}
