"""The tables of the dialects: what the numbers of each mean."""

from __future__ import annotations

import pytest

from spantoll.semconv.registry import all_dialects
from tests.semconv.readings import all_readings, readings_by_dialect
from tests.semconv.spans import read_call, read_tokens

READINGS = all_readings()


@pytest.mark.parametrize("case", READINGS)
def test_numbers_mean_what_the_dialect_means(case: str) -> None:
    reading = READINGS[case]

    assert read_tokens(reading) == reading.usage


@pytest.mark.parametrize("case", READINGS)
def test_a_span_is_read_by_its_dialect(case: str) -> None:
    reading = READINGS[case]

    found = read_call(reading.scope, reading.attributes, name=reading.name)

    assert found.dialect == case.partition(":")[0]


def test_every_dialect_has_readings() -> None:
    assert {dialect.name for dialect in all_dialects()} == readings_by_dialect().keys()
