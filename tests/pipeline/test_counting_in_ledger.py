"""A ledger that is written in parts ends with the verdicts of all its records counted at once.

A write reads only what it connects (`storage.groups`), so this is what shows that it reads enough.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from spantoll.pipeline import Ledger, make_settle
from spantoll.pipeline.counting import count
from spantoll.pricing import load_rate_card
from spantoll.records import UsageRecord, usage_record
from spantoll.records.reported import is_billable
from spantoll.storage import Settle, Store, open_store
from tests.pipeline.calls import call, used

SETTINGS = settings(
    max_examples=2_000 if os.environ.get("CI") else 100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
IDS = (None, None, "chatcmpl-0123456789ab", "chatcmpl-ba9876543210")
USAGES: tuple[dict[str, Any], ...] = (
    {},
    {},
    used(100, 10),
    used(100, 10),
    used(200, 20),
    {"input_tokens": 100},
)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    opened = open_store("memory:")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def settle() -> Settle:
    return make_settle(load_rate_card())


@st.composite
def tangles(draw: st.DrawFn) -> list[UsageRecord]:
    """Draw spans of few values in few traces, so that everything is connected with everything."""
    names = "abcdefgh"[: draw(st.integers(2, 8))]
    records = []
    for i, name in enumerate(names):
        start = draw(st.integers(0, 8))
        role = draw(st.sampled_from(["inference"] * 4 + ["aggregate"] * 2 + ["fetch", "tool"]))
        records.append(
            call(
                name,
                start,
                start + draw(st.sampled_from([0, 0, 1, 2, 4, 8])),
                under=draw(st.sampled_from(["", "gone", "app", *names[:i], *names[i + 1 :]])),
                trace=draw(st.sampled_from("ttu")),
                role=role,
                counted=role == "inference",
                counted_reason="sole" if role == "inference" else role,
                scope_name=draw(st.sampled_from(["sdk", "framework", "gateway"])),
                status=draw(st.sampled_from(["success", "success", "success", "error"])),
                response_id=draw(st.sampled_from(IDS)),
                **draw(st.sampled_from(USAGES)),
            )
        )
    return records


def verdicts_in_ledger(
    store: Store, settle: Settle, batches: list[list[UsageRecord]]
) -> dict[bytes, list[Any]]:
    """Write to an emptied store; return what is stored of each span."""
    with store.writer.begin() as connection:  # type: ignore[attr-defined]  # a SqliteStore
        connection.execute(delete(usage_record))
    ledger = Ledger(store, settle=settle)
    for batch in batches:
        ledger.write(batch, rates=[])
    names = ("trace_id", "span_id", "counted", "counted_reason", "repeats_span")
    with store.engine.connect() as connection:
        rows = connection.execute(select(*(usage_record.c[name] for name in names))).all()
    return {trace_id + span_id: verdict for trace_id, span_id, *verdict in rows}


@SETTINGS
@given(tangles(), st.randoms(use_true_random=False))
def test_writes_in_parts_end_in_the_verdicts_of_the_whole(
    store: Store, settle: Settle, records: list[UsageRecord], rng: random.Random
) -> None:
    whole = count(records)
    rng.shuffle(shuffled := records.copy())
    cuts = sorted(rng.choices(range(len(records) + 1), k=rng.randrange(len(records))))
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(records)], strict=True)]

    found = verdicts_in_ledger(store, settle, [batch for batch in (*batches, batches[0]) if batch])

    for record, verdict in zip(records, whole, strict=True):
        repeated = records[verdict.repeats] if verdict.repeats is not None else None
        span = repeated.trace_id + repeated.span_id if repeated else None
        expected = [verdict.counted, verdict.reason, span]
        assert found[record.trace_id + record.span_id] == expected


def test_a_span_more_in_a_long_trace_reads_few_records(settle: Settle) -> None:
    agent = call("agent", 0, 3_000, role="aggregate", counted=False, **used(1, 1))
    calls = [call(f"{i:08}", i, i + 1, under="agent", **used(100 + i, 1)) for i in range(3_000)]
    read: list[int] = []

    def counting(group: Any) -> Any:
        read.append(len(group))
        return settle(group)

    store = open_store("memory:")
    ledger = Ledger(store, settle=counting)
    ledger.write([agent, *calls], rates=[])
    read.clear()
    ledger.write([call("more", 7, 8, under="agent", **used(100, 1))], rates=[])
    store.close()

    assert is_billable(calls[0])
    assert sum(read) < 10
