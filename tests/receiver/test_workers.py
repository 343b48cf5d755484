"""Several worker processes: the same records, and nothing lost with a worker that dies or hangs."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import urllib.request
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select

from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.otlp import PROTOBUF
from spantoll.pipeline import Batch, make_settle
from spantoll.pipeline.packing import Job
from spantoll.pipeline.worker import NICENESS
from spantoll.pricing import RateCard, UserPricing, load_rate_card
from spantoll.pricing.own_prices import read_own_price
from spantoll.receiver import Limits, Receiver, ReceiverConfig, server
from spantoll.receiver.cores import choose_workers, count_cores
from spantoll.receiver.workers import Workers
from spantoll.records import usage_record
from spantoll.semconv import kept
from spantoll.storage import Store, open_store
from tests.receiver.conftest import (
    COST_NANO,
    PATIENCE_S,
    START_NS,
    Process,
    Rows,
    Running,
    chat,
    local,
    request,
    wait_until,
)
from tests.receiver.test_fault_rows_process import BATCH, Sender, acknowledged_by

CASES = sorted((Path(__file__).parents[1] / "data" / "corpus").glob("*/*/"))
FIRST_OF_EACH = list({case.parent: case for case in reversed(CASES)}.values())
OWN = ("id", "received_ns", "priced_ns")
"""Columns in which two receivers of the same requests differ."""

Spawn = Callable[..., Process]


def make_job(number: int = 1, **attributes: Any) -> Job:
    body = request(chat(number, **attributes)).SerializeToString()
    return Job("traces", body, START_NS, PROTOBUF, "default")


def with_workers(count: int, card: RateCard, work: Callable[[Workers], Awaitable[None]]) -> None:
    """Run `work` beside workers that are ready."""

    async def run() -> None:
        workers = Workers(count, card)
        await workers.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await until(lambda: len(workers.pids()) == count)
                await work(workers)
        finally:
            await workers.stop()

    asyncio.run(run())


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def worker_pids(process: Process) -> list[int]:
    return [child.pid for child in psutil.Process(process.popen.pid).children()]


def has_ended(pid: int) -> bool:
    """Whether a process has ended, also where nobody has waited for it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_worker_that_hangs_is_replaced_and_its_requests_are_refused(
    rate_card: RateCard,
) -> None:
    async def work(workers: Workers) -> None:
        (hung,) = workers.pids()
        os.kill(hung, signal.SIGSTOP)

        with pytest.raises(StoreUnavailable):
            await workers.read(make_job())
        await until(lambda: workers.ready and hung not in workers.pids())
        batch = await workers.read(make_job())

        assert has_ended(hung)
        assert workers.replaced == 1
        assert [record.cost_nano for record in batch.records] == [COST_NANO]

    with_workers(1, rate_card, work)


def test_workers_leave_the_cores_to_the_receiver_first(rate_card: RateCard) -> None:
    async def work(workers: Workers) -> None:
        await workers.read(make_job())
        [pid] = workers.pids()
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, own + NICENESS)

    with_workers(1, rate_card, work)


def test_requests_go_to_the_worker_with_fewer_bytes_waiting(rate_card: RateCard) -> None:
    async def work(workers: Workers) -> None:
        batches = await asyncio.gather(*(workers.read(make_job(n)) for n in range(20)))

        assert [len(batch.records) for batch in batches] == [1] * 20
        assert workers.requests == {1: 10, 2: 10}

    with_workers(2, rate_card, work)


def test_workers_follow_prices_and_keep_the_chosen_attributes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "_chosen", kept.Chosen())
    kept.choose_attributes("app.lane, shop.*")
    card = load_rate_card()
    own = read_own_price(
        {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "metric": "input",
            "amount": "7",
            "per": "1M",
        },
        "row 1",
    )
    job = make_job(app__lane="express", shop__id="s1", other="x")

    async def work(workers: Workers) -> None:
        before = await workers.read(job)
        card.adopt(load_rate_card(user=UserPricing((own,))))
        after: Batch = await workers.read(job)

        assert before.records[0].cost_nano == COST_NANO
        assert after.records[0].input_cost_nano == 7_000_000
        assert "express" in (after.records[0].metadata or "")

    with_workers(1, card, work)


def read_records(cases: Sequence[Path], card: RateCard, *, workers: int) -> list[dict[str, Any]]:
    """The ledger after the requests of these cases, by span, without OWN."""
    store = open_store("memory:")
    config = local(limits=Limits(hop_bytes=0), workers=workers)
    receiver = Receiver(store, card, config, settle=make_settle(card))
    running = Running(receiver)
    pool = receiver.workers
    try:
        if pool is not None:
            wait_until(lambda: len(pool.pids()) == workers)
        paths = [path for case in cases for path in sorted(case.glob("request-*"))]
        for path in paths:
            send = running.http_json if path.suffix == ".json" else running.grpc
            assert send(path.read_bytes()).outcome == "OK", path
        assert pool is None or pool.requests.total() == len(paths)
        columns = [column for column in usage_record.c if column.name not in OWN]
        with store.engine.connect() as connection:
            found = select(*columns).order_by(usage_record.c.trace_id, usage_record.c.span_id)
            return [dict(row) for row in connection.execute(found).mappings()]
    finally:
        running.stop()
        store.close()


@pytest.mark.parametrize(
    "cases", [FIRST_OF_EACH, pytest.param(CASES, marks=pytest.mark.soak)], ids=["sample", "all"]
)
def test_four_workers_make_the_records_that_one_makes(
    rate_card: RateCard, cases: Sequence[Path]
) -> None:
    of_one = read_records(cases, rate_card, workers=1)
    of_four = read_records(cases, rate_card, workers=4)

    assert len(of_one) >= len(cases)
    assert of_four == of_one


def test_workers_that_nobody_asked_for_start_with_the_first_load(
    monkeypatch: pytest.MonkeyPatch, store: Store, rate_card: RateCard
) -> None:
    monkeypatch.setattr(server, "count_cores", lambda: 2.0)
    small, large = (request(*map(chat, numbers)) for numbers in (range(1, 3), range(3, 100)))
    config = local(limits=Limits(wake_bytes=small.ByteSize()), workers=None)
    receiver = Receiver(store, rate_card, config, settle=make_settle(rate_card))
    running, workers = Running(receiver), receiver.workers
    assert workers is not None

    before = running.send("grpc", small), workers.has_begun
    after = running.send("grpc", large), workers.has_begun
    wait_until(lambda: len(workers.pids()) == 2)
    running.stop()

    assert [(reply.outcome, begun) for reply, begun in (before, after)] == [
        ("OK", False),
        ("OK", True),
    ]


@pytest.mark.parametrize(
    ("cpu_max", "cores", "workers"),
    [
        pytest.param("max 100000", 8.0, 2, id="no-limit"),
        pytest.param("150000 100000", 1.5, 1, id="limited-container"),
        pytest.param("400000 100000", 4.0, 2, id="wide-container"),
        pytest.param("", 8.0, 2, id="unknown"),
    ],
)
def test_as_many_workers_are_chosen_as_the_cores_are_worth(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpu_max: str, cores: float, workers: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    limit = tmp_path / "cpu.max"
    limit.write_text(cpu_max)

    found = count_cores(cpu_max=limit)

    assert (found, choose_workers(found)) == (cores, workers)


def test_readiness_names_missing_workers_and_stays_ready(
    monkeypatch: pytest.MonkeyPatch, store: Store, rate_card: RateCard
) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    receiver = Receiver(store, rate_card, local(workers=2), settle=make_settle(rate_card))
    running = Running(receiver)

    with urllib.request.urlopen(f"http://127.0.0.1:{running.http_port}/readyz") as response:
        answer = json.load(response)
    running.stop()

    assert (answer["status"], answer["checks"]["workers"]) == ("ok", "ok, 0 of 2")


def test_a_receiver_decodes_itself_while_no_worker_is_there(
    monkeypatch: pytest.MonkeyPatch, store: Store, rate_card: RateCard
) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    config = local(limits=Limits(hop_bytes=0), workers=2)
    running = Running(Receiver(store, rate_card, config, settle=make_settle(rate_card)))

    reply = running.send("grpc", request(chat(1)))
    running.stop()

    assert reply.outcome == "OK"


@pytest.mark.parametrize(
    "kills",
    [
        2,
        pytest.param(20, marks=pytest.mark.soak),
        pytest.param(100, marks=pytest.mark.soak_long),
    ],
)
def test_kills_of_workers_and_receivers_lose_nothing_and_store_nothing_twice(
    spawn: Spawn, rows: Rows, kills: int
) -> None:
    rng = random.Random(kills)
    senders = [
        Sender("grpc" if n % 2 else "http", range(n * 100_000, (n + 1) * 100_000)) for n in range(4)
    ]
    process = start_process(spawn, senders)
    for sender in senders:
        sender.start()

    for kill in range(kills):
        enough = acknowledged_by(senders) + 1 + kill % 7
        wait_until(lambda: acknowledged_by(senders) >= enough)  # noqa: B023  called right here
        pids = worker_pids(process)
        if kill % 2 and pids:
            os.kill(rng.choice(pids), signal.SIGKILL)
            continue
        process.popen.send_signal(signal.SIGKILL)
        process.popen.wait()
        wait_until(lambda: all(map(has_ended, pids)))  # noqa: B023  called right here
        process = start_process(spawn, senders)
    for sender in senders:
        sender.stop.set()
        sender.join()

    acknowledged = {
        span.span_id
        for sender in senders
        for number in sender.acknowledged
        for span in (chat(number * BATCH + n) for n in range(BATCH))
    }
    stored = rows.span_ids()
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))
    assert [sender.refused for sender in senders] == [[]] * 4
    # What is stored beyond that was committed, but its answer did not get out: whole batches.
    in_flight = {(int.from_bytes(span_id) - 1) // BATCH for span_id in set(stored) - acknowledged}
    assert len(stored) == len(acknowledged) + len(in_flight) * BATCH


def start_process(spawn: Spawn, senders: Sequence[Sender]) -> Process:
    """Start a receiver with two workers that take requests, for these senders."""
    process = spawn(workers=2)
    wait_until(lambda: read_metric(process, "spantoll_workers_up") == 2)
    for sender in senders:
        sender.process = process
    return process


def read_metric(process: Process, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{process.http_port}/metrics") as response:
        text = response.read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_sigterm_to_all_processes_under_load_answers_what_was_taken(
    spawn: Spawn, rows: Rows
) -> None:
    senders = [Sender("grpc", range(n * 100_000, (n + 1) * 100_000)) for n in range(4)]
    process = start_process(spawn, senders)
    for sender in senders:
        sender.start()
    wait_until(lambda: acknowledged_by(senders) >= 20)
    pids = worker_pids(process)
    given = read_metric(process, "spantoll_worker_requests_total")

    for pid in [*pids, process.popen.pid]:
        os.kill(pid, signal.SIGTERM)
    status = process.popen.wait(PATIENCE_S)
    for sender in senders:
        sender.stop.set()
        sender.join()

    assert status == 0
    assert given > 0
    assert all(map(has_ended, pids))
    assert [sender.refused for sender in senders] == [[]] * 4
    assert rows.count() == acknowledged_by(senders) * BATCH


def test_several_workers_are_refused_where_no_socket_can_be_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("socket.AF_UNIX")

    with pytest.raises(ConfigurationError, match="--workers 2: this system takes 1"):
        ReceiverConfig(grpc=None, http=None, workers=2).check()
