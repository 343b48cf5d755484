"""Anthropic, also through its clients for Bedrock, Vertex AI and Foundry.

The SDK traces itself since 2.0 (scope `com.anthropic.sdk.python`, on unless
ANTHROPIC_OPEN_TELEMETRY=false). A span of ours stands for such a call, and its own steps aside, as
it does for requests that no SDK method made; a client that was given a tracer provider of its own
keeps its spans, because somebody wants them elsewhere. Where both arrive, they share a response id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spantoll.instrumentation.anthropic_api import COMPLETION, MESSAGE
from spantoll.instrumentation.provider import Describe, Provider, Request, Server, Settings
from spantoll.instrumentation.stainless import hooks, server_of
from spantoll.semconv.attributes import SPANTOLL_REGION
from spantoll.semconv.providers import from_host

__all__ = ["PROVIDER"]

CLOUDS = (("Bedrock", "aws.bedrock"), ("Vertex", "gcp.vertex_ai"))


def _server(client: Any, settings: Settings) -> Server:
    names = " ".join(kind.__name__ for kind in type(client).__mro__)
    cloud = next((provider for word, provider in CLOUDS if word in names), None)
    known: Callable[[str], str | None] = (lambda _: cloud) if cloud else from_host
    return server_of(client, settings, default="anthropic", known=known)


def _client_attributes(client: Any) -> dict[str, Any]:
    region = getattr(client, "aws_region", None) or getattr(client, "region", None)
    return {SPANTOLL_REGION: region} if isinstance(region, str) else {}


def _instead_of_native(describe: Describe) -> Describe:
    def described(client: Any, arguments: dict[str, Any], settings: Settings) -> Request | None:
        request = describe(client, arguments, settings)
        options = arguments["options"]
        if request is not None and getattr(options, "span_name", None):
            chosen = getattr(client, "_open_telemetry", None) or {}
            if "tracer_provider" not in chosen:
                options.span_name = None
        return request

    return described


PROVIDER = Provider(
    "anthropic",
    requires="anthropic >= 0.50",
    hooks=tuple(
        replace(hook, describe=_instead_of_native(hook.describe))
        for hook in hooks(
            "anthropic",
            {"/v1/messages": MESSAGE, "/v1/complete": COMPLETION},
            server=_server,
            attributes=_client_attributes,
        )
    ),
)
