"""Log records of a call, through OpenTelemetry's logs: usage outside the sampler, and content
events.

Input: the attributes and content of a call at its end, and its span, sampled or not. Output: a
`spantoll.client.operation.usage` record without content, and the convention's
`gen_ai.client.inference.operation.details` event (gen-ai-events.md), each where it is switched on.
Both have the trace and span id of the call's span, so that a ledger which gets both counts one
call.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.trace import Span

from spantoll.semconv import attributes as keys

__all__ = ["INFERENCE", "CallEvents"]

INFERENCE = frozenset({"chat", "generate_content", "text_completion"})
"""Operations that the convention calls inference; its event and its metrics are theirs alone."""


class CallEvents(NamedTuple):
    """Emits the log records of calls."""

    logger: Logger
    usage: bool
    """One content-free record per call, whatever the sampler decides."""
    details: bool
    """The convention's event, with content where there is some (EVENT_ONLY, SPAN_AND_EVENT)."""

    def emit(
        self,
        values: Mapping[str, Any],
        content: Mapping[str, str],
        *,
        span: Span,
        here: Context,
        duration_s: float,
    ) -> None:
        """Emit what is switched on for a call that ends now."""
        attributes = {**values, **_identity(span, here)}
        attributes[keys.SPANTOLL_DURATION_MS] = round(duration_s * 1000)
        context = trace.set_span_in_context(span, here)
        now_ns = time.time_ns()
        if self.usage:
            self.logger.emit(
                timestamp=now_ns,
                context=context,
                severity_number=SeverityNumber.INFO,
                event_name=keys.USAGE_EVENT,
                attributes=attributes,
            )
        if self.details and values[keys.OPERATION_NAME] in INFERENCE:
            self.logger.emit(
                timestamp=now_ns,
                context=context,
                severity_number=SeverityNumber.DEBUG,
                event_name=keys.DETAILS_EVENT,
                # Content "MUST be recorded in structured form" on events (registry.yaml).
                attributes={
                    **attributes,
                    **{key: json.loads(text) for key, text in content.items()},
                },
            )


def _identity(span: Span, here: Context) -> dict[str, str]:
    """Return the ids by which a receiver knows the record and the span for one call.

    Without an SDK for traces a span has its parent's ids, or none: then it has no identity.
    """
    own, parent = span.get_span_context(), trace.get_current_span(here).get_span_context()
    if not own.is_valid or own.span_id == parent.span_id:
        return {}
    identity = {keys.SPANTOLL_SPAN_ID: trace.format_span_id(own.span_id)}
    if parent.is_valid:
        identity[keys.SPANTOLL_PARENT_SPAN_ID] = trace.format_span_id(parent.span_id)
    return identity
