"""Every file of `examples/collector` runs unchanged and does what its first comment says."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.conftest import EXAMPLES, Collector, Jaeger, SpanToll, calls, wait_until
from tests.receiver.conftest import COST_NANO

Collect = Callable[..., Collector]
Ledger = Callable[..., SpanToll]

TESTED = {
    "bearer-token.yaml",
    "batching.yaml",
    "cost-before-sampling.yaml",
    "fan-out-grpc.yaml",
    "fan-out-http.yaml",
    "persistent-queue.yaml",
}


def test_every_shipped_file_is_tested_here() -> None:
    assert {path.name for path in (EXAMPLES / "collector").iterdir()} == TESTED


@pytest.mark.parametrize("file", ["fan-out-grpc.yaml", "fan-out-http.yaml"])
def test_the_collector_feeds_spantoll_and_jaeger(
    collector: Collect, spantoll: Ledger, jaeger: Jaeger, file: str
) -> None:
    ledger = spantoll()
    gateway = collector(
        file,
        SPANTOLL_GRPC=ledger.grpc,
        SPANTOLL_HTTP=ledger.http,
        JAEGER_GRPC=jaeger.grpc,
        JAEGER_HTTP=jaeger.http,
    )
    spans = calls(range(200))

    gateway.send(*spans)
    wait_until(lambda: ledger.count() == 200, "200 records")
    traces = {span.trace_id for span in spans}
    wait_until(lambda: all(len(jaeger.spans(trace)) == 8 for trace in traces), "25 traces")

    assert ledger.span_ids() == sorted(span.span_id for span in spans)
    assert ledger.select("sum(cost_nano)") == [(200 * COST_NANO,)]


def test_a_token_is_sent_over_both_transports(
    collector: Collect, spantoll: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "tokens").write_text("token-of-the-shop")
    ledger = spantoll("--token-file", str(tmp_path / "tokens"))
    where = {"SPANTOLL_GRPC": ledger.grpc, "SPANTOLL_HTTP": ledger.http}
    gateway = collector("bearer-token.yaml", SPANTOLL_TOKEN="token-of-the-shop", **where)
    spans = calls(range(20))

    gateway.send(*spans)
    wait_until(lambda: ledger.count() == 20, "20 records")
    gateway.end(signal.SIGTERM)

    assert "Unauthenticated" not in gateway.read_log()
    assert "401" not in gateway.read_log()
    assert ledger.span_ids() == sorted(span.span_id for span in spans)


def test_the_persistent_queue_keeps_what_spantoll_has_not_acknowledged(
    collector: Collect, spantoll: Ledger, jaeger: Jaeger
) -> None:
    ledger = spantoll(stopped=True)
    gateway = collector("persistent-queue.yaml", SPANTOLL_GRPC=ledger.grpc, JAEGER_GRPC=jaeger.grpc)

    for kill in range(3):
        gateway.send(*calls(range(kill * 100, (kill + 1) * 100)))
        gateway.end(signal.SIGKILL)
        gateway.start()
    ledger.start()
    wait_until(lambda: ledger.count() == 300, "300 records")

    assert ledger.select("sum(cost_nano)") == [(300 * COST_NANO,)]


def test_batching_loses_nothing_that_it_acknowledged(collector: Collect, spantoll: Ledger) -> None:
    ledger = spantoll(stopped=True)
    gateway = collector("batching.yaml", SPANTOLL_GRPC=ledger.grpc)

    for number in range(100):
        gateway.send(*calls(range(number, number + 1)))
    gateway.end(signal.SIGKILL)
    gateway.start()
    ledger.start()
    wait_until(lambda: ledger.count() == 100, "100 records")

    assert ledger.select("sum(cost_nano)") == [(100 * COST_NANO,)]


def test_cost_is_complete_although_traces_are_sampled(
    collector: Collect, spantoll: Ledger, jaeger: Jaeger
) -> None:
    ledger = spantoll()
    gateway = collector(
        "cost-before-sampling.yaml", SPANTOLL_GRPC=ledger.grpc, JAEGER_GRPC=jaeger.grpc
    )
    spans = calls(range(1_600))
    traces = {span.trace_id for span in spans}

    gateway.send(*spans)
    wait_until(lambda: ledger.count() == 1_600, "1,600 records")
    wait_until(lambda: any(map(jaeger.has, traces)), "the first traces")
    gateway.end(signal.SIGTERM)

    # 200 traces at one in ten: the ids are the same in every run, so is the sample.
    assert 5 <= sum(map(jaeger.has, traces)) <= 40
