"""Cohere's own SDK: clients of both versions of the API.

Billed units go before tokens: a prompt that Cohere adds to is longer than what it charges for. Not
seen: raw responses of streams, streams of clients made before, the clients for Bedrock, SageMaker.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from spantoll.instrumentation import content, openai_api, openai_content
from spantoll.instrumentation.provider import Call, Hook, Provider, Server, Settings, by_name
from spantoll.instrumentation.reading import Reading, Table, Via, pick
from spantoll.semconv import attributes as keys
from spantoll.semconv.providers import from_host

__all__ = ["PROVIDER"]


def _listed(value: Any) -> tuple[str, ...] | None:
    reason = getattr(value, "value", value)
    return (reason,) if isinstance(reason, str) else None


def _first(counter: str, *places: str) -> Reading:
    """Billed units, else tokens; the SDK tells both as fractions."""
    return tuple(
        Via(f"{place}.{kind}.{counter}", int)
        for kind in ("billed_units", "tokens")
        for place in places
    )


def _usage(*places: str) -> Table:
    return {
        keys.USAGE_INPUT_TOKENS: _first("input_tokens", *places),
        keys.USAGE_OUTPUT_TOKENS: _first("output_tokens", *places),
        keys.USAGE_CACHE_READ: tuple(Via(f"{place}.cached_tokens", int) for place in places),
        keys.SPANTOLL_USAGE_PREFIX + "search_units": tuple(
            Via(f"{place}.billed_units.search_units", lambda units: int(units) or None)
            for place in places
        ),
        keys.SPANTOLL_USAGE_PREFIX + "classifications": tuple(
            Via(f"{place}.billed_units.classifications", lambda units: int(units) or None)
            for place in places
        ),
    }


def _events(chunks: Any) -> dict[str, str]:
    words, reason = "", None
    for event in chunks:
        words += pick(event, "delta.message.content.text") or pick(event, "text") or ""
        reason = pick(event, "delta.finish_reason") or pick(event, "finish_reason") or reason
    if not words:
        return {}
    message = content.message("assistant", [content.text(words)], str(reason or "error"))
    return {content.OUTPUT_MESSAGES: content.dump([message])}


def _answers(response: Any) -> dict[str, str]:
    said = pick(response, "message.content") or ()
    words = "".join(pick(part, "text") or "" for part in said) or pick(response, "text") or ""
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


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(exclude_none=True, mode="json")
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _messages(asked: Any) -> dict[str, str]:
    if asked.get("message") is not None:
        said = content.message("user", [content.text(str(asked["message"]))])
        return {content.INPUT_MESSAGES: content.dump([said])}
    given = {name: _plain(asked.get(name)) for name in ("messages", "tools")}
    usable = {name: value if isinstance(value, list) else () for name, value in given.items()}
    return openai_content.chat_messages(usable)


REQUEST: Table = {
    keys.REQUEST_MODEL: "model",
    keys.REQUEST_MAX_TOKENS: "max_tokens",
    keys.REQUEST_TEMPERATURE: "temperature",
    keys.REQUEST_TOP_P: "p",
    keys.REQUEST_TOP_K: "k",
    keys.REQUEST_SEED: "seed",
    keys.REQUEST_FREQUENCY_PENALTY: "frequency_penalty",
    keys.REQUEST_PRESENCE_PENALTY: "presence_penalty",
    keys.REQUEST_STOP_SEQUENCES: "stop_sequences",
    keys.OUTPUT_TYPE: Via("response_format.type", openai_api.OUTPUT_TYPES.get),
}
CHAT = Call(
    "chat",
    request=REQUEST,
    response={
        keys.RESPONSE_ID: ("id", "response_id", "generation_id"),
        keys.RESPONSE_FINISH_REASONS: Via("finish_reason", _listed),
        **_usage("usage", "meta"),
    },
    chunk={
        keys.RESPONSE_ID: ("id", "response.response_id", "generation_id"),
        keys.RESPONSE_FINISH_REASONS: (
            Via("delta.finish_reason", _listed),
            Via("finish_reason", _listed),
        ),
        **_usage("delta.usage", "response.meta"),
    },
    notable=lambda event: (
        getattr(event, "type", None) == "message-end"
        or getattr(event, "event_type", None) == "stream-end"
    ),
    messages=_messages,
    answers=_answers,
    stream_answers=_events,
)
GENERATE = Call(
    "text_completion",
    request=REQUEST,
    response={keys.RESPONSE_ID: "id", **_usage("meta")},
    chunk={keys.RESPONSE_ID: "response.id", **_usage("response.meta")},
)
EMBED = Call(
    "embeddings",
    request={
        keys.REQUEST_MODEL: "model",
        keys.EMBEDDINGS_DIMENSION_COUNT: "output_dimension",
        keys.REQUEST_ENCODING_FORMATS: "embedding_types",
    },
    response={
        keys.RESPONSE_ID: "id",
        keys.USAGE_IMAGE_INPUT: Via("meta.billed_units.image_tokens", int),
        **_usage("meta"),
    },
)
RERANK = Call(
    "rerank",
    request={keys.REQUEST_MODEL: "model"},
    response={keys.RESPONSE_ID: "id", **_usage("meta")},
)


def _server(client: Any, settings: Settings) -> Server:
    wrapper = getattr(client, "_client_wrapper", None) or client._raw_client._client_wrapper
    parts = urlsplit(wrapper.get_base_url())
    port = parts.port or (80 if parts.scheme == "http" else 443)
    hosts, host = settings.hosts, parts.hostname or ""
    named = hosts.get(f"{host}:{port}") or hosts.get(host) or from_host(host)
    return Server(named or "cohere", host, port)


def _raw(call: Call) -> Call:
    """The same call below: clients made before we came hold their methods, not these."""
    return replace(
        call,
        response=openai_api.within("data", call.response),
        answers=lambda response: _answers(pick(response, "data")),
    )


RAW_V2 = ("cohere.v2.raw_client:RawV2Client", "cohere.v2.raw_client:AsyncRawV2Client")
RAW_V1 = (
    "cohere.raw_base_client:RawBaseCohere",
    "cohere.raw_base_client:AsyncRawBaseCohere",
)
V2 = ("cohere.v2.client:V2Client", "cohere.v2.client:AsyncV2Client")
V1 = ("cohere.base_client:BaseCohere", "cohere.base_client:AsyncBaseCohere")


def _hooks(clients: tuple[str, ...], methods: dict[str, tuple[Call, bool]]) -> list[Hook]:
    return [
        Hook(
            f"{client}.{method}",
            by_name(call, server=_server, stream=stream),
            optional=True,
        )
        for client in clients
        for method, (call, stream) in methods.items()
    ]


PROVIDER = Provider(
    "cohere",
    requires="cohere >= 5.11",
    hooks=(
        *_hooks(
            V2,
            {
                "chat": (CHAT, False),
                "chat_stream": (CHAT, True),
                "embed": (EMBED, False),
                "rerank": (RERANK, False),
            },
        ),
        *_hooks(
            (*RAW_V2, *RAW_V1),
            {
                "chat": (_raw(CHAT), False),
                "embed": (_raw(EMBED), False),
                "rerank": (_raw(RERANK), False),
            },
        ),
        *_hooks(
            V1,
            {
                "chat": (CHAT, False),
                "chat_stream": (CHAT, True),
                "generate": (GENERATE, False),
                "generate_stream": (GENERATE, True),
                "embed": (EMBED, False),
                "rerank": (RERANK, False),
            },
        ),
    ),
)
