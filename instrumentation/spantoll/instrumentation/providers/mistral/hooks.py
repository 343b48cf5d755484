"""Which methods of Mistral's SDK make spans; its modules moved below `mistralai.client` with 2.0.

The SDK can trace itself (`mistralai.extra.observability`); its span is then below ours and reports
the same response, so that a ledger counts one of them.
"""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation.hosts import server_of_url
from spantoll.instrumentation.provider import Call, Hook, Provider, Server, Settings, by_name
from spantoll.instrumentation.providers.mistral import readings
from spantoll.instrumentation.providers.mistral.batches import batch_hooks
from spantoll.instrumentation.providers.mistral.realtime import REALTIME_READERS
from spantoll.instrumentation.providers.mistral.responses import RESPONSE

__all__ = ["PROVIDER"]


def _server(client: Any, settings: Settings) -> Server:
    url, _ = client.sdk_configuration.get_server_details()
    return server_of_url(url, settings, default="mistral_ai")


METHODS: tuple[tuple[str, str, Call, bool | str], ...] = (
    ("chat", "Chat.complete", readings.CHAT, False),
    ("chat", "Chat.stream", readings.CHAT, True),
    ("fim", "Fim.complete", readings.FIM, False),
    ("fim", "Fim.stream", readings.FIM, True),
    ("agents", "Agents.complete", readings.AGENT, False),
    ("agents", "Agents.stream", readings.AGENT, True),
    ("responses", "Responses.create", RESPONSE, "stream"),
    ("embeddings", "Embeddings.create", readings.EMBEDDING, False),
    ("ocr", "Ocr.process", readings.OCR, False),
    ("transcriptions", "Transcriptions.complete", readings.TRANSCRIPTION, False),
    ("transcriptions", "Transcriptions.stream", readings.TRANSCRIPTION, True),
    ("speech", "Speech.complete", readings.SPEECH, "stream"),
    ("conversations", "Conversations.start", readings.CONVERSATION, False),
    ("conversations", "Conversations.start_stream", readings.CONVERSATION, True),
    ("conversations", "Conversations.append", readings.CONVERSATION, False),
    ("conversations", "Conversations.append_stream", readings.CONVERSATION, True),
    ("conversations", "Conversations.restart", readings.CONVERSATION, False),
    ("conversations", "Conversations.restart_stream", readings.CONVERSATION, True),
)
"""Module, method, call, whether it streams or which argument decides it; each has an `_async`
form."""


def _hooks() -> tuple[Hook, ...]:
    return tuple(
        Hook(
            f"{package}.{module}:{method}{suffix}",
            by_name(call, server=_server, stream=stream),
            optional=True,
        )
        for package in ("mistralai", "mistralai.client")
        for module, method, call, stream in METHODS
        for suffix in ("", "_async")
    )


PROVIDER = Provider(
    "mistral",
    requires="mistralai >= 1.5",
    aliases=("mistralai",),
    hooks=(*_hooks(), *batch_hooks(_server), *REALTIME_READERS),
)
