"""Save the records of a ledger with an adapter.

Input: the engine of a ledger, a connected `Adapter`. Output: how many records were saved. Every
record of the period is saved, uncounted ones too, so that the next run corrects those whose verdict
has changed since.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Engine

from spantoll.adapters.protocol import Adapter
from spantoll.errors import StoreUnavailable
from spantoll.query.records import RecordQuery, list_records
from spantoll.records.record import UsageRecord

__all__ = ["BATCH_RECORDS", "save_ledger"]

BATCH_RECORDS = 1_000
"""About 1 MB; MongoDB takes messages of up to 48 MB."""

PAUSES_S = (0.5, 1.0, 2.0, 4.0)
"""Before a batch is tried again: a primary of MongoDB is elected within 12 s, as a rule
(https://www.mongodb.com/docs/manual/replication/#automatic-failover)."""


def save_ledger(
    engine: Engine,
    adapter: Adapter,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    batch_records: int = BATCH_RECORDS,
    wait: Callable[[float], object] = time.sleep,
) -> int:
    """Save the records that started in [start_ns, end_ns), newest first; return how many.

    A batch that raised StoreUnavailable is saved again after each of PAUSES_S. Raises the last
    StoreUnavailable; another run saves what is missing.
    """
    asked = RecordQuery(start_ns=start_ns, end_ns=end_ns, limit=batch_records, uncounted=True)
    saved, cursor = 0, None
    while True:
        page = list_records(engine, replace(asked, after=cursor))
        records = [listed.record for listed in page.records]
        if records:
            _save_batch(adapter, records, wait)
        saved += len(records)
        if (cursor := page.cursor) is None:
            return saved


def _save_batch(
    adapter: Adapter, records: Sequence[UsageRecord], wait: Callable[[float], object]
) -> None:
    for pause_s in PAUSES_S:
        try:
            adapter.save_batch(records)
        except StoreUnavailable:
            wait(pause_s)
        else:
            return
    adapter.save_batch(records)
