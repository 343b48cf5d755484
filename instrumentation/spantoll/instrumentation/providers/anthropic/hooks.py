"""Which requests of Anthropic's SDK make spans, and what becomes of the spans it makes itself.

The SDK traces itself since 2.0 (scope `com.anthropic.sdk.python`, on unless
ANTHROPIC_OPEN_TELEMETRY=false). Where a span of ours goes to the same tracer provider it stands for
the call, and what the SDK takes for its span is ours: the trace context it sends, the parent of the
HTTP spans. Spans that go to another tracer provider, or have content, stay; where both arrive, they
share a response id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from opentelemetry import context, trace

from spantoll.instrumentation import suppression
from spantoll.instrumentation.guard import guarded
from spantoll.instrumentation.hosts import server_of_url
from spantoll.instrumentation.observer import SpanSource
from spantoll.instrumentation.provider import (
    Describe,
    Provider,
    Replacement,
    Request,
    Server,
    Settings,
)
from spantoll.instrumentation.providers.anthropic.batches import SUBMISSION, batch_readers
from spantoll.instrumentation.providers.anthropic.readings import COMPLETION, MESSAGE
from spantoll.instrumentation.providers.anthropic.sessions import SESSION, session_readers
from spantoll.instrumentation.stainless import hooks
from spantoll.semconv.attributes import CONVERSATION_ID, SPANTOLL_REGION

__all__ = ["PROVIDER"]

CLOUDS = (("Bedrock", "aws.bedrock"), ("Vertex", "gcp.vertex_ai"))


def _server(client: Any, settings: Settings) -> Server:
    names = " ".join(kind.__name__ for kind in type(client).__mro__)
    cloud = next((provider for word, provider in CLOUDS if word in names), None)
    return server_of_url(str(client.base_url), settings, default="anthropic", chosen=cloud)


def _client_attributes(client: Any) -> dict[str, Any]:
    region = getattr(client, "aws_region", None) or getattr(client, "region", None)
    return {SPANTOLL_REGION: region} if isinstance(region, str) else {}


def _with_conversation(describe: Describe) -> Describe:
    """Add the conversation of `open_telemetry`, which each copy of a client may set."""

    def described(client: Any, arguments: dict[str, Any], settings: Settings) -> Request | None:
        request = describe(client, arguments, settings)
        conversation = getattr(client, "open_telemetry", {}).get("conversation_id")
        if request is not None and conversation is not None:
            request.attributes = {**(request.attributes or {}), CONVERSATION_ID: conversation}
        return request

    return described


class _StandIn:
    """A tracer whose new spans are the current one, which is SpanToll's."""

    def start_span(self, *_: Any, **__: Any) -> trace.Span:
        return trace.NonRecordingSpan(trace.get_current_span().get_span_context())


_STAND_IN = _StandIn()


def _tracer(native: property, source: SpanSource) -> property:
    def tracer(client: Any) -> Any:
        made = native.__get__(client)
        return _STAND_IN if made is not None and _is_duplicate(client, source) else made

    return property(tracer)


@guarded(lambda *_: False)
def _is_duplicate(client: Any, source: SpanSource) -> bool:
    """Return whether the SDK's own span would be a second one of the call at the same provider."""
    if not (source.on and suppression.is_suppressed_by_us(context.get_current())):
        return False
    chosen = client.open_telemetry
    traces = chosen.get("tracer_provider") or trace.get_tracer_provider()
    return traces is source.tracer_provider and chosen["traces"]["content_mode"] != "content"


PROVIDER = Provider(
    "anthropic",
    requires="anthropic >= 0.50",
    hooks=(
        *(
            replace(hook, describe=_with_conversation(hook.describe))
            for hook in hooks(
                "anthropic",
                {
                    "/v1/messages": MESSAGE,
                    "/v1/complete": COMPLETION,
                    "/v1/messages/batches": SUBMISSION,
                    "/v1/sessions": SESSION,
                },
                server=_server,
                attributes=_client_attributes,
            )
        ),
        Replacement("anthropic._base_client:BaseClient._tracer", _tracer),
        *batch_readers(_server),
        *session_readers(_server),
    ),
)
