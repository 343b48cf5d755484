from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from spantoll.errors import ConfigurationError
from spantoll.pipeline import make_settle
from spantoll.pricing import RateCard
from spantoll.receiver import Bound, Receiver, serve
from spantoll.storage import Store
from tests.receiver.conftest import EXPORT, Export, Rows, Running, chat, local, request, wait_until

BODY = request(chat(1)).SerializeToString()


def signalled_when_ready(*numbers: signal.Signals) -> Callable[[Receiver, Bound], None]:
    """Send signals to this process as soon as it serves."""

    def ready(receiver: Receiver, bound: Bound) -> None:
        for number in numbers:
            os.kill(os.getpid(), number)

    return ready


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
async def test_serving_ends_well_on_a_signal(
    database: str, rate_card: RateCard, number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    status = await serve(
        database,
        local(),
        rate_card=rate_card,
        settle=make_settle(rate_card),
        ready=signalled_when_ready(number),
    )

    assert status == 0
    assert signal.getsignal(number) is before


def test_a_second_signal_ends_at_once_and_says_so(
    database: str, rate_card: RateCard, rows: Rows
) -> None:
    asked: list[threading.Thread] = []
    outcomes: list[grpc.StatusCode] = []

    def ready(receiver: Receiver, bound: Bound) -> None:
        locked.execute("BEGIN IMMEDIATE")
        thread = threading.Thread(target=send_and_signal, args=(receiver, bound.grpc))
        asked.append(thread)
        thread.start()

    def send_and_signal(receiver: Receiver, port: int) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            export: Export = channel.unary_unary(EXPORT)
            waiting = export.future(BODY, timeout=10)
            wait_until(lambda: receiver.commit.stalled_s() > 0)
            os.kill(os.getpid(), signal.SIGTERM)
            wait_until(lambda: receiver.intake.admission.draining)
            os.kill(os.getpid(), signal.SIGTERM)
            outcomes.append(waiting.code())

    with contextlib.closing(
        sqlite3.connect(rows.path, isolation_level=None, check_same_thread=False)
    ) as locked:
        status = asyncio.run(
            serve(
                database,
                local(http=None),
                rate_card=rate_card,
                settle=make_settle(rate_card),
                ready=ready,
            )
        )
        asked[0].join()

    assert status == 1
    assert len(outcomes) == 1
    assert outcomes[0] in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def test_what_cannot_be_listened_on_ends_before_a_database_is_made(
    rate_card: RateCard, running: Running, tmp_path: Path
) -> None:
    never = tmp_path / "never.db"

    with pytest.raises(ConfigurationError, match=r"--http .* in use"):
        await serve(
            f"sqlite:///{never}",
            local(http=f"127.0.0.1:{running.http_port}"),
            rate_card=rate_card,
            settle=make_settle(rate_card),
        )

    assert not never.exists()


async def test_a_receiver_that_cannot_start_leaves_nothing_listening(
    store: Store, rate_card: RateCard, running: Running
) -> None:
    config = local(grpc=f"127.0.0.1:{running.grpc_port}")
    receiver = Receiver(store, rate_card, config, settle=make_settle(rate_card))

    with pytest.raises(ConfigurationError, match=r"--grpc .* in use"):
        await receiver.start()

    assert not receiver.commit.alive


@pytest.mark.parametrize("transport", ["grpc", "http"])
async def test_one_transport_may_be_off(store: Store, rate_card: RateCard, transport: str) -> None:
    off = {"grpc": None} if transport == "http" else {"http": None}
    receiver = Receiver(store, rate_card, local(**off), settle=make_settle(rate_card))

    bound = await receiver.start()
    await receiver.stop()

    assert (bound.grpc is None, bound.http is None) == (transport == "http", transport == "grpc")
