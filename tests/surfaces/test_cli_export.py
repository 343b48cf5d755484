from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import openpyxl
import pytest
from pyarrow import parquet

from spantoll.records import UsageRecord
from tests.surfaces.conftest import Cli

Record = Callable[..., UsageRecord]
Stored = Callable[[Sequence[UsageRecord]], None]


@pytest.fixture
def ledger(stored: Stored, record: Record) -> None:
    stored([record(model="a"), record(model="a"), record(model="b", pricing_status="unpriced")])


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "xlsx", "parquet"])
def test_records_are_written_in_the_format_of_the_file(
    spantoll: Cli, ledger: None, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"records.{suffix}"

    result = spantoll("export", str(file), "--where", "model=a")

    assert (result.status, result.err) == (0, "")
    assert [each.name for each in tmp_path.glob("records*")] == [file.name]
    match suffix:
        case "csv":
            count = len(list(csv.DictReader(file.read_text().splitlines())))
        case "jsonl":
            count = len(file.read_text().splitlines())
        case "xlsx":
            count = openpyxl.load_workbook(file)["Data"].max_row - 1
        case _:
            count = parquet.read_table(file).num_rows
    assert count == 2


def test_sums_are_written_with_what_they_leave_out(
    spantoll: Cli, ledger: None, tmp_path: Path
) -> None:
    file = tmp_path / "sums.xlsx"

    spantoll("export", str(file), "--by", "model", "--measure", "cost")

    workbook = openpyxl.load_workbook(file)
    about = dict(workbook["About"].iter_rows(values_only=True))
    assert workbook["Data"].max_row == 3
    assert (about["calls without a price"], about["exact USD"]) == ("1", "5.000000000")


@pytest.mark.parametrize(
    ("name", "said"),
    [("records.doc", "end it in .csv"), ("missing/records.csv", "No such file")],
)
def test_a_file_that_cannot_be_written_is_refused(
    spantoll: Cli, ledger: None, tmp_path: Path, name: str, said: str
) -> None:
    result = spantoll("export", str(tmp_path / name))

    assert result.status == 2
    assert said in result.err
