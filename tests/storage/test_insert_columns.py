"""An insert names the columns that its records fill, and no others."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from spantoll.records.record import UsageRecord
from spantoll.storage.insert import pick_filled

FIELDS = UsageRecord._fields
VALUES = st.sampled_from([1, 0, False, "", "text", b"id"])


def record(**filled: object) -> UsageRecord:
    return UsageRecord._make([filled.get(name) for name in FIELDS])


@given(
    st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=2), min_size=1, max_size=6)
)
def test_every_filled_column_is_inserted_and_no_other(filled: list[Mapping[str, object]]) -> None:
    records = [record(**values) for values in filled]

    names, pick = pick_filled(records)

    assert names == tuple(name for name in FIELDS if any(name in values for values in filled))
    assert [dict(zip(names, pick(each), strict=True)) for each in records] == [
        {name: values.get(name) for name in names} for values in filled
    ]


def test_records_that_fill_all_columns_but_one_are_inserted_without_it() -> None:
    full = UsageRecord._make([1] * len(FIELDS))._replace(latency_bucket=None)

    names, _ = pick_filled([full, full])

    assert set(FIELDS).difference(names) == {"latency_bucket"}


def test_a_column_that_only_the_last_record_fills_is_inserted() -> None:
    first, last = record(tenant_id="a", role="tool"), record(tenant_id="a", role="tool", speed="x")

    names, pick = pick_filled([first, first, last])

    assert names == ("tenant_id", "role", "speed")
    assert pick(first) == ("a", "tool", None)
