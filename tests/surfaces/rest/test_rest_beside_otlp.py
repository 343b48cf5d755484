"""The API on the port of OTLP, and what it may not do to OTLP."""

from __future__ import annotations

import threading
from dataclasses import replace

from spantoll.pipeline import make_settle
from spantoll.receiver import Receiver
from spantoll.storage import Store
from spantoll.surfaces.rest import RestContext, make_application
from spantoll.surfaces.rest.application import THREADS
from tests.receiver.conftest import PATIENCE_S, Running, chat, local, request
from tests.receiver.test_mounted_application import get
from tests.surfaces.rest.conftest import API, NOW_NS

BODY = request(chat(1)).SerializeToString()


def test_queries_that_block_delay_no_acknowledgement(store: Store, context: RestContext) -> None:
    under_way = threading.Semaphore(0)
    unblocked = threading.Event()

    def block() -> int:
        under_way.release()
        unblocked.wait(PATIENCE_S)
        return NOW_NS

    card = context.rate_card
    application = make_application(replace(context, now_ns=block))
    running = Running(
        Receiver(store, card, local(), settle=make_settle(card), application=application)
    )
    queries = [
        threading.Thread(target=get, args=(running, f"{API}/records")) for _ in range(THREADS)
    ]
    try:
        for query in queries:
            query.start()
        for _ in queries:
            assert under_way.acquire(timeout=PATIENCE_S)

        outcome = running.http_protobuf(BODY).outcome
    finally:
        unblocked.set()
        for query in queries:
            query.join()
        running.stop()

    assert outcome == "OK"
