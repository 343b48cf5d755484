"""The instrumentor that `opentelemetry-instrument` loads."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]  # untyped
    BaseInstrumentor,
)

from spantoll import instrumentation
from spantoll.instrumentation.wrap import is_real

__all__ = ["SpantollInstrumentor"]

EXPORTERS = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_CONFIG_FILE",
)


class SpantollInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # untyped base
    """Instruments every SDK at once for `opentelemetry-instrument`.

    An application that calls a function instead calls `spantoll.instrumentation.instrument`.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no SDK: each is looked for on its own, and missing ones cost nothing."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        _configure_sdk()
        instrumentation.instrument(
            tracer_provider=kwargs.get("tracer_provider"),
            meter_provider=kwargs.get("meter_provider"),
            logger_provider=kwargs.get("logger_provider"),
        )

    def _uninstrument(self, **_: Any) -> None:
        instrumentation.uninstrument()


def _configure_sdk() -> None:
    """Configure the OpenTelemetry SDK from the environment, if nothing has configured it.

    `opentelemetry-instrument` leaves that to a configurator, and only opentelemetry-distro has one.
    Registering another would replace that of an installed distro.
    """
    exporters = [name for name in EXPORTERS if os.environ.get(name, "none").lower() != "none"]
    if exporters and not is_real(trace.get_tracer_provider()):
        # What every distro's configurator subclasses.
        from opentelemetry.sdk._configuration import _OTelSDKConfigurator

        configurator: Any = _OTelSDKConfigurator
        configurator().configure()
