"""Which tasks of Hugging Face's `InferenceClient` make spans: all go through one method.

Input: the request parameters that `_inner_post` is given, and its result: bytes, or lines of
server-sent events. Output: `PROVIDER`, the hooks of the synchronous and the asynchronous client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from spantoll.instrumentation import streams
from spantoll.instrumentation.apis import openai_chat
from spantoll.instrumentation.decoding import DecodingObserver
from spantoll.instrumentation.hosts import LOOPBACK, server_of_url
from spantoll.instrumentation.observer import Observer
from spantoll.instrumentation.provider import Hook, Provider, Request, Server, Settings
from spantoll.instrumentation.providers.huggingface.readings import CALLS, CHAT, JSON_TASKS, TEXT
from spantoll.semconv.providers import canonical, from_host

__all__ = ["PROVIDER"]

ROUTER = "router.huggingface.co"
MARKERS = ("usage", "finish", "details")
"""One of these is in every event of a stream that has values."""


def _event_data(line: Any) -> str:
    text = line.decode() if isinstance(line, bytes) else line
    return text.removeprefix("data:").strip() if text.startswith("data:") else ""


def _event_json(line: Any) -> str:
    """Return the JSON object of a line of server-sent events, empty for any other line."""
    data = _event_data(line)
    return data if data.startswith("{") else ""


def _is_last(line: Any) -> bool:
    """Return whether the SDK stops reading at this line of a stream."""
    return _event_data(line) == "[DONE]"


def _describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request | None:
    parameters = arguments["request_parameters"]
    call = CALLS.get(parameters.task)
    if call is None:
        return None
    sent = parameters.json if isinstance(parameters.json, Mapping) else {}
    if call is TEXT and "messages" in sent:
        # Before 0.31 a chat was a text generation too.
        call = CHAT
    request = Request(
        call,
        {
            "model": _model_name(parameters.model),
            **{k: v for k, v in sent.items() if v is not None},
        },
        _server(parameters.url, settings),
        stream=arguments.get("stream") is True,
        raw=parameters.task,
    )
    if call is CHAT and request.stream and settings.stream_usage and _includes_usage(request):
        wanted = openai_chat.with_usage(sent)
        if wanted is not None:
            parameters.json = {**sent, **wanted}
            request.hidden = _usage_only
    return request


def _model_name(model: Any) -> Any:
    """Return the model's name; not the URL of an endpoint, which may have secrets in it."""
    return None if isinstance(model, str) and "://" in model else model


def _includes_usage(request: Request) -> bool:
    provider, host, _ = request.server
    if provider == "huggingface":
        # Endpoints of one's own run vLLM, SGLang, llama.cpp or TGI.
        own = (host or "").endswith(".endpoints.huggingface.cloud")
        return own or host == ROUTER or host in LOOPBACK
    return provider in openai_chat.INCLUDES_USAGE


def _usage_only(chunk: Any) -> bool:
    return bool(chunk.get("usage")) and not chunk.get("choices")


def _server(url: str, settings: Settings) -> Server:
    """Return the server; the router names it in its path (`/groq/openai/v1`)."""
    return server_of_url(url, settings, default="huggingface", known=partial(_provider, url))


def _provider(url: str, host: str) -> str | None:
    if host != ROUTER:
        return from_host(host)
    first = urlsplit(url).path.split("/")[1]
    return "huggingface" if first in ("v1", "hf-inference") else canonical(first)


def _open(result: Any, request: Request, observer: Observer) -> Any:
    if request.stream:
        lines = DecodingObserver(observer, _event_json, MARKERS, is_end=_is_last)
        return streams.watch(result, lines)
    if request.raw in JSON_TASKS and isinstance(result, bytes):
        decoded = json.loads(result)
        if isinstance(decoded, list) and decoded:
            decoded = decoded[0]
        if isinstance(decoded, dict):
            observer.observe_response(decoded)
    observer.finish()
    return result


PROVIDER = Provider(
    "huggingface",
    requires="huggingface_hub >= 0.30",
    hooks=(
        Hook(
            "huggingface_hub.inference._client:InferenceClient._inner_post",
            _describe,
            open=_open,
        ),
        Hook(
            "huggingface_hub.inference._generated._async_client:AsyncInferenceClient._inner_post",
            _describe,
            open=_open,
        ),
    ),
)
