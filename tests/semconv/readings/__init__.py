"""One table per dialect: spans, shaped as its emitters write them, and the usage they report."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from tests.semconv.spans import Reading

__all__ = ["all_readings", "readings_by_dialect"]


def readings_by_dialect() -> dict[str, dict[str, Reading]]:
    names = [module.name for module in iter_modules(__path__)]
    return {name: import_module(f"{__name__}.{name}").READINGS for name in names}


def all_readings() -> dict[str, Reading]:
    return {
        f"{dialect}: {case}": reading
        for dialect, readings in readings_by_dialect().items()
        for case, reading in readings.items()
    }
