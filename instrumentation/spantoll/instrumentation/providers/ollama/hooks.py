"""Which requests of Ollama's SDK make spans: every method goes through `_request`."""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation.hosts import server_of_url
from spantoll.instrumentation.provider import Hook, Provider, Request, Settings
from spantoll.instrumentation.providers.ollama.readings import CALLS

__all__ = ["PROVIDER"]


def _describe(client: Any, arguments: dict[str, Any], settings: Settings) -> Request | None:
    call = CALLS.get(getattr(arguments.get("cls"), "__name__", ""))
    if call is None:
        return None
    return Request(
        call,
        arguments.get("json") or {},
        server_of_url(str(client._client.base_url), settings, default="ollama"),
        stream=arguments.get("stream") is True,
    )


PROVIDER = Provider(
    "ollama",
    requires="ollama >= 0.4",
    hooks=(
        Hook("ollama._client:Client._request", _describe),
        Hook("ollama._client:AsyncClient._request", _describe),
    ),
)
