"""The context keys by which GenAI instrumentations are suppressed: OpenTelemetry's, OpenLLMetry's
and that of opentelemetry-util-genai are all honoured; the second is set while an SDK runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span

__all__ = ["is_suppressed", "is_suppressed_by_us", "suppress", "suppress_in"]

_LLM = "suppress_language_model_instrumentation"
"""OpenLLMetry's key, and the one SpanToll sets: suppresses GenAI spans, not HTTP spans."""
_OURS = "spantoll"
"""The value SpanToll gives that key. Others read only whether it is true."""
_UTIL_GENAI = "opentelemetry.genai.client.inference.context"
"""Set by opentelemetry-util-genai while a GenAI span of its own is open."""
_SUPPRESS_PLAIN = "suppress_instrumentation"
_SUPPRESS: str = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", _SUPPRESS_PLAIN)
"""What `opentelemetry.instrumentation.utils.suppress_instrumentation` sets: it is made with
`create_key`, so its name has a random end."""
_SPAN = next(iter(trace.set_span_in_context(trace.INVALID_SPAN, Context())))
"""OpenTelemetry's key of the current span, which has a random end too."""


def is_suppressed(here: Context) -> bool:
    """Return whether GenAI instrumentation is suppressed in a context, by whomever."""
    if not here:
        return False
    get = here.get
    # Written out: this runs before every call.
    return bool(get(_LLM) or get(_UTIL_GENAI) is not None or get(_SUPPRESS) or get(_SUPPRESS_PLAIN))


def suppress_in(here: Context, span: Span | None = None) -> Context:
    """Return the context that an SDK runs in: a call it makes inside is not a second call.

    `span`, where there is one, becomes the current span in it.
    """
    if span is None:
        return context.set_value(_LLM, _OURS, here)
    # One copy of the context for both values: this runs before every call.
    return Context({**here, _SPAN: span, _LLM: _OURS})


def is_suppressed_by_us(here: Context) -> bool:
    """Return whether SpanToll suppresses: a span of ours covers the call, or `suppress` does."""
    return here.get(_LLM) == _OURS


@contextmanager
def suppress() -> Iterator[None]:
    """Make no GenAI spans inside; HTTP spans stay."""
    inner = suppress_in(context.get_current())
    token = context.attach(inner)
    try:
        yield
    finally:
        if context.get_current() is inner:
            context.detach(token)
