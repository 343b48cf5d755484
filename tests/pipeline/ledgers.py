"""The verdicts that a ledger ends with, and those of counting all records as one group."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, select

from spantoll.pipeline import Ledger
from spantoll.pipeline.counting import count
from spantoll.records import UsageRecord, usage_record
from spantoll.storage import Settle, Store

Batches = list[list[UsageRecord]]

EXAMPLES = pytest.mark.parametrize("examples", [100, pytest.param(2_000, marks=pytest.mark.soak)])
"""How many examples a property of counting is tested with: 2,000 take up to a minute."""


def deal_batches(records: Sequence[UsageRecord], rng: random.Random) -> Batches:
    """Cut the records, in any order, into writes; the first write is sent again at the end."""
    shuffled = rng.sample(records, len(records))
    cuts = sorted(rng.choices(range(len(records) + 1), k=rng.randrange(len(records))))
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(records)], strict=True)]
    return [batch for batch in (*batches, batches[0]) if batch]


def empty_store(store: Store) -> None:
    """Delete the records: a store that is emptied keeps its compiled statements."""
    with store.transaction() as connection:
        connection.execute(delete(usage_record))


def verdicts_in_ledger(store: Store, settle: Settle, batches: Batches) -> dict[bytes, list[Any]]:
    """Write to an emptied store; return what is stored of each span."""
    empty_store(store)
    ledger = Ledger(store, settle=settle)
    for batch in batches:
        ledger.write(batch, rates=[])
    names = ("trace_id", "span_id", "counted", "counted_reason", "repeats_span")
    with store.engine.connect() as connection:
        rows = connection.execute(select(*(usage_record.c[name] for name in names))).all()
    return {trace_id + span_id: verdict for trace_id, span_id, *verdict in rows}


def verdicts_of_one_group(records: Sequence[UsageRecord]) -> dict[bytes, list[Any]]:
    """Count all records at once; return of each span what a ledger stores."""
    found: dict[bytes, list[Any]] = {}
    for record, verdict in zip(records, count(records), strict=True):
        repeated = records[verdict.repeats] if verdict.repeats is not None else None
        span = repeated.trace_id + repeated.span_id if repeated else None
        found[record.trace_id + record.span_id] = [verdict.counted, verdict.reason, span]
    return found
