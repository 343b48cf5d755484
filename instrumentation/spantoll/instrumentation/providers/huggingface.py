"""Hugging Face's `InferenceClient`: whoever serves, every task goes through one method."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from spantoll.instrumentation import openai_api, streams
from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.provider import Call, Hook, Provider, Request, Server, Settings
from spantoll.instrumentation.reading import Table, Via
from spantoll.semconv import attributes as keys
from spantoll.semconv.providers import canonical, from_host

if TYPE_CHECKING:
    from spantoll.instrumentation.wrap import Tap

__all__ = ["PROVIDER"]

ROUTER = "router.huggingface.co"
CHAT = replace(openai_api.CHAT, notable=None)


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


WRITTEN: Table = {
    # Providers that speak OpenAI's completions answer in its words.
    **openai_api.COMPLETION_USAGE,
    keys.USAGE_INPUT_TOKENS: ("usage.prompt_tokens", "details.input_length"),
    keys.USAGE_OUTPUT_TOKENS: ("usage.completion_tokens", "details.generated_tokens"),
    keys.RESPONSE_FINISH_REASONS: (
        Via("details.finish_reason", _listed),
        Via("choices", lambda choices: _listed(choices[0]["finish_reason"])),
    ),
}
TEXT = Call(
    "text_completion",
    request={
        keys.REQUEST_MODEL: "model",
        keys.REQUEST_MAX_TOKENS: ("parameters.max_new_tokens", "max_tokens"),
        keys.REQUEST_TEMPERATURE: ("parameters.temperature", "temperature"),
        keys.REQUEST_TOP_P: ("parameters.top_p", "top_p"),
        keys.REQUEST_TOP_K: ("parameters.top_k", "top_k"),
        keys.REQUEST_SEED: ("parameters.seed", "seed"),
        keys.REQUEST_STOP_SEQUENCES: ("parameters.stop", "stop"),
    },
    response=WRITTEN,
    refine=openai_api.COMPLETION.refine,
)
EMBEDDING = Call("embeddings", request={keys.REQUEST_MODEL: "model"})
IMAGE = Call(
    "image_generation",
    request={
        keys.REQUEST_MODEL: "model",
        keys.SPANTOLL_IMAGES: lambda _: 1,
        keys.SPANTOLL_IMAGE_SIZE: Via(
            "parameters", lambda asked: f"{asked['width']}x{asked['height']}"
        ),
    },
    constant={keys.OUTPUT_TYPE: "image"},
)
TRANSCRIPTION = Call(
    "transcription",
    request={keys.REQUEST_MODEL: "model"},
    constant={keys.OUTPUT_TYPE: "text"},
)
SPEECH = Call(
    "speech",
    request={
        keys.REQUEST_MODEL: "model",
        keys.SPANTOLL_CHARACTERS: (Via("inputs", len), Via("text", len)),
    },
    constant={keys.OUTPUT_TYPE: "speech"},
)
CALLS = {
    "conversational": CHAT,
    "text-generation": TEXT,
    "feature-extraction": EMBEDDING,
    "text-to-image": IMAGE,
    "automatic-speech-recognition": TRANSCRIPTION,
    "text-to-speech": SPEECH,
}
"""Task -> what it asks for; other tasks are no generative ones."""
READ = frozenset({"conversational", "text-generation"})
"""Tasks whose answer is a small JSON document with counters."""


def _describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request | None:
    asked = arguments["request_parameters"]
    call = CALLS.get(asked.task)
    if call is None:
        return None
    sent = asked.json if isinstance(asked.json, Mapping) else {}
    if call is TEXT and "messages" in sent:
        # Before 0.31 a chat was a text generation too.
        call = CHAT
    request = Request(
        call,
        {"model": _named(asked.model), **{k: v for k, v in sent.items() if v is not None}},
        _server(asked.url, settings),
        stream=arguments.get("stream") is True,
        raw=asked.task,
    )
    if call is CHAT and request.stream and settings.stream_usage and _includes_usage(request):
        wanted = openai_api.with_usage(sent)
        if wanted is not None:
            asked.json = {**sent, **wanted}
            request.hidden = _usage_only
    return request


def _named(model: Any) -> Any:
    """Leave out the URL of an endpoint, which a client may be given for a model: it has secrets."""
    return None if isinstance(model, str) and "://" in model else model


def _includes_usage(request: Request) -> bool:
    provider, host, _ = request.server
    if provider == "huggingface":
        # Endpoints of one's own run vLLM, SGLang, llama.cpp or TGI.
        own = (host or "").endswith(".endpoints.huggingface.cloud")
        return own or host == ROUTER or host in openai_api.LOOPBACK
    return provider in openai_api.INCLUDES_USAGE


def _usage_only(chunk: Any) -> bool:
    return bool(chunk.get("usage")) and not chunk.get("choices")


def _server(url: str, settings: Settings) -> Server:
    """The router names in its path who serves: `/groq/openai/v1`, `/hf-inference/models/...`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (80 if parts.scheme == "http" else 443)
    hosts = settings.hosts
    named = hosts.get(f"{host}:{port}") or hosts.get(host)
    if named is None and host == ROUTER:
        first = parts.path.split("/")[1]
        named = "huggingface" if first in ("v1", "hf-inference") else canonical(first)
    return Server(named or from_host(host) or "huggingface", host, port)


def _open(result: Any, request: Request, tap: Tap) -> Any:
    if request.stream:
        return streams.watch(result, _Decoding(tap))  # type: ignore[arg-type]  # acts as one
    if request.raw in READ and isinstance(result, bytes):
        told = json.loads(result)
        if isinstance(told, list) and told:
            told = told[0]
        if isinstance(told, dict):
            tap.response(told)
    tap.finish()
    return result


class _Decoding:
    """Shows a tap the JSON of server-sent events that the client reads line by line."""

    __slots__ = ("_tap", "fail", "finish", "lease", "left")

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self.fail, self.finish = tap.fail, tap.finish
        self.left, self.lease = tap.left, tap.lease

    @guarded(lambda *_: True)
    def see(self, line: Any) -> bool:
        text = line.decode() if isinstance(line, bytes) else line
        data = text.removeprefix("data:").strip() if text.startswith("data:") else ""
        if data.startswith("{"):
            wanted = self._tap.listens or "usage" in data or "finish" in data or "details" in data
            return self._tap.see(json.loads(data) if wanted else {})
        return True


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
