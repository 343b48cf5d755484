"""The GenAI client metrics of one call, under today's names and, where opted in, the newer ones.

Input: the attributes of a call's request and answer, and its times. Output: histograms and counters
with the names, units and buckets of the GenAI convention: up to 1.41 (gen-ai-metrics.md), which
dashboards read, and `gen_ai.client.inference.*` (gen-ai-token-metrics.md) by
OTEL_SEMCONV_STABILITY_OPT_IN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from opentelemetry.metrics import Counter, Histogram, Meter

from spantoll.instrumentation.call_events import INFERENCE
from spantoll.semconv import attributes as keys

__all__ = ["Instruments", "Timing", "make_instruments"]

SECONDS = tuple(0.01 * 2**n for n in range(14))
TOKENS = tuple(4**n for n in range(14))
"""Bucket bounds the GenAI convention gives for durations and token counts."""

DIMENSIONS = (
    keys.OPERATION_NAME,
    keys.PROVIDER_NAME,
    keys.REQUEST_MODEL,
    keys.SERVER_ADDRESS,
    keys.SERVER_PORT,
)
TOKEN_TYPES = {keys.USAGE_INPUT_TOKENS: "input", keys.USAGE_OUTPUT_TOKENS: "output"}
TOKEN_PARTS = (keys.USAGE_CACHE_READ, keys.USAGE_CACHE_WRITE, keys.USAGE_REASONING)
MODALITIES = ("text", "image", "audio")

Dimensions = dict[str, Any]


class Timing(NamedTuple):
    """The times of one call, in seconds."""

    duration_s: float
    first_chunk_s: float | None
    chunk_gaps_s: Sequence[float]
    """Between each chunk of the stream and the one before."""


class MetricSet(Protocol):
    """The metrics of one version of the convention."""

    def record(self, answer: Mapping[str, Any], dimensions: Dimensions, timing: Timing) -> None:
        """Record one call."""
        ...


class Instruments(NamedTuple):
    """The metric sets that are switched on."""

    sets: tuple[MetricSet, ...]

    def record(self, request: Mapping[str, Any], answer: Mapping[str, Any], timing: Timing) -> None:
        """Record one call by the attributes of its request and of its answer."""
        dimensions = {key: request[key] for key in DIMENSIONS if key in request}
        for key in (keys.RESPONSE_MODEL, keys.ERROR_TYPE):
            if key in answer:
                dimensions[key] = answer[key]
        for metrics in self.sets:
            metrics.record(answer, dimensions, timing)


def make_instruments(meter: Meter, *, today: bool, latest: bool) -> Instruments:
    """Make the instruments of today's names, of the newer ones, or both."""
    todays: tuple[MetricSet, ...] = (TodayMetrics(meter),) if today else ()
    return Instruments((*todays, LatestMetrics(meter)) if latest else todays)


class TodayMetrics:
    """Names up to convention 1.41: `gen_ai.client.token.usage` and `gen_ai.client.operation.*`."""

    def __init__(self, meter: Meter) -> None:
        operation = "gen_ai.client.operation."
        self._duration = _seconds(meter, operation + "duration", "Duration of a GenAI call.")
        self._streams = _Streams(meter, operation)
        self._tokens = _tokens(meter, "gen_ai.client.token.usage", "Tokens of a GenAI call.")

    def record(self, answer: Mapping[str, Any], dimensions: Dimensions, timing: Timing) -> None:
        """Record one call."""
        self._duration.record(timing.duration_s, dimensions)
        self._streams.record(dimensions, timing)
        for key, kind in TOKEN_TYPES.items():
            if key in answer:
                self._tokens.record(answer[key], {**dimensions, "gen_ai.token.type": kind})


class LatestMetrics:
    """Names of the convention's own repository: `gen_ai.client.inference.*`, `.embeddings.*`."""

    def __init__(self, meter: Meter) -> None:
        inference, embeddings = "gen_ai.client.inference.", "gen_ai.client.embeddings."
        self._inference = _seconds(meter, inference + "duration", "Duration of an inference call.")
        self._embeddings = _seconds(
            meter, embeddings + "duration", "Duration of an embeddings call."
        )
        self._other = _seconds(
            meter, "gen_ai.client.operation.duration", "Duration of a GenAI call."
        )
        self._streams = _Streams(meter, inference)
        self._embedded = _tokens(
            meter, embeddings + "operation.input_tokens", "Input tokens of an embeddings call."
        )
        self._per_call = {
            key: _tokens(
                meter,
                f"{inference}operation.{kind}_tokens",
                f"{kind.title()} tokens of an inference call.",
            )
            for key, kind in TOKEN_TYPES.items()
        }
        self._billable: dict[str, Counter] = {
            key: meter.create_counter(
                key.replace("gen_ai.", inference, 1),
                unit="{token}",
                description="Billable tokens of inference calls.",
            )
            for key in (*TOKEN_TYPES, *TOKEN_PARTS)
        }

    def record(self, answer: Mapping[str, Any], dimensions: Dimensions, timing: Timing) -> None:
        """Record one call."""
        operation = dimensions[keys.OPERATION_NAME]
        if operation == "embeddings":
            self._embeddings.record(timing.duration_s, dimensions)
            if keys.USAGE_INPUT_TOKENS in answer:
                self._embedded.record(answer[keys.USAGE_INPUT_TOKENS], dimensions)
        elif operation in INFERENCE:
            self._inference.record(timing.duration_s, dimensions)
            self._streams.record(dimensions, timing)
            for key, histogram in self._per_call.items():
                if key in answer:
                    histogram.record(answer[key], dimensions)
            self._count(answer, dimensions)
        else:
            self._other.record(timing.duration_s, dimensions)

    def _count(self, answer: Mapping[str, Any], dimensions: Dimensions) -> None:
        for key, counter in self._billable.items():
            total = answer.get(key)
            if total is None:
                if keys.SPANTOLL_USAGE_STATUS in answer and key in TOKEN_TYPES:
                    # "record 0 / unknown when no usage was received" (gen-ai-token-metrics.md).
                    counter.add(0, {**dimensions, "gen_ai.token.modality": "unknown"})
                continue
            rest = total
            family, _, kind = key.removeprefix("gen_ai.usage.").rpartition(".")
            for modality in MODALITIES:
                part = answer.get(f"gen_ai.usage.{modality}.{f'{family}.' if family else ''}{kind}")
                if part:
                    counter.add(part, {**dimensions, "gen_ai.token.modality": modality})
                    rest -= part
            if rest > 0 or total == 0:
                counter.add(rest, {**dimensions, "gen_ai.token.modality": "unknown"})


class _Streams:
    """When the chunks of a stream came."""

    def __init__(self, meter: Meter, prefix: str) -> None:
        self._first = _seconds(
            meter, prefix + "time_to_first_chunk", "Time until the first chunk came."
        )
        self._next = _seconds(
            meter, prefix + "time_per_output_chunk", "Time from one chunk to the next."
        )

    def record(self, dimensions: Dimensions, timing: Timing) -> None:
        if timing.first_chunk_s is not None:
            self._first.record(timing.first_chunk_s, dimensions)
        for gap_s in timing.chunk_gaps_s:
            self._next.record(gap_s, dimensions)


def _seconds(meter: Meter, name: str, what: str) -> Histogram:
    return meter.create_histogram(
        name, unit="s", description=what, explicit_bucket_boundaries_advisory=SECONDS
    )


def _tokens(meter: Meter, name: str, what: str) -> Histogram:
    return meter.create_histogram(
        name, unit="{token}", description=what, explicit_bucket_boundaries_advisory=TOKENS
    )
