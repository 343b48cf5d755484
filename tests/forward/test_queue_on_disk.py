from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spantoll.errors import ConfigurationError
from spantoll.forward.job import Job
from spantoll.forward.spool import Spool
from tests.forward.conftest import http_sink
from tests.forward.test_forwarding_from_up import added, chat, read, request
from tests.receiver.conftest import wait_until

Start = Callable[..., Any]
PROTOBUF = "application/x-protobuf"
JOB = Job(
    b"body",
    PROTOBUF,
    "default",
    [(b"t" * 16, b"s" * 8)],
    [(b"t" * 16, b"s" * 8, 450_000, "catalogue", None, "abc")],
    "hop",
)


def free_port() -> int:
    sink = http_sink()
    sink.stop()
    return int(sink.url.rpartition(":")[2])


def is_on_disk(folder: Path, number: int) -> bool:
    """Whether a request is there, read beside the process that has it: about its span."""
    span_id = number.to_bytes(8, "big").hex().encode()
    return any(span_id in file.read_bytes() for file in folder.glob("*.queue*"))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_what_waits_is_sent_after_the_next_start(
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


def test_requests_come_out_as_they_went_in(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "http://a")
    other = JOB._replace(billed=None, keys=[])

    assert spool.append([JOB, other]) == 2

    for job in (JOB, other):
        number, found = spool.first() or (0, None)
        assert found == job
        spool.remove(number)
    assert (spool.first(), spool.count, spool.size_bytes) == (None, 0, 0)
    spool.close()


def test_a_full_queue_refuses_what_is_new(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "http://a", limit_bytes=500)

    kept = [spool.append([JOB]) for _ in range(4)]

    assert kept == [1, 1, 0, 0]
    spool.close()


def test_each_target_has_its_own(tmp_path: Path) -> None:
    one, other = Spool(tmp_path, "http://a"), Spool(tmp_path, "http://b")
    one.append([JOB])

    assert other.first() is None
    one.close()
    other.close()


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match=r"--forward-queue .*file"):
        Spool(tmp_path / "file", "http://a")


def test_a_file_cut_off_in_a_write_keeps_what_was_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "http://a")
    spool.append([JOB])
    spool.append([JOB._replace(body=b"second" * 1_000)])
    [file] = tmp_path.glob("*.queue")
    wal = (tmp_path / f"{file.name}-wal").read_bytes()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / file.name).write_bytes(file.read_bytes())
    (copy / f"{file.name}-wal").write_bytes(wal[:-100])
    spool.close()

    recovered = Spool(copy, "http://a")

    assert recovered.count == 1
    assert recovered.first() == (1, JOB)
    recovered.close()
