"""The metrics and units people write in their own prices.

Input: `input_tokens`, `audio_minutes`, `1M`, `1,000`, `minute`. Output: a metric of the ledger and
how many of its units one price is for. Time is counted in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from spantoll.pricing.metrics import METRIC_UNITS, qualified, split_metric

__all__ = ["MetricName", "parse_metric", "parse_per", "parse_unit", "write_unit"]


class MetricName(NamedTuple):
    """A metric of the ledger, and the unit that its written name already gives."""

    metric: str
    unit: int | None = None
    """Milliseconds in `audio_minutes`, 1 in `images`; None where the unit must be said."""


_TOKENS = "1M, 1k or 1"
_TIMES = MappingProxyType({"second": 1_000, "minute": 60_000, "hour": 3_600_000})
_COUNTS = MappingProxyType(
    {"1": 1, "1k": 1_000, "10k": 10_000, "1m": 1_000_000, "thousand": 1_000, "million": 1_000_000}
)
_THINGS = frozenset({"token", "image", "request", "character", "page", "search", "message", "unit"})

WRITTEN: Mapping[str, str] = MappingProxyType(
    {
        "input_tokens": "input",
        "prompt_tokens": "input",
        "output_tokens": "output",
        "completion_tokens": "output",
        "cached_tokens": "cache_read",
        "cached_input_tokens": "cache_read",
        "cache_read_tokens": "cache_read",
        "cache_read_input_tokens": "cache_read",
        "cache_write_tokens": "cache_write",
        "cache_creation_input_tokens": "cache_write",
        "reasoning_tokens": "reasoning",
        "input_audio_tokens": "input_audio",
        "output_audio_tokens": "output_audio",
        "input_image_tokens": "input_image",
        "output_image_tokens": "output_image",
        "image": "images",
        "number_of_images": "images",
        "page": "pages",
        "request": "requests",
        "character": "characters",
    }
)
"""Names of metrics in other systems' price tables (and seed rows `vendor_pricing`) -> ours."""


def parse_metric(text: str) -> MetricName:
    """Read the name of a metric. Raises ValueError naming those there are."""
    name, qualities = split_metric(text.strip().lower())
    unit: int | None = None
    stem, _, last = name.rpartition("_")
    time = _TIMES.get(last.removesuffix("s"))
    if stem in {"audio", "video", "session", "input_audio"} and time is not None:
        name, unit = f"{stem}_ms", time
    name = WRITTEN.get(name, name)
    if name not in METRIC_UNITS:
        name = name.removesuffix("_tokens")
    if name not in METRIC_UNITS:
        raise ValueError(f"unknown metric {text!r}; one of {', '.join(METRIC_UNITS)}")
    pairs = dict(quality.partition("=")[::2] for quality in qualities)
    if unknown := pairs.keys() - {"size", "quality", "search"}:
        raise ValueError(
            f"unknown quality {min(unknown)!r} of {name}; one of size, quality, search"
        )
    metric = qualified(
        name, size=pairs.get("size"), quality=pairs.get("quality"), search=pairs.get("search")
    )
    if unit is None and 1 in METRIC_UNITS[name] and name != "characters":
        unit = 1
    return MetricName(metric, unit)


def parse_unit(text: str, metric: str) -> int:
    """Read for how many of a metric's units a price is: `1M`, `1,000`, `minute`, `image`.

    Raises ValueError for a unit the metric is not counted in.
    """
    word = text.strip().lower().replace(",", "").replace("_", "").removeprefix("per ")
    name = split_metric(metric)[0]
    if name.endswith("_ms"):
        time = _TIMES.get(word.removesuffix("s"))
        if time is None:
            raise ValueError(f"{name} is priced per second, minute or hour, not per {text}")
        return time
    if word in _COUNTS:
        return _COUNTS[word]
    if word.isdecimal() and 0 < int(word) <= 1_000_000_000:
        return int(word)
    if word.removesuffix("s") in _THINGS:
        return 1
    raise ValueError(f"unknown unit {text!r} for {name}: {_TOKENS}, image, request, minute ...")


def parse_per(text: str | int, name: MetricName) -> int:
    """Read the column `per`, in which a time may also stand as its milliseconds.

    `audio_minutes` per 1 is per minute. Raises ValueError.
    """
    written = str(text).strip()
    if not written:
        if name.unit is None:
            raise ValueError(f"{name.metric}: say what the amount is for, per {_TOKENS}")
        return name.unit
    if split_metric(name.metric)[0].endswith("_ms") and written.isdecimal():
        time = int(written) * (name.unit or 1)
        if not 0 < time <= 3_600_000_000:
            raise ValueError(f"{name.metric} is not priced per {written}")
        return time
    return parse_unit(written, name.metric)


def write_unit(per: int, metric: str) -> str:
    """Write the unit of a price as `parse_unit` reads it."""
    if split_metric(metric)[0].endswith("_ms"):
        return next((word for word, time in _TIMES.items() if time == per), str(per))
    return {1: "1", 1_000: "1k", 1_000_000: "1M"}.get(per, str(per))
