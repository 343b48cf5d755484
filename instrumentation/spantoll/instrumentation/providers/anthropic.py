"""Anthropic, also through its clients for Bedrock, Vertex AI and Foundry.

The SDK traces itself since 2.0 (scope `com.anthropic.sdk.python`, on unless
ANTHROPIC_OPEN_TELEMETRY=false). Where a span of ours goes to the same tracer provider it stands for
the call, and what the SDK takes for its span is ours: the trace context it sends, the parent of the
HTTP spans. Spans that somebody wants elsewhere or with content stay; where both arrive, they share
a response id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace

from spantoll.instrumentation import suppression
from spantoll.instrumentation.anthropic_api import COMPLETION, MESSAGE
from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.provider import (
    Describe,
    Detour,
    Provider,
    Request,
    Server,
    Settings,
)
from spantoll.instrumentation.stainless import hooks, server_of
from spantoll.semconv.attributes import CONVERSATION_ID, SPANTOLL_REGION
from spantoll.semconv.providers import from_host

if TYPE_CHECKING:
    from spantoll.instrumentation.wrap import Emitter

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


def _in_conversation(describe: Describe) -> Describe:
    """Tell the conversation of `open_telemetry`, which each copy of a client has its own of."""

    def described(client: Any, arguments: dict[str, Any], settings: Settings) -> Request | None:
        request = describe(client, arguments, settings)
        conversation = getattr(client, "open_telemetry", {}).get("conversation_id")
        if request is not None and conversation is not None:
            request.attributes = {**(request.attributes or {}), CONVERSATION_ID: conversation}
        return request

    return described


class _StandIn:
    """A tracer whose new spans are the one that is current: ours."""

    def start_span(self, *_: Any, **__: Any) -> trace.Span:
        return trace.NonRecordingSpan(trace.get_current_span().get_span_context())


_STAND_IN = _StandIn()


def _tracer(native: property, emitter: Emitter) -> property:
    def tracer(client: Any) -> Any:
        made = native.__get__(client)
        return _STAND_IN if made is not None and _superfluous(client, emitter) else made

    return property(tracer)


@guarded(lambda *_: False)
def _superfluous(client: Any, emitter: Emitter) -> bool:
    """Whether the SDK's own span would be a second one of the same call in the same place."""
    if not (emitter.on and suppression.inside_ours(context.get_current())):
        return False
    chosen = client.open_telemetry
    traces = chosen.get("tracer_provider") or trace.get_tracer_provider()
    return traces is emitter.traces and chosen["traces"]["content_mode"] != "content"


PROVIDER = Provider(
    "anthropic",
    requires="anthropic >= 0.50",
    hooks=(
        *(
            replace(hook, describe=_in_conversation(hook.describe))
            for hook in hooks(
                "anthropic",
                {"/v1/messages": MESSAGE, "/v1/complete": COMPLETION},
                server=_server,
                attributes=_client_attributes,
            )
        ),
        Detour("anthropic._base_client:BaseClient._tracer", _tracer),
    ),
)
