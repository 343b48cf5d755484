"""The senders that `spantoll run` sets up: batches, attempts, bounds, and a word on every loss."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spantoll.pipeline import make_settle
from spantoll.pricing import RateCard, load_rate_card
from spantoll.receiver import Receiver
from spantoll.storage import open_store
from tests.receiver.conftest import Rows, Running, local
from tests.support.ports import free_port

SPANTOLL = str(Path(sys.executable).with_name("spantoll"))
PROGRAM = """
import sys, time
from opentelemetry import trace
for number in range(int(sys.argv[1])):
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    trace.get_tracer("app").start_span("chat", attributes=attributes).end()
"""


def start(spans: int, port: int, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [SPANTOLL, "run", "--", sys.executable, "-c", PROGRAM, str(spans)],
        env={
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_PYTHON_DISTRO": "none",
            "OTEL_PYTHON_CONFIGURATOR": "none",
            **settings,
        },
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def receiver(path: Path, port: int) -> Iterator[Running]:
    store = open_store(f"sqlite:///{path}")
    card: RateCard = load_rate_card()
    running = Running(
        Receiver(store, card, local(http=f"127.0.0.1:{port}"), settle=make_settle(card))
    )
    yield running
    running.stop()
    store.close()


def test_spans_go_in_batches_of_the_size_that_is_set(tmp_path: Path) -> None:
    port = free_port()

    with receiver(tmp_path / "usage.db", port) as running:
        _, said = start(100, port, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10").communicate(timeout=60)
        answered = sum(running.receiver.intake.answers.values())

    assert "WARNING" not in said
    assert answered >= 10
    assert Rows(tmp_path / "usage.db").count() == 100


def test_a_receiver_that_is_away_for_a_moment_costs_nothing(tmp_path: Path) -> None:
    port = free_port()
    process = start(100, port, OTEL_BSP_SCHEDULE_DELAY="100")
    time.sleep(2.0)

    with receiver(tmp_path / "usage.db", port):
        process.communicate(timeout=60)

    assert Rows(tmp_path / "usage.db").count() == 100


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "16", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16"}, "Queue full"),
        ({}, "Failed to export span"),
    ],
    ids=["more than the queue holds", "nobody there"],
)
def test_what_is_dropped_is_said(settings: dict[str, Any], says: str) -> None:
    settings = settings | {"OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_BSP_SCHEDULE_DELAY": "100"}

    _, said = start(500, free_port(), **settings).communicate(timeout=60)

    assert says in said
