"""Which requests of Groq's SDK make spans: OpenAI's API below a path of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spantoll.instrumentation.apis import openai_batches, openai_chat, openai_media
from spantoll.instrumentation.provider import Provider
from spantoll.instrumentation.stainless import hooks, server_of_client

__all__ = ["PROVIDER"]


def _has_values(chunk: Any) -> bool:
    # The last chunk has the usage under `x_groq`, unasked.
    return chunk.x_groq is not None or any(choice.finish_reason for choice in chunk.choices)


SERVER = server_of_client("groq")
PROVIDER = Provider(
    "groq",
    requires="groq >= 0.13",
    hooks=hooks(
        "groq",
        {
            "/openai/v1/chat/completions": replace(openai_chat.CHAT, has_values=_has_values),
            "/openai/v1/embeddings": openai_media.EMBEDDING,
            "/openai/v1/audio/transcriptions": openai_media.TRANSCRIPTION,
            "/openai/v1/audio/translations": openai_media.TRANSCRIPTION,
            "/openai/v1/audio/speech": openai_media.SPEECH,
            "/openai/v1/batches": openai_batches.SUBMISSION,
        },
        server=SERVER,
    )
    + openai_batches.batch_readers(
        "groq", SERVER, {"chat.completion": openai_chat.CHAT, "error": openai_chat.CHAT}
    ),
)
