"""Row 70 of the fault matrix: whatever the database does, nothing is lost and nothing doubled."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from spantoll.errors import RecordRejected, StoreUnavailable
from spantoll.records import UsageRecord
from spantoll.storage import Settle, Store, WriteResult
from tests.receiver.conftest import Rows, Running, chat, request

SENDERS = 8
REQUESTS = 12
SPANS = 16
ATTEMPTS = 500
TRANSPORTS = ["grpc", "http_protobuf", "http_json"]


class UnreliableStore:
    """A real store that now and then is away, breaks, answers too late, or refuses a record."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._rng = random.Random(seed)
        self.url = store.url
        self.writers = store.writers
        self.engine = store.engine
        self.add_rates = store.add_rates
        self.ping = store.ping
        self.checkpoint = store.checkpoint
        self.transaction = store.transaction
        self.close = store.close

    def write(self, records: Sequence[UsageRecord], *, settle: Settle | None = None) -> WriteResult:
        outcome = self._rng.random()
        if outcome < 0.15:
            raise StoreUnavailable("away")
        if outcome < 0.25:
            raise OverflowError("a defect")
        refused = [n for n, record in enumerate(records) if is_refused(record.span_id)]
        kept = [record for record in records if not is_refused(record.span_id)]
        result = self._store.write(kept, settle=settle)
        if outcome < 0.4:
            raise StoreUnavailable("committed, but the connection broke before it said so")
        if refused:
            raise RecordRejected("refused by the database", refused)
        return result


def is_refused(span_id: bytes) -> bool:
    return int.from_bytes(span_id) % 37 == 0


@pytest.mark.parametrize("seed", range(3))
def test_accepted_and_rejected_are_exactly_what_was_sent(
    start: Callable[..., Running], store: Store, rows: Rows, seed: int
) -> None:
    running = start(UnreliableStore(store, seed), retry_s=0.02)

    def send(sender: int) -> int:
        """Send until everything is answered for good; say how many spans were rejected."""
        rng = random.Random(sender)
        rejected = 0
        for number in range(REQUESTS):
            first = (sender * REQUESTS + number) * SPANS
            export = request(*(chat(first + n) for n in range(SPANS)))
            for _ in range(ATTEMPTS):
                reply = running.send(rng.choice(TRANSPORTS), export)
                if reply.outcome != "RETRY":
                    break
            assert reply.outcome == "OK"
            rejected += reply.rejected
        return rejected

    with ThreadPoolExecutor(SENDERS) as pool:
        rejected = sum(pool.map(send, range(SENDERS)))

    sent = [chat(n).span_id for n in range(SENDERS * REQUESTS * SPANS)]
    good = sorted(span_id for span_id in sent if not is_refused(span_id))
    assert rows.span_ids() == good
    assert rejected == len(sent) - len(good)
    assert running.receiver.intake.admission.taken_bytes == 0
