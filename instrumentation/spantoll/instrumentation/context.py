from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context as otel

from spantoll.semconv import attributes as keys

__all__ = ["attributes", "current_attributes", "is_suppressed", "suppress"]

Value = str | bool | int | float

_ATTRIBUTES = otel.create_key("spantoll-attributes")

SUPPRESSED = (
    "suppress_instrumentation",
    "suppress_language_model_instrumentation",
    "opentelemetry.genai.client.inference.context",
)
"""Context keys of OpenTelemetry, OpenLLMetry and util-genai: somebody else records this call."""

FIELDS = {name: spellings[0] for name, spellings in keys.ATTRIBUTION.items()} | {
    "user_id": "user.id",
    "session_id": "session.id",
}


@contextmanager
def attributes(**values: Value | None) -> Iterator[None]:
    """Say whom the model calls inside are for: `attributes(customer_id="acme", user_id="ann")`.

    Names of the ledger (tenant, customer_id, organisation, project, workspace_id, team, user_id,
    user_email, session_id, purpose, task_type, channel, environment) fill its columns, any other
    name its metadata. Nested blocks add up. It lives in the OpenTelemetry context, so it goes
    wherever that goes: into tasks, and into threads that were given the context.
    """
    told = {
        FIELDS.get(name, keys.SPANTOLL_METADATA_PREFIX + name): value
        for name, value in values.items()
        if value is not None
    }
    token = otel.attach(otel.set_value(_ATTRIBUTES, {**current_attributes(), **told}))
    try:
        yield
    finally:
        otel.detach(token)


@contextmanager
def suppress() -> Iterator[None]:
    """Keep the model calls inside from being instrumented, by us or by OpenLLMetry."""
    token = otel.attach(otel.set_value("suppress_language_model_instrumentation", True))
    try:
        yield
    finally:
        otel.detach(token)


def current_attributes() -> Mapping[str, Value]:
    """What the surrounding `attributes` blocks said, as span attributes."""
    found = otel.get_value(_ATTRIBUTES)
    return found if isinstance(found, dict) else {}


def is_suppressed() -> bool:
    """Tell whether somebody asked for silence, or records the call already."""
    current = otel.get_current()
    return bool(current) and any(current.get(key) for key in SUPPRESSED)
