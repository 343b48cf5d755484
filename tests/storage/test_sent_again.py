"""Of the versions of a span the most complete stays, in whatever order they come, everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from spantoll.pipeline import make_settle
from spantoll.pricing import load_rate_card
from spantoll.records import UsageRecord
from spantoll.records.columns import usage_record
from spantoll.storage import SqlStore, Store
from spantoll.storage.amend import VOIDED, void_record
from spantoll.storage.roll_up_verify import verify_roll_ups
from spantoll.storage.roll_ups import has_roll_ups
from tests.pipeline.calls import EPOCH_NS, call, keyed, used
from tests.storage.conftest import rows
from tests.storage.test_closed_periods import adjusted_sums, close
from tests.support.roll_up_changes import roll_up_pending

PRICED: dict[str, Any] = {"provider": "openai", "pricing_status": "priced"}
START = call("b", 1, 1.5, under="a", provider="openai")
END = call("b", 1, 4, under="a", cost_nano=350_000, **PRICED, **used(100, 10))
AGENT = call("a", 0, 10, role="aggregate", counted=False, provider="openai", **used(100, 10))
BELOW = call("c", 2, 3, under="b", scope_name="http", cost_nano=350_000, **PRICED, **used(100, 10))
OTHER = call("d", 5, 6, under="a", cost_nano=700_000, **PRICED, **used(200, 20))

ASKED = call("b", 1, 1.5, under="a", cost_nano=250_000, **PRICED, input_tokens=100)
STREAMED = call("b", 1, 3, under="a", cost_nano=260_000, **PRICED, **used(100, 1))
FAILED = call("b", 1, 5, under="a", provider="openai", status="error")
EARLY = call("e", 1, 1.4, scope_name="http", cost_nano=250_000, **PRICED, input_tokens=100)
LATE = call("f", 3, 3.9, scope_name="http", cost_nano=350_000, **PRICED, **used(100, 10))

VERSIONS: dict[str, tuple[UsageRecord, ...]] = {
    "without usage at the start": (START, END),
    "with input only at the start": (ASKED, END),
    "with the first token, and the last": (START, STREAMED, END),
    "failed without usage after it began": (FAILED, ASKED),
}
"""The last one is the one that stays."""

SCENES: dict[str, tuple[UsageRecord, ...]] = {
    "alone": (),
    "below an agent that sums it up": (AGENT,),
    "above the same call, reported nearer to the wire": (BELOW,),
    "beside another call of the agent": (AGENT, OTHER),
    "beside a call like its start": (EARLY,),
    "beside a call like its end": (LATE,),
}


def write_in_order(store: Store, tenant: str, spans: Sequence[UsageRecord]) -> None:
    settle = make_settle(load_rate_card())
    for span in spans:
        store.write([keyed(span._replace(tenant_id=tenant))], settle=settle)


def describe(store: Store, tenant: str) -> dict[bytes, UsageRecord]:
    return {
        row.span_id: row._replace(tenant_id="", usage_key=None, priced_ns=None)
        for row in rows(store)
        if row.tenant_id == tenant
    }


@pytest.mark.parametrize("versions", VERSIONS)
@pytest.mark.parametrize("scene", SCENES)
def test_one_version_stays_in_every_order(store: Store, scene: str, versions: str) -> None:
    spans = VERSIONS[versions]
    write_in_order(store, "whole", (spans[-1], *SCENES[scene]))

    orders = list(permutations((*spans, *SCENES[scene])))
    for number, order in enumerate(orders[:: max(1, len(orders) // 6)]):
        write_in_order(store, str(number), order)

    whole = describe(store, "whole")
    for number, order in enumerate(orders[:: max(1, len(orders) // 6)]):
        assert describe(store, str(number)) == whole, [(s.span_id, s.output_tokens) for s in order]
    if has_roll_ups(store.engine):
        assert verify_roll_ups(store.engine).differences == []


@pytest.mark.parametrize("change", [{}, {"user_id": "u"}, {"input_tokens": 999}])
def test_of_versions_as_complete_as_each_other_the_first_stays(
    store: Store, change: dict[str, Any]
) -> None:
    settle = make_settle(load_rate_card())
    other = END._replace(received_ns=7, source="exporter", **change)

    store.write([END], settle=settle)
    again = store.write([other, END], settle=settle)

    assert (again.inserted, again.duplicates, again.corrected) == (0, 2, 0)
    assert [(row.source, row.user_id, row.input_tokens) for row in rows(store)] == [
        ("otlp_trace", None, 100)
    ]


def test_a_later_version_in_a_closed_period_is_booked(store: Store) -> None:
    assert isinstance(store, SqlStore)
    settle = make_settle(load_rate_card())
    store.write([ASKED], settle=settle)
    close(store)

    for _ in range(2):
        store.write([END], settle=settle)

    assert [(row.output_tokens, row.cost_nano) for row in rows(store)] == [(None, 250_000)]
    assert adjusted_sums(store) == (1, 350_000)


def test_both_versions_in_one_write_and_again_are_one_record(store: Store) -> None:
    settle = make_settle(load_rate_card())

    first = store.write([START, END, OTHER], settle=settle)
    again = store.write([END, START, OTHER], settle=settle)

    assert (first.inserted, first.duplicates, again.inserted) == (2, 1, 0)
    assert [row.cost_nano for row in rows(store)] == [350_000, 700_000]
    assert again.corrected == 0


def test_sums_that_are_rolled_up_follow_the_later_version(store: Store) -> None:
    settle = make_settle(load_rate_card())
    assert isinstance(store, SqlStore)
    store.write([START, OTHER], settle=settle)
    if has_roll_ups(store.engine):
        roll_up_pending(store)

    store.write([END], settle=settle)

    assert sum(row.cost_nano or 0 for row in rows(store)) == 1_050_000
    if has_roll_ups(store.engine):
        assert verify_roll_ups(store.engine).differences == []


def test_a_void_record_stays_void(store: Store) -> None:
    assert isinstance(store, SqlStore)
    store.write([START], settle=make_settle(load_rate_card()))
    with store.engine.connect() as connection:
        number = connection.scalar(select(usage_record.c.id)) or 0
    void_record(store, number, why="a test", by="me", now_ns=EPOCH_NS)

    store.write([END], settle=make_settle(load_rate_card()))

    assert [(row.counted_reason, row.input_tokens) for row in rows(store)] == [(VOIDED, None)]
