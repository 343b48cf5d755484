"""Which requests of OpenAI's SDK make spans, and which streams are asked for usage.

Input: the client and the options of a request. Output: the `Request` of a known path. Every helper
of the SDK ends in one `request` method (`spantoll.instrumentation.stainless`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spantoll.instrumentation.apis import openai_batches, openai_chat, openai_media
from spantoll.instrumentation.hosts import LOOPBACK, named_host, server_of_url
from spantoll.instrumentation.provider import Provider, Request, Server, Settings
from spantoll.instrumentation.providers.openai import agents, jobs, readings
from spantoll.instrumentation.providers.openai.background import background_readers
from spantoll.instrumentation.providers.openai.live import LIVE_READERS
from spantoll.instrumentation.providers.openai.realtime import REALTIME_READERS
from spantoll.instrumentation.providers.openai.responses_socket import RESPONSE_SOCKET_READERS
from spantoll.instrumentation.reading import pick
from spantoll.instrumentation.stainless import hooks
from spantoll.semconv.attributes import SPANTOLL_DEPLOYMENT, SPANTOLL_REGION
from spantoll.semconv.providers import from_host

__all__ = ["PROVIDER"]

_REGION = re.compile(r"([a-z]{2})\.api\.openai\.com")


def _server(client: Any, settings: Settings) -> Server:
    default = "azure.ai.openai" if "Azure" in type(client).__name__ else "openai"
    return server_of_url(str(client.base_url), settings, default=default, known=_provider_of_host)


def _provider_of_host(host: str) -> str | None:
    return from_host(host) or ("openai" if _REGION.fullmatch(host) else None)


def _client_attributes(client: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    deployment = getattr(client, "_azure_deployment", None)
    if isinstance(deployment, str):
        values[SPANTOLL_DEPLOYMENT] = deployment
    # Data residency has a price of its own: {region}.api.openai.com.
    region = _REGION.fullmatch(client.base_url.host)
    if region:
        values[SPANTOLL_REGION] = region[1]
    return values


def _ask_usage(client: Any, options: Any, request: Request, settings: Settings) -> Any:
    if request.call not in (openai_chat.CHAT, openai_chat.COMPLETION):
        return None
    provider, host, port = request.server
    if provider not in openai_chat.INCLUDES_USAGE:
        return None
    known = (
        _provider_of_host(host or "") or named_host(host or "", port, settings) or host in LOOPBACK
    )
    if provider == "openai" and not known:
        # An unknown host that speaks OpenAI's API: it may refuse options it does not know.
        return None
    if str(getattr(client, "_api_version", None) or "9999") < "2024-09":
        # Azure refuses the option before API version 2024-09-01-preview.
        return None
    body, extra = options.json_data, options.extra_json or {}
    if not isinstance(body, Mapping) or "data_sources" in {**body, **extra}:
        # Azure's "on your data" refuses it in any version.
        return None
    wanted = openai_chat.with_usage({**body, **extra})
    if wanted is None:
        return None
    if "stream_options" in extra:
        options.extra_json = {**extra, **wanted}
    else:
        options.json_data = {**body, **wanted}
    return _usage_only


def _usage_only(chunk: Any) -> bool:
    return not pick(chunk, "choices") and pick(chunk, "usage") is not None


BATCHED = {
    "chat.completion": openai_chat.CHAT,
    "text_completion": openai_chat.COMPLETION,
    "response": readings.RESPONSE,
    "list": openai_media.EMBEDDING,
    "error": openai_chat.CHAT,
}
"""`object` of a response -> call; a request that failed has none."""

PROVIDER = Provider(
    "openai",
    requires="openai >= 1.30",
    aliases=("openai_v2",),
    hooks=hooks(
        "openai",
        {
            "/chat/completions": openai_chat.CHAT,
            "/completions": openai_chat.COMPLETION,
            "/responses": readings.RESPONSE,
            "/responses/compact": readings.RESPONSE,
            "GET /responses/{}": readings.FETCH,
            "/embeddings": openai_media.EMBEDDING,
            "/images/generations": readings.IMAGE,
            "/images/edits": readings.IMAGE,
            "/images/variations": readings.IMAGE,
            "/audio/transcriptions": openai_media.TRANSCRIPTION,
            "/audio/translations": openai_media.TRANSCRIPTION,
            "/audio/speech": openai_media.SPEECH,
            "/decisions": readings.DECISION,
            "/videos": readings.VIDEO,
            "/containers": jobs.CONTAINER,
            "/batches": openai_batches.SUBMISSION,
            "/agents/sessions": agents.SESSION,
        },
        server=_server,
        attributes=_client_attributes,
        ask_usage=_ask_usage,
    )
    + openai_batches.batch_readers("openai", _server, BATCHED)
    + background_readers(_server)
    + jobs.fine_tuning_readers(_server)
    + agents.session_readers(_server)
    + REALTIME_READERS
    + RESPONSE_SOCKET_READERS
    + LIVE_READERS,
)
