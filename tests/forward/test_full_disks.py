"""A queue disk that fills up and is freed: a small file system of its own, full in earnest."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spantoll.errors import StoreUnavailable
from spantoll.forward import Forwarder
from tests.forward.conftest import (
    NEVER,
    Disk,
    Make,
    Sinks,
    arrived,
    counts,
    forward,
    request,
    wait_until,
)
from tests.forward.test_counts import doctor
from tests.forward.test_receiver_forwards import chat, plain, read
from tests.forward.test_receiver_forwards import request as otlp_request

LARGE_NAME = "x" * 300_000
"""Of a request that needs more than the queue frees by replacing its file, and fits a free disk."""


def test_a_full_disk_pauses_the_queue_until_it_is_freed(
    make: Make, sinks: Sinks, disk: Disk
) -> None:
    sink = sinks("http")
    sink.answers = [503] * NEVER
    forwarder = make(sink.url, queue=disk.queue)
    forward(forwarder, request(1))
    wait_until(lambda: sink.attempts)

    disk.fill()
    for _ in range(20):
        forward(forwarder, request(3, name="x" * 2_000))
    wait_until(lambda: counts(forwarder).paused)
    full = counts(forwarder)
    disk.free()
    # Half of the buffer is tried first, after a failure.
    wait_until(lambda: counts(forwarder).memory_requests == 0)
    freed = counts(forwarder)
    sink.answers = []
    wait_until(lambda: counts(forwarder).waiting == 0)

    assert "full" in full.paused
    assert (full.waiting, full.dropped) == (21, 0)
    assert 0 < full.memory_requests <= 20
    assert (freed.waiting, freed.paused) == (21, "")
    assert len(arrived(sink)) == 61
    assert (counts(forwarder).dropped, counts(forwarder).queue_bytes) == (0, 0)


def test_a_disk_full_of_the_queue_itself_is_freed_when_the_target_returns(
    make: Make, sinks: Sinks, disk: Disk
) -> None:
    sink = sinks("http")
    sink.answers = [503] * NEVER * 10
    forwarder = make(sink.url, queue=disk.queue)

    for _ in range(300):
        forward(forwarder, request(3, name="x" * 2_000))
    wait_until(lambda: counts(forwarder).paused)
    sink.answers = []
    wait_until(lambda: counts(forwarder).waiting == 0)
    wait_until(lambda: not counts(forwarder).paused)

    assert len(arrived(sink)) == 900
    assert (counts(forwarder).forwarded_spans, counts(forwarder).dropped) == (900, 0)
    assert counts(forwarder).queue_bytes == 0


def has_forwarded(forwarder: Forwarder, requests: int) -> bool:
    return bool(counts(forwarder).forwarded == requests)


def test_a_disk_full_of_the_log_of_an_empty_queue_is_freed(
    make: Make, sinks: Sinks, disk: Disk
) -> None:
    sink = sinks("http")
    forwarder = make(sink.url, queue=disk.queue)
    for number in range(1, 51):
        forward(forwarder, request(3, name="x" * 2_000))
        wait_until(functools.partial(has_forwarded, forwarder, number))
    wait_until(lambda: counts(forwarder).waiting == 0)

    # Every request is sent and deleted; what is left of the disk is gone for good.
    disk.fill()
    forward(forwarder, request(3, name="x" * 2_000))
    wait_until(functools.partial(has_forwarded, forwarder, 51), patience_s=20)
    wait_until(lambda: not counts(forwarder).paused)

    assert len(arrived(sink)) == 153
    assert (counts(forwarder).dropped, counts(forwarder).queue_bytes) == (0, 0)


def test_requests_on_disk_are_sent_once_while_they_cannot_be_deleted(
    make: Make, sinks: Sinks, disk: Disk
) -> None:
    sink = sinks("http")
    sink.answers = [503] * NEVER
    first = make(sink.url, queue=disk.queue)
    for _ in range(10):
        forward(first, request(5))
    wait_until(lambda: counts(first).memory_requests == 0)

    disk.fill()
    sink.answers = []
    wait_until(lambda: counts(first).waiting == 0)
    disk.free()
    first.close(budget_s=5)
    second = make(sink.url, queue=disk.queue)

    assert len(arrived(sink)) == 50
    assert counts(second).waiting == 0


def test_what_finds_room_nowhere_is_dropped_and_counted_in_spans(
    make: Make, sinks: Sinks, disk: Disk
) -> None:
    sink = sinks("http")
    sink.answers = [503] * NEVER
    forwarder = make(sink.url, queue=disk.queue, queue_bytes=len(request(3)))
    disk.fill()

    for _ in range(5):
        forward(forwarder, request(3))
    wait_until(lambda: counts(forwarder).paused)
    full = counts(forwarder)
    disk.free()
    sink.answers = []
    wait_until(lambda: counts(forwarder).waiting == 0)

    assert full.dropped_spans == 3 * full.dropped > 0
    assert len(arrived(sink)) + counts(forwarder).dropped_spans == 15


def test_a_durable_queue_refuses_what_it_cannot_store(make: Make, sinks: Sinks, disk: Disk) -> None:
    sink = sinks("http")
    forwarder = make(sink.url, queue=disk.queue, durable=True)
    [stored] = forward(forwarder, request(1))
    stored.result(timeout=20)
    disk.fill()

    [failed] = forward(forwarder, request(2, name=LARGE_NAME))
    with pytest.raises(StoreUnavailable, match="full"):
        failed.result(timeout=20)
    [refused] = forward(forwarder, request(3))
    with pytest.raises(StoreUnavailable, match="full"):
        refused.result(timeout=20)
    disk.free()
    wait_until(lambda: not counts(forwarder).paused)
    [again] = forward(forwarder, request(3))
    again.result(timeout=20)

    assert (counts(forwarder).refused, counts(forwarder).dropped) == (2, 0)


def test_a_durable_request_is_queued_for_all_targets_or_for_none(
    sinks: Sinks, disk: Disk, make: Make
) -> None:
    sink = sinks("http")
    sink.answers = [503] * NEVER
    forwarder = make(sink.url, "http://127.0.0.1:9", queue=disk.queue, durable=True)
    disk.fill()
    for future in forward(forwarder, request(1, name=LARGE_NAME)):
        with pytest.raises(StoreUnavailable):
            future.result(timeout=20)
    before = [found.waiting for found in forwarder.counts().values()]

    [refused] = forward(forwarder, request(1))

    assert refused.exception() is not None
    assert [found.waiting for found in forwarder.counts().values()] == before


def test_what_the_disk_does_not_take_is_sent_from_memory_at_the_end(
    make: Make, sinks: Sinks, disk: Disk
) -> None:
    sink = sinks("http")
    sink.open.clear()
    forwarder = make(sink.url, queue=disk.queue)
    forward(forwarder, request(1))
    wait_until(lambda: sink.attempts)
    disk.fill()
    forward(forwarder, request(9, name="x" * 10_000))
    wait_until(lambda: counts(forwarder).paused)

    sink.open.set()
    forwarder.close(budget_s=20)

    assert len(arrived(sink)) == 10
    assert counts(forwarder).dropped == 0


def test_what_neither_disk_nor_target_takes_is_counted_at_the_end(
    make: Make, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    forwarder = make("http://127.0.0.1:9", queue=disk.queue)
    disk.fill()
    forward(forwarder, request(9, name="x" * 10_000))
    wait_until(lambda: counts(forwarder).paused)

    forwarder.close(budget_s=0.1)

    assert (counts(forwarder).dropped, counts(forwarder).dropped_spans) == (1, 9)
    assert "1 requests with 9 spans are left unsent" in caplog.text


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def waiting(receiver: str) -> bool:
    """Whether a request waits in its queue for a target."""
    metrics = get(f"{receiver}/metrics")[1]
    return bool(re.search(r"spantoll_forward_queue_requests\{.*} [1-9]", metrics))


@pytest.mark.parametrize("durable", [False, True])
def test_readiness_metrics_and_doctor_report_a_full_disk_while_it_lasts(
    up: Callable[..., Any], sinks: Sinks, disk: Disk, durable: bool
) -> None:
    sink = sinks("http")
    flags = ["--forward", sink.url, "--forward-queue", str(disk.queue)]
    receiver = up(*flags, *(["--forward-durable"] if durable else []))
    assert receiver.send(otlp_request(chat(1))) == 200
    wait_until(lambda: sink.arrived)
    large = plain(2)
    large.name = LARGE_NAME
    disk.fill()

    status = receiver.send(otlp_request(large))
    # The disk may have failed before, when the first request was deleted: until its file is
    # replaced the queue refuses others, then it is ready. A request that it holds keeps it paused.
    while not waiting(receiver.http):
        receiver.send(otlp_request(large))
    wait_until(lambda: get(f"{receiver.http}/readyz")[0] == 503)
    ready = json.loads(get(f"{receiver.http}/readyz")[1])
    metrics = get(f"{receiver.http}/metrics")[1]
    shown = doctor(receiver.http.removeprefix("http://"))
    disk.free()
    wait_until(lambda: get(f"{receiver.http}/readyz")[0] == 200)
    assert receiver.send(otlp_request(large)) == 200
    wait_until(lambda: len(sink.arrived) >= 2)

    assert status == (503 if durable else 200)
    assert "full" in ready["checks"]["forwarding"]
    assert f'spantoll_forward_queue_paused{{target="{sink.url}/v1/traces"}} 1.0' in metrics
    assert shown.startswith("problem  forward")
    assert "disk cannot be written" in shown
    assert read(sink.bodies()[1]) == [large]


def test_a_durable_request_that_was_acknowledged_outlasts_kill_9(
    up: Callable[..., Any], tmp_path: Path, sinks: Sinks
) -> None:
    sink = sinks("http")
    sink.answers = [503] * NEVER
    queue = str(tmp_path / "queue")
    flags = ("--forward", sink.url, "--forward-queue", queue, "--forward-durable")
    receiver = up(*flags)

    for number in range(1, 6):
        assert receiver.send(otlp_request(plain(number))) == 200
    receiver.process.kill()
    receiver.process.communicate()
    sink.answers = []
    up(*flags)
    wait_until(lambda: len(sink.arrived) >= 5)

    assert [span.span_id[-1] for body in sink.bodies() for span in read(body)] == [1, 2, 3, 4, 5]


def test_durable_without_a_queue_on_disk_is_refused_at_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "spantoll", "up", "--database", f"sqlite:///{tmp_path}/l.db"),
            *("--grpc", "off", "--http", "127.0.0.1:0", "--forward", "http://127.0.0.1:9"),
            "--forward-durable",
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode != 0
    assert "--forward-durable needs --forward-queue" in done.stderr
