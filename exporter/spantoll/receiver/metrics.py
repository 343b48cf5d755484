"""The metrics of the receiver for Prometheus: counts of work, never of money.

A corrected price would have to lower a counter of dollars, and a counter may not fall; the ledger
is asked what things cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from spantoll.pipeline import GroupCommit
    from spantoll.pipeline.retention_keeper import RetentionCounts
    from spantoll.pricing import PriceSet
    from spantoll.query.cache import CacheCounts
    from spantoll.receiver.intake import Intake
    from spantoll.receiver.workers import Workers

__all__ = ["Metrics"]

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 4.0)
"""To the longest time a request may take."""

FORWARDED = {
    "forwarded": ("requests", "Requests that the target took."),
    "forwarded_spans": ("spans", "Spans that the target took."),
    "dropped": ("dropped_requests", "Requests that the target did not get, or not all of them."),
    "dropped_spans": ("dropped_spans", "Spans that the target did not get."),
    "refused": ("refused_requests", "Requests not acknowledged: the queue could not store them."),
    "retried": ("retries", "Attempts that were repeated."),
    "rejected_spans": ("rejected_spans", "Spans that the target did not take of a request."),
    "looped": ("looped_requests", "Requests that came from ourselves and stopped here."),
}
"""What a forwarder counts -> name behind `spantoll_forward_`, and what it means."""
WAITING = {
    "waiting": ("queue_requests", "Requests that wait for the target."),
    "queue_bytes": ("queue_bytes", "Their size."),
    "memory_requests": ("queue_memory_requests", "Those that end with the process."),
    "paused": ("queue_paused", "1 while the queue's disk cannot be written."),
}


class Metrics:
    """A registry of its own: an application that embeds a receiver has one already."""

    def __init__(
        self,
        intake: Intake,
        commit: GroupCommit,
        prices: PriceSet,
        workers: Workers | None = None,
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_ReceiverCollector(intake, commit, prices))
        if workers is not None:
            self._registry.register(_WorkersCollector(workers))
        ProcessCollector(registry=self._registry)
        seconds = Histogram(
            "spantoll_ingest_duration_seconds",
            "From a request's body being there to its answer.",
            registry=self._registry,
            buckets=BUCKETS_S,
        )
        intake.timed = seconds.observe

    def add_cache(self, read: Callable[[], CacheCounts]) -> None:
        """Report what a cache of answers did; `read` returns its counts so far."""
        self._registry.register(_CacheCollector(read))

    def add_retention(self, read: Callable[[], RetentionCounts]) -> None:
        """Report what the daily deletion did; `read` returns its counts so far."""
        self._registry.register(_RetentionCollector(read))

    def render(self, accept: str) -> tuple[bytes, str]:
        """Write everything in the format that is asked for; answers with its media type too."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type


class _ReceiverCollector(Collector):
    def __init__(self, intake: Intake, commit: GroupCommit, prices: PriceSet) -> None:
        self._intake = intake
        self._commit = commit
        self._prices = prices

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names of metrics are known when they are collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the counters that the receiver keeps anyway."""
        yield _counter(
            "spantoll_ingest_requests",
            "OTLP requests by how they were answered.",
            "code",
            {verdict.name.lower(): count for verdict, count in self._intake.answers.items()},
        )
        yield _counter(
            "spantoll_ingest_spans",
            "Spans and log records by what became of them.",
            "result",
            self._spans(),
        )
        yield _counter(
            "spantoll_records_unpriced",
            "Model calls that came without a known price.",
            "provider",
            {provider or "unknown": n for provider, n in self._intake.unpriced.items()},
        )
        yield CounterMetricFamily(
            "spantoll_records_corrected",
            "Records that later spans corrected.",
            value=self._commit.committed.corrected,
        )
        yield from self._gauges()
        yield InfoMetricFamily("spantoll_build", "This version.", value={"version": _version()})
        yield from self._forwarding()

    def _spans(self) -> dict[str, int]:
        spans, committed = self._intake.spans, self._commit.committed
        return {
            "stored": committed.inserted,
            "duplicate": committed.duplicates,
            "not_genai": spans["skipped"],
            "rejected": spans["rejected"],
        }

    def _forwarding(self) -> Iterator[Metric]:
        by_target = self._intake.forwarding()
        for fields, family in ((FORWARDED, CounterMetricFamily), (WAITING, GaugeMetricFamily)):
            for field, (name, text) in fields.items():
                metric = family(f"spantoll_forward_{name}", text, labels=["target"])
                for target, counts in by_target.items():
                    number = getattr(counts, field)
                    metric.add_metric([target], bool(number) if field == "paused" else number)
                if by_target:
                    yield metric

    def _gauges(self) -> Iterator[Metric]:
        for name, text, value in (
            (
                "spantoll_ingest_inflight_bytes",
                "Of requests under way.",
                self._intake.admission.taken_bytes,
            ),
            ("spantoll_writer_queue_requests", "That wait for the database.", self._commit.waiting),
            (
                "spantoll_ingest_lag_seconds",
                "How long the oldest of them has waited.",
                self._commit.stalled_s(),
            ),
            ("spantoll_writer_up", "1 while the writer works.", int(self._commit.alive)),
            (
                "spantoll_price_catalog_age_seconds",
                "Since the newest price of the catalogue.",
                time.time() - _midnight(self._prices.as_of),
            ),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        stored_at = self._intake.stored_at
        if stored_at is not None:
            yield GaugeMetricFamily(
                "spantoll_last_record_timestamp_seconds",
                "When the last record was committed.",
                value=stored_at,
            )


class _WorkersCollector(Collector):
    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names of metrics are known when they are collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read how the worker processes are and what they were given."""
        yield GaugeMetricFamily(
            "spantoll_workers_up",
            "Worker processes that take requests.",
            value=len(self._workers.pids()),
        )
        yield CounterMetricFamily(
            "spantoll_workers_replaced",
            "Worker processes that ended and were started again.",
            value=self._workers.replaced,
        )
        yield _counter(
            "spantoll_worker_requests",
            "Requests that were given to each worker process.",
            "worker",
            {str(number): count for number, count in sorted(self._workers.requests.items())},
        )


class _CacheCollector(Collector):
    def __init__(self, read: Callable[[], CacheCounts]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names of metrics are known when they are collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the counts; the hit rate is `hit` by the sum of `hit` and `miss`."""
        counts = self._read()
        yield _counter(
            "spantoll_answer_cache_requests",
            "Questions that may be answered from the cache, by whether they were.",
            "result",
            {"hit": counts.hits, "miss": counts.misses},
        )
        yield CounterMetricFamily(
            "spantoll_answer_cache_failures",
            "Misses because the cache could not be reached.",
            value=counts.failures,
        )


class _RetentionCollector(Collector):
    def __init__(self, read: Callable[[], RetentionCounts]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names of metrics are known when they are collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the counts."""
        counts = self._read()
        yield CounterMetricFamily(
            "spantoll_retention_deleted_records",
            "Records that the setting `retention` has deleted.",
            value=counts.deleted,
        )
        yield GaugeMetricFamily(
            "spantoll_retention_deleted_before_timestamp_seconds",
            "Records that started before are deleted; 0 for none.",
            value=counts.deleted_before_ns // 10**9,
        )


def _counter(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def _midnight(day: str) -> float:
    return (date.fromisoformat(day[:10]) - date(1970, 1, 1)).total_seconds()


def _version() -> str:
    try:
        return version("spantoll")
    except PackageNotFoundError:
        return "unknown"
