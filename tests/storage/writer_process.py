"""A process that writes batches and says after each what is acknowledged.

    python -m tests.storage.writer_process URL FIRST BATCHES SIZE

Writes span FIRST * SIZE and up; prints the number of each batch when its write has returned.
"""

from __future__ import annotations

import sys

from spantoll.records import UsageRecord
from spantoll.storage import open_store
from tests.support.records import make_record


def record(number: int) -> UsageRecord:
    identity = {"trace_id": number.to_bytes(16), "span_id": number.to_bytes(8)}
    return make_record(**identity, started_ns=number, cost_nano=number)


def main(url: str, first: str, batches: str, size: str) -> None:
    store = open_store(url)
    print("open", flush=True)
    for batch in range(int(first), int(first) + int(batches)):
        spans = range(batch * int(size) + 1, (batch + 1) * int(size) + 1)
        store.write([record(number) for number in spans])
        print(batch, flush=True)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
