"""Attribution of calls: `attributes(customer_id=...)` around code becomes attributes of its spans.

It lives in the OpenTelemetry context. Keys are those of `spantoll.semconv.attributes.ATTRIBUTION`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from opentelemetry import baggage, context
from opentelemetry.context import Context

from spantoll.instrumentation.reading import plain
from spantoll.semconv.attributes import ATTRIBUTION, SPANTOLL_METADATA_PREFIX

__all__ = ["attribute_key", "attributes", "carry", "current_attributes"]

_KEY = context.create_key("spantoll-attribution")
_NONE: Mapping[str, object] = {}

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def attributes(*, propagate: bool = False, **values: object) -> Iterator[None]:
    """Set the attribution of the model calls inside: customer, user, project, purpose ...

    `customer_id`, `project`, `user_id`, `team`, `session_id`, `task_type` and the other names of
    `spantoll.semconv.call.Attribution` have columns of their own in the ledger; any other name is
    kept as metadata. Nested blocks add up, the inner one wins; None takes a name away. It lives in
    the OpenTelemetry context: asyncio tasks and `asyncio.to_thread` inherit it, for other threads
    see `carry`. With `propagate` the values also travel to other services as baggage, which leaves
    the process in a header: never put anything secret there.
    """
    here = context.get_current()
    merged = dict(context.get_value(_KEY, here) or _NONE)  # type: ignore[call-overload]  # ours
    inner = here
    for name, value in values.items():
        key = attribute_key(name)
        usable = plain(value)
        if usable is None:
            merged.pop(key, None)
        else:
            merged[key] = usable
            if propagate:
                inner = baggage.set_baggage(key, str(usable), inner)
    inner = context.set_value(_KEY, merged, inner)
    token = context.attach(inner)
    try:
        yield
    finally:
        # A generator may be closed in another context, where nothing was attached.
        if context.get_current() is inner:
            context.detach(token)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function run with the present attribution, in any thread.

    `executor.submit(carry(work), item)`; Python's threads start with an empty context.
    """
    here = context.get_current()

    @wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        token = context.attach(here)
        try:
            return function(*args, **kwargs)
        finally:
            if context.get_current() is here:
                context.detach(token)

    return carried


def current_attributes(here: Context, *, from_baggage: bool) -> Mapping[str, object]:
    """Read the span attributes that hold in a context."""
    own: Mapping[str, object] = here.get(_KEY) or _NONE  # type: ignore[assignment]  # ours
    if from_baggage:
        received = baggage.get_all(here)
        if received:
            received_values = {
                key: value for key, value in received.items() if _is_attribution(key)
            }
            return {**received_values, **own}
    return own


_KEYS = {name: spellings[0] for name, spellings in ATTRIBUTION.items()} | {
    # Stable names of the general convention, which every trace viewer knows.
    "user_id": "user.id",
    "session_id": "session.id",
}


_PROPAGATED = frozenset(_KEYS.values())


def _is_attribution(key: str) -> bool:
    return key in _PROPAGATED or key.startswith(SPANTOLL_METADATA_PREFIX)


def attribute_key(name: str) -> str:
    """Return the attribute key of an attribution name; any unknown name is metadata."""
    return _KEYS.get(name) or SPANTOLL_METADATA_PREFIX + name
