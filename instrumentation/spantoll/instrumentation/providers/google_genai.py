"""Gemini through google-genai: Google's own API and Vertex AI.

The innermost methods are hooked, so that chats and automatic function calling are counted request
by request. Not seen: the live API, the interactions API, batch jobs.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from spantoll.instrumentation import gemini_api
from spantoll.instrumentation.provider import Call, Hook, Provider, Request, Server, Settings
from spantoll.semconv.attributes import SPANTOLL_REGION

__all__ = ["PROVIDER"]

MODELS = "google.genai.models"


def _server(api: Any, settings: Settings) -> Server:
    provider = "gcp.vertex_ai" if api.vertexai else "gcp.gemini"
    parts = urlsplit(str(api._http_options.base_url or ""))
    if not parts.hostname:
        return Server(provider)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    named = settings.hosts.get(f"{parts.hostname}:{port}") or settings.hosts.get(parts.hostname)
    return Server(named or provider, parts.hostname, port)


def _hooks(method: str, call: Call, *, stream: bool = False, optional: bool = False) -> list[Hook]:
    def describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request:
        api = client._api_client
        location = getattr(api, "location", None)
        return Request(
            call,
            arguments,
            _server(api, settings),
            stream=stream,
            attributes={SPANTOLL_REGION: location} if location else None,
        )

    return [
        Hook(f"{MODELS}:{kind}.{method}", describe, optional=optional)
        for kind in ("Models", "AsyncModels")
    ]


PROVIDER = Provider(
    "google_genai",
    requires="google-genai >= 1.10",
    hooks=(
        *_hooks("_generate_content", gemini_api.CONTENT),
        *_hooks("_generate_content_stream", gemini_api.CONTENT, stream=True),
        *_hooks("_embed_content", gemini_api.EMBEDDING, optional=True),
        *_hooks("_generate_images", gemini_api.IMAGE),
        *_hooks("_edit_image", gemini_api.IMAGE, optional=True),
        *_hooks("_upscale_image", gemini_api.IMAGE, optional=True),
        *_hooks("_generate_videos", gemini_api.VIDEO, optional=True),
    ),
)
