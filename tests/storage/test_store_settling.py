"""Which records a store settles together, and what it keeps of the answer; on every store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from spantoll.errors import RecordRejected
from spantoll.pricing import Rate
from spantoll.records import UsageRecord, usage_record
from spantoll.records.keys import SLICE_BITS
from spantoll.storage import Correction, Store, Stored, tables
from spantoll.storage.groups import MAX_SHARED
from tests.storage.conftest import Backend, rows, settle_repeats
from tests.support.records import make_record, record_of_response, with_response_key


class Settled:
    """Takes note of the groups it is given, and leaves them as they are."""

    def __init__(self) -> None:
        self.groups: list[set[UsageRecord]] = []

    def __call__(self, group: Sequence[Stored]) -> list[Correction]:
        self.groups.append({member.facts for member in group})
        assert len({member.id for member in group}) == len(group)
        return []


def in_trace(number: int, **given: Any) -> UsageRecord:
    """Make a zero-length call: it is connected with those below the same parent."""
    parts = {"parent_span_id": b"parent..", "duration_ns": 0, **given}
    return with_response_key(make_record(trace_id=bytes([number]) * 16, **parts))


def used_at(slice_: int, **given: Any) -> UsageRecord:
    """Make a call of equal usage that ended in a time slice."""
    return with_response_key(
        make_record(usage_key=(slice_ << SLICE_BITS) + 7, input_tokens=7, **given)
    )


def test_spans_that_stand_alone_are_not_settled(store: Store) -> None:
    settled = Settled()

    store.write([make_record(), record_of_response("a"), record_of_response("b")], settle=settled)

    assert settled.groups == []


def test_spans_of_one_trace_are_settled_together(store: Store) -> None:
    one, two, other, alone = in_trace(1), in_trace(1), in_trace(2), in_trace(3)
    another = in_trace(2)
    settled = Settled()

    store.write([one, other, two, alone, another], settle=settled)

    assert sorted(settled.groups, key=sorted) == [{one, two}, {other, another}]


def test_a_later_span_brings_its_trace_with_it(store: Store) -> None:
    early = [in_trace(1) for _ in range(3)]
    store.write([*early, in_trace(2), in_trace(2)], settle=Settled())
    late, settled = in_trace(1), Settled()

    store.write([late], settle=settled)

    assert settled.groups == [{*early, late}]


def test_one_response_id_connects_traces(store: Store) -> None:
    gateway, sdk = record_of_response("msg_1"), record_of_response("msg_1")
    store.write([gateway], settle=Settled())
    settled = Settled()

    store.write([sdk], settle=settled)

    assert settled.groups == [{gateway, sdk}]


@pytest.mark.parametrize("apart", [-1, 0, 1])
def test_equal_usage_in_slices_beside_each_other_connects_traces(store: Store, apart: int) -> None:
    callback, sdk = used_at(9), used_at(9 + apart, response_id="msg_1", scope_name="sdk")
    store.write([callback], settle=Settled())
    settled = Settled()

    store.write([sdk, make_record(usage_key=8)], settle=settled)

    assert settled.groups == [{callback, sdk}]


def test_equal_usage_connects_in_either_order(store: Store) -> None:
    callback, sdk = used_at(9), used_at(9, response_id="msg_1", scope_name="sdk")
    store.write([sdk, record_of_response("msg_2", usage_key=8)], settle=Settled())
    settled = Settled()

    store.write([callback], settle=settled)

    assert settled.groups == [{callback, sdk}]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({}, {}, id="one-emitter-without-ids"),
        pytest.param(
            {"response_id": "msg_1"}, {"response_id": "msg_2", "scope_name": "sdk"}, id="two-ids"
        ),
    ],
)
def test_equal_usage_alone_connects_no_two_calls(
    store: Store, one: dict[str, Any], other: dict[str, Any]
) -> None:
    settled = Settled()

    store.write([used_at(9, **one)], settle=settled)
    store.write([used_at(9, **other)], settle=settled)

    assert settled.groups == []


def test_equal_usage_two_slices_apart_connects_nothing(store: Store) -> None:
    settled = Settled()

    store.write([used_at(9, scope_name="one"), used_at(11, scope_name="other")], settle=settled)

    assert settled.groups == []


def test_equal_usage_connects_two_emitters_without_ids(store: Store) -> None:
    one, other = used_at(9, scope_name="one"), used_at(9, scope_name="other")
    store.write([one, used_at(9, scope_name=None)], settle=Settled())
    settled = Settled()

    store.write([other], settle=settled)

    assert [{one, other} <= group for group in settled.groups] == [True]


def test_equal_usage_reaches_as_far_as_it_decides_and_no_further(store: Store) -> None:
    earlier = [used_at(slice_, scope_name="one") for slice_ in range(100)]
    store.write(earlier, settle=Settled())
    settled = Settled()

    store.write([late := used_at(50, scope_name="other")], settle=settled)

    assert settled.groups == [{late, *earlier[44:57]}]


def test_any_number_of_calls_may_have_equal_usage(store: Store) -> None:
    records = [used_at(9, scope_name="one") for _ in range(MAX_SHARED + 3)]
    records.append(used_at(9, scope_name="other"))
    settled = Settled()

    store.write(records, settle=settled)

    assert settled.groups == [set(records)]


def test_only_what_a_write_asks_for_is_corrected(store: Store) -> None:
    far, near = used_at(5, scope_name="one"), used_at(8, scope_name="one")
    store.write([far, near], settle=Settled())

    def uncount(group: Sequence[Stored]) -> list[Correction]:
        return [Correction(m.id, m.facts._replace(counted=False)) for m in group]

    store.write([late := used_at(9, scope_name="other")], settle=uncount)

    counted = {record.span_id: record.counted for record in rows(store)}
    assert counted == {far.span_id: True, near.span_id: False, late.span_id: False}


def test_connection_is_transitive_through_stored_records(store: Store) -> None:
    first = [in_trace(1), in_trace(1, response_id="a")]
    second = [in_trace(2, response_id="a"), in_trace(2, response_id="b")]
    third = [in_trace(3, response_id="b"), in_trace(3)]
    unrelated = [in_trace(9), in_trace(9)]
    store.write([*first, *unrelated], settle=Settled())
    store.write(third, settle=Settled())
    settled = Settled()

    store.write(second, settle=settled)

    assert settled.groups == [{*first, *second, *third}]


def test_tenants_are_never_connected(store: Store) -> None:
    records = [record_of_response("a", trace_id=b"\1" * 16, tenant_id=tenant) for tenant in "xyz"]
    settled = Settled()

    store.write(records, settle=settled)

    assert settled.groups == []


def test_ids_that_only_share_their_hash_are_not_connected(store: Store) -> None:
    records = [make_record(response_id=text, response_key=7) for text in ("one", "two", "two")]
    settled = Settled()

    store.write(records, settle=settled)

    assert settled.groups == [set(records[1:])]


def test_a_duplicate_settles_nothing(store: Store) -> None:
    records = [in_trace(1), in_trace(1)]
    store.write(records, settle=Settled())
    settled = Settled()

    store.write(records, settle=settled)

    assert settled.groups == []


@pytest.mark.parametrize("role", ["aggregate", "tool", "fetch"])
def test_a_lone_span_that_is_not_billable_by_itself_is_settled(store: Store, role: str) -> None:
    lone = make_record(role=role)
    settled = Settled()

    store.write([lone, make_record()], settle=settled)

    assert settled.groups == [{lone}]


def test_a_correction_is_kept_beside_the_facts(store: Store) -> None:
    gateway = record_of_response("msg_1", input_tokens=10, parent_span_id=b"p" * 8)
    sdk = record_of_response("msg_1", input_tokens=10)
    seen: list[Stored] = []

    def merge(group: Sequence[Stored]) -> list[Correction]:
        seen.extend(group)
        return [
            Correction(
                member.id,
                member.facts._replace(
                    counted=False, input_tokens=None, repeats_span=b"r" * 24, parent_span_id=None
                ),
            )
            for member in group
            if member.facts == gateway
        ]

    first = store.write([gateway, sdk], settle=merge)
    corrected = rows(store)
    second = store.write([record_of_response("msg_1")], settle=merge)

    assert first.corrected == 1
    assert corrected == [
        gateway._replace(
            counted=False, input_tokens=None, repeats_span=b"r" * 24, parent_span_id=None
        ),
        sdk,
    ]
    # Settled again from what its own span had said; the same answer changes nothing.
    assert {member.facts for member in seen[2:]} >= {gateway, sdk}
    assert {member.current for member in seen[2:]} >= set(corrected)
    assert second.corrected == 0


def test_a_correction_taken_back_leaves_the_facts(store: Store) -> None:
    records = [in_trace(1), in_trace(1)]
    store.write(
        records,
        settle=lambda group: [Correction(m.id, m.facts._replace(counted=False)) for m in group],
    )

    back = store.write(
        [in_trace(1)], settle=lambda group: [Correction(m.id, m.facts) for m in group]
    )

    kept = select(usage_record.c.facts)
    with store.engine.connect() as connection:
        assert set(connection.scalars(kept)) == {None}
    assert back.corrected == 2
    assert rows(store)[:2] == records


def test_settling_may_not_touch_identity(backend: Backend, store: Store) -> None:
    if backend.shared:
        pytest.skip("what cannot be settled is noted: see test_shared_stores.py")

    def settle(group: Sequence[Stored]) -> list[Correction]:
        return [Correction(m.id, m.facts._replace(span_id=b"x" * 8)) for m in group]

    with pytest.raises(ValueError, match="span_id"):
        store.write([in_trace(1), in_trace(1)], settle=settle)

    assert rows(store) == []


def test_the_group_of_a_refused_record_is_settled_without_it(store: Store) -> None:
    good, bad, more = in_trace(1), in_trace(1, requests=2**64), in_trace(1)
    settled = Settled()

    with pytest.raises(RecordRejected):
        store.write([good, bad, more], settle=settled)

    assert settled.groups == [{good, more}]


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([], id="in-one-write"),
        pytest.param([MAX_SHARED - 1, MAX_SHARED, MAX_SHARED + 1], id="over-the-edge-one-by-one"),
        pytest.param([MAX_SHARED // 2], id="in-halves"),
    ],
)
def test_a_response_id_too_many_share_connects_none(store: Store, cuts: list[int]) -> None:
    records = [record_of_response("constant") for _ in range(MAX_SHARED + 3)]

    for start, end in pairwise([0, *cuts, len(records)]):
        store.write(records[start:end], settle=settle_repeats)

    assert rows(store) == records


def test_a_response_id_as_many_as_may_share_connects_all(store: Store) -> None:
    records = [record_of_response("polled") for _ in range(MAX_SHARED)]

    store.write(records[1:], settle=settle_repeats)
    store.write(records[:1], settle=settle_repeats)

    assert [record.counted for record in rows(store)] == [True] + [False] * (MAX_SHARED - 1)


def test_a_trace_stays_together_when_its_response_id_loses_its_meaning(store: Store) -> None:
    first = [in_trace(1, response_id="constant") for _ in range(2)]
    many = [record_of_response("constant") for _ in range(MAX_SHARED - 2)]
    last = record_of_response("constant")
    settled = Settled()
    store.write([*first, *many], settle=settled)

    store.write([last], settle=settled)

    assert settled.groups == [{*first, *many}, set(first)]


traces = st.integers(1, 3)
responses = st.none() | st.sampled_from(["a", "b", "c"])
spans = st.lists(st.tuples(st.sampled_from("xy"), traces, responses), max_size=10)


@pytest.mark.parametrize("examples", [25, pytest.param(100, marks=pytest.mark.soak)])
def test_order_batches_and_resending_change_nothing(store: Store, examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(spans=spans, data=st.data())
    def check(spans: list[tuple[str, int, str | None]], data: st.DataObject) -> None:
        example = make_record().trace_id.hex()
        records = [
            record_of_response(
                response,
                tenant_id=f"{example}{tenant}",
                trace_id=bytes([trace]) * 16,
                duration_ns=0,
            )
            for tenant, trace, response in spans
        ]
        shuffled = data.draw(st.permutations(records + records[: len(records) // 2]))
        cuts = sorted(data.draw(st.sets(st.integers(0, len(shuffled)))) | {0, len(shuffled)})

        store.write([in_another_ledger(record) for record in records], settle=settle_repeats)
        for start, end in pairwise(cuts):
            store.write(shuffled[start:end], settle=settle_repeats)

        stored = rows(store)
        in_parts = [record for record in stored if record.tenant_id.startswith(example)]
        at_once = [r for r in stored if r.tenant_id.startswith(f"other {example}")]
        assert [in_another_ledger(record) for record in in_parts] == at_once

    check()


def in_another_ledger(record: UsageRecord) -> UsageRecord:
    """Tenants are never connected, so that of one store each is a ledger of its own."""
    return with_response_key(record._replace(tenant_id=f"other {record.tenant_id}"))


def test_a_long_trace_grows_span_by_span(store: Store) -> None:
    records = [in_trace(1) for _ in range(30)]
    settled = Settled()

    for record in records:
        store.write([record], settle=settled)

    assert [len(group) for group in settled.groups] == list(range(2, 31))


def test_more_groups_than_one_list_of_values_takes(store: Store) -> None:
    traces = [number.to_bytes(16) for number in range(1, 1_201)]
    store.write([make_record(trace_id=trace, duration_ns=0) for trace in traces])
    settled = Settled()

    store.write([make_record(trace_id=trace, duration_ns=0) for trace in traces], settle=settled)

    assert len(settled.groups) == 1_200
    assert {len(group) for group in settled.groups} == {2}


def test_settling_sees_the_good_copy_of_a_refused_one(store: Store) -> None:
    good, sibling = in_trace(1), in_trace(1)
    settled = Settled()

    with pytest.raises(RecordRejected):
        store.write([good._replace(requests=2**64), good, sibling], settle=settled)

    assert settled.groups == [{good, sibling}]


def test_a_response_id_given_by_settling_connects_nothing(store: Store) -> None:
    silent = in_trace(1)
    store.write(
        [silent, in_trace(1)],
        settle=lambda group: [
            Correction(m.id, m.facts._replace(response_id="msg_1", response_key=7)) for m in group
        ],
    )
    settled = Settled()

    store.write([make_record(response_id="msg_1", response_key=7)], settle=settled)

    assert settled.groups == []
    assert rows(store)[1].response_id == "msg_1"


def test_settling_sees_the_copy_that_was_stored(store: Store) -> None:
    first, sibling = in_trace(1, input_tokens=1), in_trace(1)
    settled = Settled()

    store.write([first, first._replace(input_tokens=2), sibling], settle=settled)

    assert settled.groups == [{first, sibling}]


def test_a_rate_that_a_correction_names_is_stored_with_it(store: Store) -> None:
    rate = Rate(7, "openai", "gpt-4o", "", (), "", "", "catalogue", "ab" * 32)

    store.write(
        [in_trace(1), in_trace(1)],
        settle=lambda group: [Correction(m.id, m.facts._replace(rate_id=7), rate) for m in group],
    )

    with store.engine.connect() as connection:
        assert connection.scalars(select(tables.rate.c.rate_id)).all() == [7]
