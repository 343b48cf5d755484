"""What the application chose, put over what its environment says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from spantoll.instrumentation.caller import CALLER_FIELDS
from spantoll.instrumentation.provider import Settings

__all__ = ["resolve"]

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
ON_SPANS = frozenset({"span_only", "span_and_event", "true"})
"""`true` is what the variable took before the convention gave it modes."""


def resolve(
    *,
    stream_usage: bool | None = None,
    hosts: Mapping[str, str] | None = None,
    baggage: bool | None = None,
    caller_fields: Iterable[str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings; an argument that is None is read from the environment.

    Raises:
        ValueError: a name in `caller_fields` is unknown.
    """
    return Settings(
        stream_usage=_flag(stream_usage, environ, "SPANTOLL_STREAM_USAGE", default=True),
        hosts={**_hosts(environ.get("SPANTOLL_PROVIDER_HOSTS", "")), **(hosts or {})},
        baggage=_flag(baggage, environ, "SPANTOLL_BAGGAGE", default=False),
        caller_fields=_caller_fields(caller_fields, environ.get("SPANTOLL_CALLER_FIELDS")),
        content=environ.get(CONTENT, "").lower() in ON_SPANS,
    )


def _flag(chosen: bool | None, environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    if chosen is not None:
        return chosen
    text = environ.get(name, "").strip().lower()
    return text in ("1", "true", "yes", "on") if text else default


def _hosts(text: str) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in text.split(",") if "=" in entry)
    return {host.strip(): provider.strip() for host, _, provider in pairs}


def _caller_fields(chosen: Iterable[str] | None, text: str | None) -> frozenset[str]:
    if chosen is not None:
        fields = frozenset(chosen)
        if not fields <= CALLER_FIELDS:
            unknown = sorted(fields - CALLER_FIELDS)
            raise ValueError(f"unknown caller fields {unknown}; known are {sorted(CALLER_FIELDS)}")
        return fields
    if text is None:
        return CALLER_FIELDS
    # An unknown name, such as "none", switches nothing on: an environment never stops a start.
    return CALLER_FIELDS.intersection(name.strip() for name in text.lower().split(","))
