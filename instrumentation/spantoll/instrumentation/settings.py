"""What the application chose, put over what its environment says."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from spantoll.instrumentation.caller import CALLER_FIELDS
from spantoll.instrumentation.launch import ON
from spantoll.instrumentation.provider import Settings

__all__ = ["resolve", "sampled_without_usage_logs"]

CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
ON_SPANS = frozenset({"span_only", "span_and_event", "true"})
KEEPING_SAMPLERS = frozenset({"always_on", "parentbased_always_on"})
"""Values of OTEL_TRACES_SAMPLER that drop nothing of their own."""
OPT_IN, LATEST = "OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental"
"""OpenTelemetry's variable and its value for GenAI: the newer names instead of today's, with `/dup`
beside them. Attributes of spans have had one version only."""
IN_EVENTS = frozenset({"event_only", "span_and_event"})
"""`true` is what the variable took before the convention gave it modes."""


def resolve(
    *,
    stream_usage: bool | None = None,
    hosts: Mapping[str, str] | None = None,
    baggage: bool | None = None,
    caller_fields: Iterable[str] | None = None,
    usage_logs: bool | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Return the settings; an argument that is None is read from the environment.

    Raises:
        ValueError: a name in `caller_fields` is unknown.
    """
    opted_in = {name.strip() for name in environ.get(OPT_IN, "").split(",")}
    mode = environ.get(CONTENT, "").lower()
    return Settings(
        stream_usage=_flag(stream_usage, environ, "SPANTOLL_STREAM_USAGE", default=True),
        hosts={**_hosts(environ.get("SPANTOLL_PROVIDER_HOSTS", "")), **(hosts or {})},
        baggage=_flag(baggage, environ, "SPANTOLL_BAGGAGE", default=False),
        caller_fields=_caller_fields(caller_fields, environ.get("SPANTOLL_CALLER_FIELDS")),
        content=mode in ON_SPANS,
        content_events=mode in IN_EVENTS,
        metrics_today=LATEST not in opted_in,
        metrics_latest=bool({LATEST, LATEST + "/dup"} & opted_in),
        usage_logs=_flag(usage_logs, environ, "SPANTOLL_USAGE_LOGS", default=False),
    )


def sampled_without_usage_logs(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the sampler of an environment that loses calls, None where no call is lost.

    A ratio of 1 keeps all; usage logs keep all, unless no exporter sends them.
    """
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if not sampler or sampler in KEEPING_SAMPLERS:
        return None
    ratio = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if sampler.endswith("traceidratio") and ratio in ("", "1", "1.0"):
        return None
    sent = environ.get("OTEL_LOGS_EXPORTER", "otlp").strip().lower() != "none"
    if sent and _flag(None, environ, "SPANTOLL_USAGE_LOGS", default=False):
        return None
    return f"{sampler}({ratio})" if ratio else sampler


def _flag(chosen: bool | None, environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    if chosen is not None:
        return chosen
    text = environ.get(name, "").strip().lower()
    return text in ON if text else default


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
