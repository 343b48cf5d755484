"""A ledger that is written in parts ends with the verdicts of all its records counted at once.

A write reads only what it connects (`storage.groups`), so this is what shows that it reads enough.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spantoll.pipeline import Ledger
from spantoll.records import UsageRecord
from spantoll.records.reported import is_billable
from spantoll.storage import Settle, Store, open_store
from tests.pipeline.calls import call, used
from tests.pipeline.ledgers import EXAMPLES, deal_batches, verdicts_in_ledger, verdicts_of_one_group

IDS = (None, None, "chatcmpl-0123456789ab", "chatcmpl-ba9876543210")
USAGES: tuple[dict[str, Any], ...] = (
    {},
    {},
    used(100, 10),
    used(100, 10),
    used(200, 20),
    {"input_tokens": 100},
)


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
                dialect=draw(st.sampled_from(["otel", "otel", "otel", "llm_usage"])),
                status=draw(st.sampled_from(["success", "success", "success", "error"])),
                response_id=draw(st.sampled_from(IDS)),
                **draw(st.sampled_from(USAGES)),
            )
        )
    return records


@EXAMPLES
def test_writes_in_parts_end_in_the_verdicts_of_the_whole(
    store: Store, settle: Settle, examples: int
) -> None:
    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(tangles(), st.randoms(use_true_random=False))
    def check(records: list[UsageRecord], rng: random.Random) -> None:
        found = verdicts_in_ledger(store, settle, deal_batches(records, rng))

        assert found == verdicts_of_one_group(records)

    check()


AGENT: dict[str, Any] = {"role": "aggregate", "counted": False, **used(100, 10)}
FETCH: dict[str, Any] = {"role": "fetch", "counted": False, **used(100, 10)}
ID = "chatcmpl-0123456789ab"

PARTS: dict[str, list[list[UsageRecord]]] = {
    "an orphan above an aggregate, within its time": [
        [call("call", 1, 2, under="app")],
        [call("agent", 0, 5, under="call", **AGENT)],
        [call("other", 1, 2, under="call")],
    ],
    "a fetch of what an aggregate reports, and then the call below that aggregate": [
        [call("agent", response_id=ID, **AGENT), call("fetch", response_id=ID, **FETCH)],
        [call("call", 1, 2, under="agent")],
    ],
    "a second aggregate around a zero-length call that has the times of the first": [
        [call("agent", 0, 1, **AGENT), call("call", 1, 1, under="gone")],
        [call("step", 1, 1, **AGENT)],
    ],
    "an aggregate above a failed call that another trace reports with its usage": [
        [
            call("call", 1, 2, under="agent"),
            call("failed", 2, 3, under="agent", status="error", response_id=ID),
            call("retried", 2, 3, trace="u", response_id=ID, **used(100, 10)),
        ],
        [call("agent", **AGENT)],
    ],
    "the same call, whose own parent is not recorded": [
        [call("agent", response_id=ID, **AGENT), call("fetch", response_id=ID, **FETCH)],
        [call("call", 1, 2, under="gone")],
    ],
}


@pytest.mark.parametrize("batches", PARTS.values(), ids=PARTS)
def test_a_later_write_changes_what_depends_on_it(
    store: Store, settle: Settle, batches: list[list[UsageRecord]]
) -> None:
    found = verdicts_in_ledger(store, settle, batches)

    assert found == verdicts_of_one_group([each for batch in batches for each in batch])


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
