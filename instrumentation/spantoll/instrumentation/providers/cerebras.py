"""Cerebras' own SDK."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spantoll.instrumentation import openai_api
from spantoll.instrumentation.provider import Provider, Server, Settings
from spantoll.instrumentation.stainless import hooks, server_of
from spantoll.semconv.providers import from_host

__all__ = ["PROVIDER"]


def _server(client: Any, settings: Settings) -> Server:
    return server_of(client, settings, default="cerebras", known=from_host)


def _tells(chunk: Any) -> bool:
    # An error comes as a chunk of its own kind.
    return getattr(chunk, "usage", None) is not None or any(
        choice.finish_reason for choice in getattr(chunk, "choices", None) or ()
    )


PROVIDER = Provider(
    "cerebras",
    requires="cerebras-cloud-sdk >= 1.14",
    hooks=hooks(
        "cerebras.cloud.sdk",
        {
            "/v1/chat/completions": replace(openai_api.CHAT, notable=_tells),
            "/v1/completions": replace(openai_api.COMPLETION, notable=_tells),
        },
        server=_server,
    ),
)
