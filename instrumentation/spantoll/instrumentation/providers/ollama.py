"""Ollama's own SDK. Every method goes through `_request`, also those of the module itself."""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation import content, openai_content
from spantoll.instrumentation.provider import Call, Hook, Provider, Request, Server, Settings
from spantoll.instrumentation.reading import Table, Via, pick
from spantoll.semconv import attributes as keys

__all__ = ["PROVIDER"]


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _output(wanted: Any) -> str | None:
    return "json" if wanted == "json" or isinstance(wanted, dict) else None


def _level(think: Any) -> str | None:
    return think if isinstance(think, str) else None


def _answers(response: Any) -> dict[str, str]:
    return _stream_answers([response])


def _stream_answers(chunks: Any) -> dict[str, str]:
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


def _prompt(body: Any) -> dict[str, str]:
    message = content.message("user", [content.text(str(body.get("prompt") or ""))])
    told = {content.INPUT_MESSAGES: content.dump([message])}
    if body.get("system"):
        told[content.SYSTEM_INSTRUCTIONS] = content.dump([content.text(body["system"])])
    return told


REQUEST: Table = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_MAX_TOKENS: "options.num_predict",
    keys.REQUEST_TEMPERATURE: "options.temperature",
    keys.REQUEST_TOP_P: "options.top_p",
    keys.REQUEST_TOP_K: "options.top_k",
    keys.REQUEST_SEED: "options.seed",
    keys.REQUEST_PRESENCE_PENALTY: "options.presence_penalty",
    keys.REQUEST_FREQUENCY_PENALTY: "options.frequency_penalty",
    keys.REQUEST_STOP_SEQUENCES: Via("options.stop", _listed),
    keys.REQUEST_REASONING_LEVEL: Via("think", _level),
    keys.OUTPUT_TYPE: Via("format", _output),
}
RESPONSE: Table = {
    keys.RESPONSE_MODEL: "model",
    # Left out by the server where the whole prompt was in its cache: unknown, not nothing.
    keys.USAGE_INPUT_TOKENS: "prompt_eval_count",
    keys.USAGE_OUTPUT_TOKENS: "eval_count",
    keys.RESPONSE_FINISH_REASONS: Via("done_reason", _listed),
}

CHAT = Call(
    "chat",
    request=REQUEST,
    response=RESPONSE,
    notable=lambda chunk: chunk.done,
    messages=openai_content.chat_messages,
    answers=_answers,
    stream_answers=_stream_answers,
)
GENERATE = Call(
    "text_completion",
    request=REQUEST,
    response=RESPONSE,
    notable=lambda chunk: chunk.done,
    messages=_prompt,
    answers=_answers,
    stream_answers=_stream_answers,
)
EMBED = Call(
    "embeddings",
    request={keys.REQUEST_MODEL: "model", keys.EMBEDDINGS_DIMENSION_COUNT: "dimensions"},
    response={keys.RESPONSE_MODEL: "model", keys.USAGE_INPUT_TOKENS: "prompt_eval_count"},
)
CALLS = {
    "ChatResponse": CHAT,
    "GenerateResponse": GENERATE,
    "EmbedResponse": EMBED,
    "EmbeddingsResponse": EMBED,
}
"""What a request is answered with -> what it asks for."""


def _describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request | None:
    call = CALLS.get(getattr(arguments.get("cls"), "__name__", ""))
    if call is None:
        return None
    return Request(
        call,
        arguments.get("json") or {},
        _server(client, settings),
        stream=arguments.get("stream") is True,
    )


def _server(client: Any, settings: Settings) -> Server:
    url = client._client.base_url
    port = url.port or (80 if url.scheme == "http" else 443)
    named = settings.hosts.get(f"{url.host}:{port}") or settings.hosts.get(url.host)
    return Server(named or "ollama", url.host, port)


PROVIDER = Provider(
    "ollama",
    requires="ollama >= 0.4",
    hooks=(
        Hook("ollama._client:Client._request", _describe),
        Hook("ollama._client:AsyncClient._request", _describe),
    ),
)
