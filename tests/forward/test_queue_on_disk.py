from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spantoll.errors import ConfigurationError
from spantoll.forward.queue_file import QueueFile
from spantoll.forward.request import QueuedRequest
from tests.forward.conftest import (
    NEVER,
    Make,
    Sinks,
    counts,
    forward,
    free_port,
    http_sink,
    wait_until,
)
from tests.forward.conftest import request as parted
from tests.forward.test_receiver_forwards import added, chat, read, request

Start = Callable[..., Any]
PROTOBUF = "application/x-protobuf"
REQUEST = QueuedRequest(
    b"body",
    PROTOBUF,
    "default",
    [(b"t" * 16, b"s" * 8)],
    [(b"t" * 16, b"s" * 8, 450_000, "catalogue", "priced", None, "abc")],
    "hop",
    spans=2,
)


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def is_on_disk(folder: Path, number: int) -> bool:
    """Whether a request is there, read beside the process that has it: about its span."""
    span_id = number.to_bytes(8, "big").hex().encode()
    return any(span_id in file.read_bytes() for file in folder.glob("*.queue*"))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_waiting_requests_are_sent_after_the_next_start(
    up: Start, tmp_path: Path, end: signal.Signals
) -> None:
    port, folder = free_port(), tmp_path / "queue"
    flags = ("--forward", f"http://127.0.0.1:{port}", "--forward-queue", str(folder))
    receiver = up(*flags)
    for number in range(1, 4):
        assert receiver.send(request(chat(number))) == 200
    wait_until(lambda: is_on_disk(folder, 3))
    receiver.process.send_signal(end)
    receiver.process.communicate(timeout=30)

    sink = http_sink(port)
    up(*flags)
    wait_until(lambda: len(sink.arrived) == 3)
    sink.stop()

    spans = [span for body in sink.bodies() for span in read(body)]
    assert [span.span_id for span in spans] == [n.to_bytes(8, "big") for n in (1, 2, 3)]
    assert {added(span)["gen_ai.usage.cost.amount"] for span in spans} == {0.0035}


def test_requests_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = QueueFile(tmp_path, "http://a")
    other = REQUEST._replace(billed=None, keys=[])

    file.append([REQUEST, other])

    first = file.read_first(after=0)
    assert first is not None
    second = file.read_first(after=first.number)
    assert second is not None
    assert [first.decode(), second.decode()] == [REQUEST, other]
    assert file.read_first(after=second.number) is None
    file.close()


def test_the_spans_sent_of_a_request_are_kept_in_the_file(tmp_path: Path) -> None:
    file = QueueFile(tmp_path, "http://a")
    file.append([REQUEST, REQUEST])
    file.remove(through=1)
    file.record_sent(2, 1)
    file.close()

    opened = QueueFile(tmp_path, "http://a")

    first = opened.read_first(after=0)
    assert first is not None
    assert first.decode() == REQUEST._replace(sent_spans=1)
    assert (opened.requests, opened.size_bytes) == (1, first.size_bytes)
    opened.close()


def test_an_empty_file_is_replaced_and_its_numbers_are_not_used_again(tmp_path: Path) -> None:
    file = QueueFile(tmp_path, "http://a")
    file.append([REQUEST, REQUEST])

    held = file.replace_if_empty(after=1)
    replaced = file.replace_if_empty(after=2)
    file.append([REQUEST])

    first = file.read_first(after=2)
    assert first is not None
    assert (held, replaced, first.number) == (False, True, 3)
    file.close()


def test_an_empty_queue_gives_its_disk_space_back(make: Make, sinks: Sinks, tmp_path: Path) -> None:
    sink = sinks("http")
    sink.answers = [503] * NEVER
    forwarder = make(sink.url, queue=tmp_path)
    for _ in range(10):
        forward(forwarder, parted(1, name="x" * 3_000_000))
    wait_until(lambda: counts(forwarder).memory_requests == 0)
    before = size_of(tmp_path)

    sink.answers = []
    wait_until(lambda: counts(forwarder).forwarded == 10)
    wait_until(lambda: size_of(tmp_path) < 1_000_000)

    assert before > 30_000_000
    assert counts(forwarder).paused == ""


def test_gauges_are_never_negative(make: Make, sinks: Sinks, tmp_path: Path) -> None:
    sink = sinks("http")
    forwarder = make(sink.url, queue=tmp_path)
    seen = []

    for _ in range(200):
        forward(forwarder, parted(1))
        seen.append(counts(forwarder))
    while seen[-1].forwarded < 200:
        seen.append(counts(forwarder))

    assert min(found.queue_bytes for found in seen) >= 0
    assert min(found.waiting for found in seen) >= 0
    assert min(found.memory_requests for found in seen) >= 0


def test_the_gauge_of_bytes_ends_at_0_for_requests_of_an_earlier_process(
    make: Make, sinks: Sinks, tmp_path: Path
) -> None:
    sink = sinks("http")
    file = QueueFile(tmp_path, f"{sink.url}/v1/traces")
    size_bytes = file.append([REQUEST._replace(keys=[*REQUEST.keys] * 1_000)])
    file.close()

    sink.open.clear()
    forwarder = make(sink.url, queue=tmp_path)
    before = counts(forwarder)
    sink.open.set()
    wait_until(lambda: counts(forwarder).waiting == 0)

    assert (before.waiting, before.queue_bytes) == (1, size_bytes)
    assert counts(forwarder).queue_bytes == 0


@pytest.mark.parametrize(
    "about", [b"", b"{}", b"[1]", b'["", "", "", [1], null]', b"[1,2,3,4,5,6]"]
)
def test_a_damaged_request_is_dropped_and_delays_no_other(
    make: Make, sinks: Sinks, tmp_path: Path, about: bytes
) -> None:
    sink = sinks("http")
    file = QueueFile(tmp_path, f"{sink.url}/v1/traces")
    file.append([REQUEST, REQUEST])
    file.close()
    [path] = tmp_path.glob("*.queue")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE job SET about = ? WHERE id = 1", (about,))

    forwarder = make(sink.url, queue=tmp_path)
    wait_until(lambda: counts(forwarder).waiting == 0)

    assert (counts(forwarder).dropped, counts(forwarder).forwarded) == (1, 1)
    assert counts(forwarder).queue_bytes == 0


def test_each_target_has_its_own_file(tmp_path: Path) -> None:
    one, other = QueueFile(tmp_path, "http://a"), QueueFile(tmp_path, "http://b")
    one.append([REQUEST])

    assert other.read_first(after=0) is None
    one.close()
    other.close()


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match=r"--forward-queue .*file"):
        QueueFile(tmp_path / "file", "http://a")


def test_a_file_cut_off_in_a_write_keeps_complete_requests(tmp_path: Path) -> None:
    file = QueueFile(tmp_path, "http://a")
    file.append([REQUEST])
    file.append([REQUEST._replace(body=b"second" * 1_000)])
    [path] = tmp_path.glob("*.queue")
    wal = (tmp_path / f"{path.name}-wal").read_bytes()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / path.name).write_bytes(path.read_bytes())
    (copy / f"{path.name}-wal").write_bytes(wal[:-100])
    file.close()

    recovered = QueueFile(copy, "http://a")

    assert recovered.requests == 1
    first = recovered.read_first(after=0)
    assert first is not None
    assert first.decode() == REQUEST
    recovered.close()
