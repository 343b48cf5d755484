"""Which requests of Cerebras' SDK make spans: OpenAI's chat and text completions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spantoll.instrumentation.apis import openai_chat
from spantoll.instrumentation.provider import Provider
from spantoll.instrumentation.stainless import hooks, server_of_client

__all__ = ["PROVIDER"]


def _has_values(chunk: Any) -> bool:
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
            "/v1/chat/completions": replace(openai_chat.CHAT, has_values=_has_values),
            "/v1/completions": replace(openai_chat.COMPLETION, has_values=_has_values),
        },
        server=server_of_client("cerebras"),
    ),
)
