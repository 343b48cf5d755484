from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from spantoll import instrumentation

__all__ = ["SpantollInstrumentor"]


class SpantollInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # no stubs
    """What `opentelemetry-instrument` loads: all providers at once."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Name no SDK: each is looked for on its own, and missing ones cost nothing."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        instrumentation.instrument()

    def _uninstrument(self, **kwargs: Any) -> None:
        instrumentation.uninstrument()
