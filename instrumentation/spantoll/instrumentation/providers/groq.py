"""Groq's own SDK."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spantoll.instrumentation import openai_api
from spantoll.instrumentation.provider import Provider, Server, Settings
from spantoll.instrumentation.stainless import hooks, server_of
from spantoll.semconv.providers import from_host

__all__ = ["PROVIDER"]


def _server(client: Any, settings: Settings) -> Server:
    return server_of(client, settings, default="groq", known=from_host)


def _tells(chunk: Any) -> bool:
    # The last chunk has the usage under `x_groq`, unasked.
    return chunk.x_groq is not None or any(choice.finish_reason for choice in chunk.choices)


PROVIDER = Provider(
    "groq",
    requires="groq >= 0.13",
    hooks=hooks(
        "groq",
        {
            "/openai/v1/chat/completions": replace(openai_api.CHAT, notable=_tells),
            "/openai/v1/embeddings": openai_api.EMBEDDING,
            "/openai/v1/audio/transcriptions": openai_api.TRANSCRIPTION,
            "/openai/v1/audio/translations": openai_api.TRANSCRIPTION,
            "/openai/v1/audio/speech": openai_api.SPEECH,
        },
        server=_server,
    ),
)
