"""Mistral's own SDK, whose modules moved below `mistralai.client` with 2.0.

It can trace itself (`mistralai.extra.observability`); its span is then below ours and tells the
same response, so that a ledger counts one of them. Not seen: realtime sessions, batch jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from spantoll.instrumentation import openai_api, openai_content
from spantoll.instrumentation.provider import Call, Hook, Provider, Server, Settings, by_name
from spantoll.instrumentation.reading import Sum, Table, Via
from spantoll.semconv import attributes as keys
from spantoll.semconv.providers import from_host

__all__ = ["PROVIDER"]


def _plain(value: Any) -> Any:
    """What the caller passed, as the wire has it: objects of the SDK are allowed too."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(exclude_none=True, mode="json")
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _messages(asked: Any) -> Mapping[str, Any]:
    told = {name: _plain(asked.get(name)) for name in ("messages", "tools")}
    return openai_content.chat_messages({name: told[name] or () for name in told})


def _ms(seconds: Any) -> int | None:
    return seconds * 1000 or None


SAMPLING: Table = {
    key: reading
    for key, reading in openai_api.SAMPLING.items()
    if key != keys.OPENAI_REQUEST_SERVICE_TIER
} | {
    keys.REQUEST_SEED: "random_seed",
    keys.REQUEST_REASONING_LEVEL: "reasoning_effort",
    keys.SPANTOLL_SERVICE_TIER_REQUESTED: "service_tier",
    keys.OUTPUT_TYPE: Via("response_format.type", openai_api.OUTPUT_TYPES.get),
}
USAGE: Table = {
    keys.USAGE_INPUT_TOKENS: "usage.prompt_tokens",
    keys.USAGE_OUTPUT_TOKENS: "usage.completion_tokens",
    keys.USAGE_CACHE_READ: (
        "usage.prompt_tokens_details.cached_tokens",
        "usage.num_cached_tokens",
    ),
    keys.SPANTOLL_AUDIO_MS: Via("usage.prompt_audio_seconds", _ms),
    keys.SPANTOLL_SERVICE_TIER: "usage.service_tier",
}
RESPONSE: Table = {
    keys.RESPONSE_ID: "id",
    keys.RESPONSE_MODEL: "model",
    keys.RESPONSE_FINISH_REASONS: "choices[].finish_reason",
    **USAGE,
}

CHAT = Call(
    "chat",
    request=SAMPLING,
    response=RESPONSE,
    chunk=openai_api.within(
        "data", {**RESPONSE, keys.RESPONSE_FINISH_REASONS: openai_api.finish_by_index}
    ),
    notable=lambda event: (
        event.data.usage is not None or any(each.finish_reason for each in event.data.choices)
    ),
    messages=_messages,
    answers=openai_content.chat_answers,
    stream_answers=lambda events: openai_content.chat_chunks([event.data for event in events]),
)
FIM = replace(CHAT, operation="text_completion", messages=None)
AGENT = replace(CHAT, request={**SAMPLING, "gen_ai.agent.id": "agent_id"})

EMBEDDING = Call(
    "embeddings",
    request={
        keys.REQUEST_MODEL: "model",
        keys.EMBEDDINGS_DIMENSION_COUNT: "output_dimension",
        keys.REQUEST_ENCODING_FORMATS: Via("encoding_format", openai_api.listed),
    },
    response={
        keys.RESPONSE_ID: "id",
        keys.RESPONSE_MODEL: "model",
        keys.USAGE_INPUT_TOKENS: "usage.prompt_tokens",
    },
)
OCR = Call(
    "ocr",
    request={keys.REQUEST_MODEL: "model"},
    response={
        keys.RESPONSE_MODEL: "model",
        keys.SPANTOLL_USAGE_PREFIX + "pages": "usage_info.pages_processed",
    },
)
TRANSCRIPTION = Call(
    "transcription",
    request={keys.REQUEST_MODEL: "model", keys.REQUEST_TEMPERATURE: "temperature"},
    response={keys.RESPONSE_MODEL: "model", **USAGE},
    chunk=openai_api.within("data", {keys.RESPONSE_MODEL: "model", **USAGE}),
    notable=lambda event: getattr(event.data, "usage", None) is not None,
    constant={keys.OUTPUT_TYPE: "text"},
)
TALK: Table = {
    keys.CONVERSATION_ID: "conversation_id",
    # What a connector brought is billed as input.
    keys.USAGE_INPUT_TOKENS: Sum("usage.prompt_tokens", "usage.connector_tokens"),
    keys.USAGE_OUTPUT_TOKENS: "usage.completion_tokens",
    keys.SPANTOLL_USAGE_PREFIX + "web_searches": "usage.connectors.web_search",
}
CONVERSATION = Call(
    "chat",
    request={
        keys.REQUEST_MODEL: "model",
        "gen_ai.agent.id": "agent_id",
        keys.REQUEST_MAX_TOKENS: "completion_args.max_tokens",
        keys.REQUEST_TEMPERATURE: "completion_args.temperature",
        keys.REQUEST_TOP_P: "completion_args.top_p",
        keys.REQUEST_SEED: "completion_args.random_seed",
    },
    response=TALK,
    chunk={
        keys.CONVERSATION_ID: "data.conversation_id",
        keys.USAGE_INPUT_TOKENS: Sum("data.usage.prompt_tokens", "data.usage.connector_tokens"),
        keys.USAGE_OUTPUT_TOKENS: "data.usage.completion_tokens",
        keys.SPANTOLL_USAGE_PREFIX + "web_searches": "data.usage.connectors.web_search",
    },
    notable=lambda event: getattr(event.data, "usage", None) is not None,
)


def _server(client: Any, settings: Settings) -> Server:
    url, _ = client.sdk_configuration.get_server_details()
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    hosts, host = settings.hosts, parts.hostname or ""
    named = hosts.get(f"{host}:{port}") or hosts.get(host) or from_host(host)
    return Server(named or "mistral_ai", host, port)


METHODS: tuple[tuple[str, str, Call, bool], ...] = (
    ("chat", "Chat.complete", CHAT, False),
    ("chat", "Chat.stream", CHAT, True),
    ("fim", "Fim.complete", FIM, False),
    ("fim", "Fim.stream", FIM, True),
    ("agents", "Agents.complete", AGENT, False),
    ("agents", "Agents.stream", AGENT, True),
    ("embeddings", "Embeddings.create", EMBEDDING, False),
    ("ocr", "Ocr.process", OCR, False),
    ("transcriptions", "Transcriptions.complete", TRANSCRIPTION, False),
    ("transcriptions", "Transcriptions.stream", TRANSCRIPTION, True),
    ("conversations", "Conversations.start", CONVERSATION, False),
    ("conversations", "Conversations.start_stream", CONVERSATION, True),
    ("conversations", "Conversations.append", CONVERSATION, False),
    ("conversations", "Conversations.append_stream", CONVERSATION, True),
    ("conversations", "Conversations.restart", CONVERSATION, False),
    ("conversations", "Conversations.restart_stream", CONVERSATION, True),
)
"""Module, method, what it asks for, whether it streams; each has an `_async` twin."""


def _hooks() -> tuple[Hook, ...]:
    return tuple(
        Hook(
            f"{package}.{module}:{method}{twin}",
            by_name(call, server=_server, stream=stream),
            optional=True,
        )
        for package in ("mistralai", "mistralai.client")
        for module, method, call, stream in METHODS
        for twin in ("", "_async")
    )


PROVIDER = Provider("mistral", requires="mistralai >= 1.5", hooks=_hooks())
