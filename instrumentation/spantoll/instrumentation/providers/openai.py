"""OpenAI, Azure OpenAI, and every host that speaks OpenAI's API to OpenAI's SDK."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from spantoll.instrumentation import openai_api
from spantoll.instrumentation.provider import Provider, Request, Server, Settings
from spantoll.instrumentation.stainless import hooks, server_of
from spantoll.semconv.attributes import SPANTOLL_DEPLOYMENT, SPANTOLL_REGION
from spantoll.semconv.providers import from_host

__all__ = ["PROVIDER"]

_REGION = re.compile(r"([a-z]{2})\.api\.openai\.com")


def _server(client: Any, settings: Settings) -> Server:
    default = "azure.ai.openai" if "Azure" in type(client).__name__ else "openai"
    return server_of(client, settings, default=default, known=_known)


def _known(host: str) -> str | None:
    return from_host(host) or ("openai" if _REGION.fullmatch(host) else None)


def _client_attributes(client: Any) -> dict[str, Any]:
    told: dict[str, Any] = {}
    deployment = getattr(client, "_azure_deployment", None)
    if isinstance(deployment, str):
        told[SPANTOLL_DEPLOYMENT] = deployment
    # Data residency has a price of its own: {region}.api.openai.com.
    region = _REGION.fullmatch(client.base_url.host)
    if region:
        told[SPANTOLL_REGION] = region[1]
    return told


def _ask_usage(client: Any, options: Any, request: Request, settings: Settings) -> Any:
    if request.call not in (openai_api.CHAT, openai_api.COMPLETION):
        return None
    provider, host, port = request.server
    if provider not in openai_api.INCLUDES_USAGE:
        return None
    chosen_host = host in settings.hosts or f"{host}:{port}" in settings.hosts
    known = _known(host or "") or chosen_host or host in openai_api.LOOPBACK
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
    wanted = openai_api.with_usage({**body, **extra})
    if wanted is None:
        return None
    if "stream_options" in extra:
        options.extra_json = {**extra, **wanted}
    else:
        options.json_data = {**body, **wanted}
    return _usage_only


def _usage_only(chunk: Any) -> bool:
    return not chunk.choices and getattr(chunk, "usage", None) is not None


PROVIDER = Provider(
    "openai",
    requires="openai >= 1.30",
    hooks=hooks(
        "openai",
        {
            "/chat/completions": openai_api.CHAT,
            "/completions": openai_api.COMPLETION,
            "/responses": openai_api.RESPONSE,
            "/responses/compact": openai_api.RESPONSE,
            "GET /responses/{}": openai_api.FETCH,
            "/embeddings": openai_api.EMBEDDING,
            "/images/generations": openai_api.IMAGE,
            "/images/edits": openai_api.IMAGE,
            "/images/variations": openai_api.IMAGE,
            "/audio/transcriptions": openai_api.TRANSCRIPTION,
            "/audio/translations": openai_api.TRANSCRIPTION,
            "/audio/speech": openai_api.SPEECH,
            "/videos": openai_api.VIDEO,
        },
        server=_server,
        attributes=_client_attributes,
        ask_usage=_ask_usage,
    ),
)
