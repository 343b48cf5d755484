from __future__ import annotations

import pytest

from spantoll.query import DIMENSIONS, MEASURES, RECORD_HEADERS
from spantoll.records.record import COLUMNS

SUFFIXES: dict[str, str | tuple[str, ...]] = {
    "_nano": "_usd",
    "_ns": ("_at", "_ms"),
    "_ms": "_seconds",
}


@pytest.mark.parametrize("name", [name for name, spec in COLUMNS.items() if spec.shown])
def test_a_column_has_one_name_in_every_answer(name: str) -> None:
    outside = COLUMNS[name].outside

    assert RECORD_HEADERS.count(outside) == 1
    assert (name in DIMENSIONS) == COLUMNS[name].dimension
    assert (COLUMNS[name].measure is None) or outside in MEASURES


def test_only_the_unit_distinguishes_a_name_in_answers_from_its_column() -> None:
    renamed = {name: spec.outside for name, spec in COLUMNS.items() if spec.outside != name}

    assert renamed.pop("duration_ns") == "latency_ms"
    for name, outside in renamed.items():
        [suffix] = [suffix for suffix in SUFFIXES if name.endswith(suffix)]
        assert outside.startswith(name.removesuffix(suffix))
        assert outside.endswith(SUFFIXES[suffix])


def test_a_key_that_only_connects_records_is_in_no_answer() -> None:
    hidden = {spec.outside for spec in COLUMNS.values() if not spec.shown}

    assert hidden.isdisjoint(RECORD_HEADERS)
    assert {"response_key", "latency_bucket"} <= hidden
