"""Which methods of Cohere's clients make spans.

Not covered: raw responses of streams, streams of clients made before `instrument()`, the clients
for Bedrock and SageMaker.
"""

from __future__ import annotations

from typing import Any

from spantoll.instrumentation.hosts import server_of_url
from spantoll.instrumentation.provider import Call, Hook, Provider, Server, Settings, by_name
from spantoll.instrumentation.providers.cohere import readings

__all__ = ["PROVIDER"]


def _server(client: Any, settings: Settings) -> Server:
    wrapper = getattr(client, "_client_wrapper", None) or client._raw_client._client_wrapper
    return server_of_url(wrapper.get_base_url(), settings, default="cohere")


RAW_V2 = ("cohere.v2.raw_client:RawV2Client", "cohere.v2.raw_client:AsyncRawV2Client")
RAW_V1 = (
    "cohere.raw_base_client:RawBaseCohere",
    "cohere.raw_base_client:AsyncRawBaseCohere",
)
V2 = ("cohere.v2.client:V2Client", "cohere.v2.client:AsyncV2Client")
V1 = ("cohere.base_client:BaseCohere", "cohere.base_client:AsyncBaseCohere")


def _hooks(clients: tuple[str, ...], methods: dict[str, tuple[Call, bool]]) -> list[Hook]:
    return [
        Hook(
            f"{client}.{method}",
            by_name(call, server=_server, stream=stream),
            optional=True,
        )
        for client in clients
        for method, (call, stream) in methods.items()
    ]


PROVIDER = Provider(
    "cohere",
    requires="cohere >= 5.11",
    hooks=(
        *_hooks(
            V2,
            {
                "chat": (readings.CHAT, False),
                "chat_stream": (readings.CHAT, True),
                "embed": (readings.EMBED, False),
                "rerank": (readings.RERANK, False),
            },
        ),
        *_hooks(
            (*RAW_V2, *RAW_V1),
            {
                "chat": (readings.raw_call(readings.CHAT), False),
                "embed": (readings.raw_call(readings.EMBED), False),
                "rerank": (readings.raw_call(readings.RERANK), False),
            },
        ),
        *_hooks(
            V1,
            {
                "chat": (readings.CHAT, False),
                "chat_stream": (readings.CHAT, True),
                "generate": (readings.GENERATE, False),
                "generate_stream": (readings.GENERATE, True),
                "embed": (readings.EMBED, False),
                "rerank": (readings.RERANK, False),
            },
        ),
    ),
)
