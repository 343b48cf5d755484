"""What an export holds, read again by other libraries than the ones it was written with."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from pyarrow import parquet

from spantoll.query import RECORD_HEADERS, Listed, plain_record
from spantoll.records import UsageRecord
from spantoll.surfaces.exports import FORMATS, Export, write_export, xlsx

HEADERS = ("model", "started_at", "requests", "cost_usd", "share", "counted", "metadata")
ROW: dict[str, Any] = {
    "model": '=cmd|" /C calc"!A0',
    "started_at": "2026-11-20T12:00:00+00:00",
    "requests": 3,
    "cost_usd": "1234.000000001",
    "share": 0.25,
    "counted": True,
    "metadata": {"team": "search"},
}
EMPTY = dict.fromkeys(HEADERS)


def write(format: str, rows: list[dict[str, Any]], headers: Any = HEADERS) -> io.BytesIO:
    file = io.BytesIO()
    write_export(file, Export(headers, rows, [("time zone", "UTC")]), format=format)
    file.seek(0)
    return file


def test_a_workbook_has_numbers_that_add_up_and_text_that_is_no_formula() -> None:
    workbook = openpyxl.load_workbook(write("xlsx", [EMPTY, ROW]))

    header, empty, row = workbook["Data"].iter_rows(values_only=True)
    model, *_ = workbook["Data"][3]
    assert header == HEADERS
    assert row == (
        ROW["model"],
        datetime(2026, 11, 20, 12, tzinfo=UTC).replace(tzinfo=None),
        *(3, 1234.000000001, 0.25, True),
        '{"team": "search"}',
    )
    assert (model.data_type, set(empty)) == ("s", {None})


def test_a_workbook_says_what_it_is_about() -> None:
    workbook = openpyxl.load_workbook(write("xlsx", [ROW, ROW]))

    about = dict(workbook["About"].iter_rows(values_only=True))

    assert (about["time zone"], about["rows"]) == ("UTC", "2")


def test_rows_beyond_a_sheet_are_on_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "ROWS", 2)

    workbook = openpyxl.load_workbook(write("xlsx", [{**ROW, "requests": n} for n in range(5)]))

    counts = [
        [row[2].value for row in sheet.iter_rows(min_row=2)] for sheet in workbook.worksheets[:-1]
    ]
    assert counts == [[0, 1], [2, 3], [4]]
    assert workbook.sheetnames == ["Data", "Data 2", "Data 3", "About"]


def test_parquet_has_exact_money_times_and_types() -> None:
    table = parquet.read_table(write("parquet", [ROW, EMPTY]))

    first, second = table.to_pylist()
    assert first == {
        **ROW,
        "started_at": datetime(2026, 11, 20, 12, tzinfo=UTC),
        "cost_usd": Decimal("1234.000000001"),
        "metadata": '{"team": "search"}',
    }
    assert set(second.values()) == {None}
    assert table.schema.metadata[b"time zone"] == b"UTC"


@pytest.mark.parametrize("rows", [[], [EMPTY]], ids=["no row", "an empty row"])
@pytest.mark.parametrize("format", FORMATS)
def test_an_export_of_nothing_can_be_read(format: str, rows: list[dict[str, Any]]) -> None:
    file = write(format, rows)

    match format:
        case "xlsx":
            assert openpyxl.load_workbook(file)["Data"].max_row == 1
        case "parquet":
            assert parquet.read_table(file).num_rows == len(rows)
        case "csv":
            assert len(list(csv.DictReader(io.TextIOWrapper(file)))) == len(rows)
        case _:
            assert file.read().count(b"\n") == len(rows)


@pytest.mark.parametrize("format", FORMATS)
def test_every_column_of_a_record_is_exported(
    format: str, record: Callable[..., UsageRecord]
) -> None:
    full = record(
        input_tokens=5,
        audio_ms=1_500,
        extra_units='{"web_searches": 2}',
        metadata='{"a": "b"}',
    )
    shown = plain_record(Listed(7, full))

    file = write(format, [shown, plain_record(Listed(8, record()))], RECORD_HEADERS)

    match format:
        case "xlsx":
            rows = openpyxl.load_workbook(file)["Data"].iter_rows(values_only=True)
            found = dict(zip(*(next(rows), next(rows)), strict=True))
        case "parquet":
            found = parquet.read_table(file).to_pylist()[0]
        case "csv":
            found = next(csv.DictReader(io.TextIOWrapper(file)))
        case _:
            found = json.loads(file.readline())
    assert tuple(found) == RECORD_HEADERS
    assert float(found["audio_seconds"]) == 1.5
    assert int(found["input_tokens"]) == 5
    assert Decimal(str(found["cost_usd"])) == Decimal("2.5")
    assert float(found["web_searches"]) == 2
