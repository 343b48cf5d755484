"""Which methods of google-genai make spans.

The innermost methods are hooked, so that chats and automatic function calling are counted request
by request.
"""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation.hosts import server_of_url
from spantoll.instrumentation.provider import Call, Hook, Provider, Request, Server, Settings
from spantoll.instrumentation.providers.google_genai import readings
from spantoll.instrumentation.providers.google_genai.batches import batch_hooks
from spantoll.instrumentation.providers.google_genai.embedding_usage import (
    REPLACEMENT,
    set_current_request,
)
from spantoll.instrumentation.providers.google_genai.function_calling import REPLACEMENTS
from spantoll.instrumentation.providers.google_genai.interactions import interaction_hooks
from spantoll.instrumentation.providers.google_genai.live import live_hooks
from spantoll.instrumentation.providers.google_genai.vertex_batches import VERTEX_RESULTS
from spantoll.semconv.attributes import SPANTOLL_REGION

__all__ = ["PROVIDER"]

MODELS = "google.genai.models"


def _server(api: Any, settings: Settings) -> Server:
    provider = "gcp.vertex_ai" if api.vertexai else "gcp.gemini"
    url = str(api._http_options.base_url or "")
    return server_of_url(url, settings, default=provider, chosen=provider)


def _hooks(method: str, call: Call, *, stream: bool = False, optional: bool = False) -> list[Hook]:
    def describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request:
        api = client._api_client
        location = getattr(api, "location", None)
        request = Request(
            call,
            arguments,
            _server(api, settings),
            stream=stream,
            attributes={SPANTOLL_REGION: location} if location else None,
        )
        if call is readings.EMBEDDING:
            set_current_request(request)
        return request

    return [
        Hook(f"{MODELS}:{kind}.{method}", describe, optional=optional)
        for kind in ("Models", "AsyncModels")
    ]


PROVIDER = Provider(
    "google_genai",
    requires="google-genai >= 1.10",
    aliases=("genai", "google_generativeai", "vertexai"),
    hooks=(
        *_hooks("_generate_content", readings.CONTENT),
        *_hooks("_generate_content_stream", readings.CONTENT, stream=True),
        *_hooks("_embed_content", readings.EMBEDDING, optional=True),
        *_hooks("_generate_images", readings.IMAGE),
        *_hooks("_edit_image", readings.IMAGE, optional=True),
        *_hooks("_upscale_image", readings.IMAGE, optional=True),
        *_hooks("_generate_videos", readings.VIDEO, optional=True),
        *batch_hooks(_server),
        *REPLACEMENTS,
        REPLACEMENT,
        *live_hooks(_server),
        *interaction_hooks(),
        *VERTEX_RESULTS,
    ),
)
