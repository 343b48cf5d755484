from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.context import Context

__all__ = ["inside", "inside_ours", "suppress", "suppressed"]

_LLM = "suppress_language_model_instrumentation"
"""OpenLLMetry's key, and the one we set: silences GenAI spans, leaves HTTP spans alone."""
_OURS = "spantoll"
"""The value we give that key. Others look only whether it is true."""
_UTIL_GENAI = "opentelemetry.genai.client.inference.context"
"""Set by opentelemetry-util-genai while a GenAI span of its own is open."""
_SUPPRESS_PLAIN = "suppress_instrumentation"
_SUPPRESS: str = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", _SUPPRESS_PLAIN)
"""What `opentelemetry.instrumentation.utils.suppress_instrumentation` sets: it is made with
`create_key`, so its name has a random end."""


def suppressed(here: Context) -> bool:
    """Tell whether somebody asked for silence in a context."""
    if not here:
        return False
    get = here.get
    # Written out: this is asked before every call.
    return bool(get(_LLM) or get(_UTIL_GENAI) is not None or get(_SUPPRESS) or get(_SUPPRESS_PLAIN))


def inside(here: Context) -> Context:
    """Make the context the SDK works in: what it calls in turn is no call of its own."""
    return context.set_value(_LLM, _OURS, here)


def inside_ours(here: Context) -> bool:
    """Tell whether the silence is ours: a span of ours stands for what happens, or none at all."""
    return here.get(_LLM) == _OURS


@contextmanager
def suppress() -> Iterator[None]:
    """Make no GenAI spans inside; HTTP spans stay."""
    inner = inside(context.get_current())
    token = context.attach(inner)
    try:
        yield
    finally:
        if context.get_current() is inner:
            context.detach(token)
