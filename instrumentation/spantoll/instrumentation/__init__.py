"""Records every call to a language model as an OpenTelemetry span, exactly and unnoticed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from spantoll.instrumentation import registry, settings
from spantoll.instrumentation.attribution import attributes, carry
from spantoll.instrumentation.suppression import suppress

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["attributes", "carry", "instrument", "suppress", "uninstrument"]


def instrument(
    *,
    providers: Iterable[str] | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    stream_usage: bool | None = None,
    hosts: Mapping[str, str] | None = None,
    baggage: bool | None = None,
    caller_fields: Iterable[str] | None = None,
    usage_logs: bool | None = None,
    logger_provider: LoggerProvider | None = None,
) -> None:
    """Make a span of every model call, whichever SDKs are imported now or later.

    Everything is optional; what is not given comes from the environment.

    Args:
        providers: names of the SDKs to instrument; all that are installed if not given.
        tracer_provider: where spans go; the global one if not given.
        meter_provider: where metrics go; the global one if not given.
        stream_usage: ask hosts that are known to support it for usage at the end of a stream, and
            hide the extra chunk (SPANTOLL_STREAM_USAGE, on by default).
        hosts: `host` or `host:port` -> provider, for gateways and servers of your own
            (SPANTOLL_PROVIDER_HOSTS="llm.internal:8000=vllm,...").
        baggage: take attribution that other services sent along (SPANTOLL_BAGGAGE, off by default).
        caller_fields: which of user, safety_identifier, prompt_cache_key, metadata and session go
            from a request to its span (SPANTOLL_CALLER_FIELDS, all by default; "none" for none).
        usage_logs: emit a log record without content for each call, which no trace sampler drops
            (SPANTOLL_USAGE_LOGS, off by default).
        logger_provider: where log records go; the global one if not given.

    Raises:
        ValueError: a name in `providers` or `caller_fields` is unknown.
    """
    registry.install(
        providers,
        settings.resolve(
            stream_usage=stream_usage,
            hosts=hosts,
            baggage=baggage,
            caller_fields=caller_fields,
            usage_logs=usage_logs,
        ),
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        logger_provider=logger_provider,
    )


def uninstrument() -> None:
    """Restore every SDK function; streams that are open still end their spans."""
    registry.uninstall()
