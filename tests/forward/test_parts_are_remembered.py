"""A request that was divided for a target and taken in part: the rest is not lost or repeated."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.forward.conftest import (
    NEVER,
    SOON,
    Make,
    Sinks,
    arrived,
    counts,
    forward,
    free_port,
    http_sink,
    request,
    wait_until,
)

LIMIT_BYTES = 500


def take_two_parts(sink: Any) -> None:
    """Let the target take two parts and answer all others with 503."""
    sink.answers = [None, None, *[503] * NEVER]


def test_the_rest_is_sent_after_the_next_start(make: Make, sinks: Sinks, tmp_path: Path) -> None:
    sink = sinks("http")
    take_two_parts(sink)
    first = make(sink.url, limit_bytes=LIMIT_BYTES, queue=tmp_path)
    forward(first, request(10))
    wait_until(lambda: counts(first).retried)
    taken = arrived(sink)

    first.close(budget_s=5)
    sink.answers = []
    second = make(sink.url, limit_bytes=LIMIT_BYTES, queue=tmp_path)
    wait_until(lambda: counts(second).forwarded)

    assert 0 < len(taken) < 10
    assert arrived(sink) == list(range(1, 11))
    assert (counts(first).dropped, counts(first).dropped_spans) == (0, 0)
    assert counts(first).forwarded_spans + counts(second).forwarded_spans == 10
    assert (counts(second).waiting, counts(second).queue_bytes) == (0, 0)


def test_the_rest_of_a_request_in_memory_is_counted_at_the_end(
    make: Make, sinks: Sinks, caplog: pytest.LogCaptureFixture
) -> None:
    sink = sinks("http")
    take_two_parts(sink)
    forwarder = make(sink.url, limit_bytes=LIMIT_BYTES)
    forward(forwarder, request(10))
    wait_until(lambda: counts(forwarder).retried)

    with caplog.at_level(logging.WARNING):
        forwarder.close(budget_s=0)

    taken = len(arrived(sink))
    assert (counts(forwarder).dropped, counts(forwarder).waiting) == (1, 0)
    assert (counts(forwarder).forwarded_spans, counts(forwarder).dropped_spans) == (
        taken,
        10 - taken,
    )
    assert f"1 requests with {10 - taken} spans are left unsent" in caplog.text


def test_the_rest_of_a_request_in_memory_is_counted_when_it_is_given_up(
    make: Make, sinks: Sinks
) -> None:
    sink = sinks("http")
    take_two_parts(sink)
    forwarder = make(sink.url, limit_bytes=LIMIT_BYTES, retry=SOON._replace(give_up_s=0.2))

    forward(forwarder, request(10))
    wait_until(lambda: counts(forwarder).dropped)

    taken = len(arrived(sink))
    assert 0 < taken < 10
    assert counts(forwarder).dropped_spans == 10 - taken
    assert counts(forwarder).queue_bytes == 0


def test_a_request_on_disk_is_not_given_up(make: Make, sinks: Sinks, tmp_path: Path) -> None:
    sink = sinks("http")
    take_two_parts(sink)
    forwarder = make(
        sink.url, limit_bytes=LIMIT_BYTES, queue=tmp_path, retry=SOON._replace(give_up_s=0)
    )

    forward(forwarder, request(10))
    wait_until(lambda: counts(forwarder).retried > 5)
    sink.answers = []
    wait_until(lambda: counts(forwarder).forwarded)

    assert arrived(sink) == list(range(1, 11))
    assert counts(forwarder).dropped == 0


def test_a_part_that_is_refused_is_counted_and_keeps_no_other_back(
    make: Make, sinks: Sinks, tmp_path: Path
) -> None:
    sink = sinks("http")
    sink.answers = [None, 400]
    forwarder = make(sink.url, limit_bytes=LIMIT_BYTES, queue=tmp_path)

    forward(forwarder, request(10))
    wait_until(lambda: counts(forwarder).waiting == 0 and counts(forwarder).dropped)

    taken = len(arrived(sink))
    assert (counts(forwarder).forwarded, counts(forwarder).dropped) == (0, 1)
    assert (counts(forwarder).forwarded_spans, counts(forwarder).dropped_spans) == (
        taken,
        10 - taken,
    )


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_rest_is_sent_after_a_process_that_ended(
    up: Callable[..., Any], tmp_path: Path, end: signal.Signals
) -> None:
    port = free_port()
    flags = ("--forward", f"http://127.0.0.1:{port}", "--forward-queue", str(tmp_path / "queue"))
    sink = http_sink(port)
    take_two_parts(sink)
    receiver = up(*flags)
    # More than 8 MiB: three parts of at most 4 MiB.
    assert receiver.send(request(900, name="x" * 10_000)) == 200
    wait_until(lambda: sink.attempts > 2)
    taken = arrived(sink)
    receiver.process.send_signal(end)
    log = receiver.process.communicate(timeout=30)[1]

    sink.answers = []
    up(*flags)
    wait_until(lambda: len(arrived(sink)) >= 900)
    sink.stop()

    assert 0 < len(taken) < 900
    assert arrived(sink) == list(range(1, 901))
    assert "unsent" not in log
