"""The GenAI client metrics of one call.

Input: the attributes of a call's request and answer. Output: histograms and counters with the
names, units and buckets of the GenAI convention (gen-ai-metrics.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spantoll.instrumentation.call_events import INFERENCE
from spantoll.semconv import attributes as keys

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter

__all__ = ["Instruments"]

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
MODALITIES = ("text", "image", "audio")


class Instruments:
    """The GenAI client metrics of the convention."""

    __slots__ = ("_counters", "_durations", "_first_chunk", "_histograms", "_other")

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, what: str) -> Histogram:
            return meter.create_histogram(
                name, unit="s", description=what, explicit_bucket_boundaries_advisory=SECONDS
            )

        def tokens(name: str, what: str) -> Histogram:
            return meter.create_histogram(
                name, unit="{token}", description=what, explicit_bucket_boundaries_advisory=TOKENS
            )

        self._durations = {
            True: seconds("gen_ai.client.inference.duration", "Duration of an inference call."),
            False: seconds("gen_ai.client.embeddings.duration", "Duration of an embeddings call."),
        }
        self._other = seconds("gen_ai.client.operation.duration", "Duration of a GenAI call.")
        self._first_chunk = seconds(
            "gen_ai.client.inference.time_to_first_chunk", "Time until the first chunk came."
        )
        inference = "gen_ai.client.inference.operation."
        self._histograms: dict[tuple[bool, str], Histogram] = {
            (True, keys.USAGE_INPUT_TOKENS): tokens(
                inference + "input_tokens", "Input tokens of an inference call."
            ),
            (True, keys.USAGE_OUTPUT_TOKENS): tokens(
                inference + "output_tokens", "Output tokens of an inference call."
            ),
            (False, keys.USAGE_INPUT_TOKENS): tokens(
                "gen_ai.client.embeddings.operation.input_tokens",
                "Input tokens of an embeddings call.",
            ),
        }
        self._counters: dict[str, Counter] = {
            key: meter.create_counter(
                key.replace("gen_ai.", "gen_ai.client.inference.", 1),
                unit="{token}",
                description="Billable tokens of inference calls.",
            )
            for key in (
                keys.USAGE_INPUT_TOKENS,
                keys.USAGE_OUTPUT_TOKENS,
                keys.USAGE_CACHE_READ,
                keys.USAGE_CACHE_WRITE,
                keys.USAGE_REASONING,
            )
        }

    def record(
        self,
        request: Mapping[str, Any],
        answer: Mapping[str, Any],
        duration_s: float,
        first_chunk_s: float | None,
    ) -> None:
        """Record one call by the attributes of its request and of its answer."""
        dimensions = {key: request[key] for key in DIMENSIONS if key in request}
        for key in (keys.RESPONSE_MODEL, keys.ERROR_TYPE):
            if key in answer:
                dimensions[key] = answer[key]
        operation = request[keys.OPERATION_NAME]
        inference = operation in INFERENCE
        if not inference and operation != "embeddings":
            self._other.record(duration_s, dimensions)
            return
        self._durations[inference].record(duration_s, dimensions)
        if first_chunk_s is not None and inference:
            self._first_chunk.record(first_chunk_s, dimensions)
        for (for_inference, key), histogram in self._histograms.items():
            if for_inference is inference and key in answer:
                histogram.record(answer[key], dimensions)
        if inference:
            self._count(answer, dimensions)

    def _count(self, answer: Mapping[str, Any], dimensions: dict[str, Any]) -> None:
        for key, counter in self._counters.items():
            total = answer.get(key)
            if total is None:
                if keys.SPANTOLL_USAGE_STATUS in answer and key in (
                    keys.USAGE_INPUT_TOKENS,
                    keys.USAGE_OUTPUT_TOKENS,
                ):
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
