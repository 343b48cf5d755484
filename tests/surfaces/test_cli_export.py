from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from pyarrow import parquet

from spantoll.query import RECORD_HEADERS
from spantoll.records import UsageRecord
from spantoll.surfaces.exports import Export, write_export
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


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_lines_of_records_are_those_of_their_rows(
    spantoll: Cli, stored: Stored, record: Record, format: str
) -> None:
    stored(
        [
            record(model='a,"b"', metadata='{"k":"ü","l":[1,{}]}', stream=True),
            record(user_id="=1+1", metadata=None, duration_ns=1_234_567),
        ]
    )
    rows = json.loads(spantoll("records", "-f", "json").out)
    expected = io.BytesIO()
    write_export(expected, Export(RECORD_HEADERS, rows), format=format)

    written = spantoll("export", "-", "--format", format)

    assert written.out == expected.getvalue().decode()


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


def test_costs_are_written_as_focus_by_day_model_and_owner(
    spantoll: Cli, stored: Stored, record: Record, tmp_path: Path
) -> None:
    who = {"provider": "openai", "project": "search", "customer_id": "acme", "input_tokens": 5}
    stored(
        [
            record(model="a", **who),
            record(model="a", **who),
            record(model="b", provider="openai"),
            record(model="c", pricing_status="unpriced"),
        ]
    )
    file = tmp_path / "focus.csv"

    result = spantoll("export", str(file), "--focus")

    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert (result.status, "in no row: 1." in result.err) == (0, True)
    assert [(row["x_Model"], row["BilledCost"]) for row in rows] == [
        ("a", "5.000000000"),
        ("b", "2.500000000"),
    ]
    first = rows[0]
    assert first["ChargePeriodStart"] == "2026-11-20T00:00:00Z"
    assert first["BillingPeriodEnd"] == "2026-12-01T00:00:00Z"
    assert (first["ProviderName"], first["SubAccountId"]) == ("openai", "search")
    assert json.loads(first["Tags"]) == {"customer_id": "acme", "project": "search"}
    assert (first["x_Requests"], first["x_InputTokens"]) == ("2", "10")


def test_focus_is_typed_in_parquet(spantoll: Cli, ledger: None, tmp_path: Path) -> None:
    file = tmp_path / "focus.parquet"

    spantoll("export", str(file), "--focus", "--where", "model=a")

    (row,) = parquet.read_table(file).to_pylist()
    assert row["EffectiveCost"] == Decimal("5.000000000")
    assert row["BillingPeriodStart"] == datetime(2026, 11, 1, tzinfo=UTC)


def test_sums_are_exported_with_the_options_of_usage(
    spantoll: Cli, stored: Stored, record: Record, tmp_path: Path
) -> None:
    stored([record(model=model) for model in ("a", "a", "b", "c")])
    options = ("--by", "model", "--measure", "requests", "--order", "-requests")
    more = (*options, "--limit", "1", "--others")

    spantoll("export", str(tmp_path / "sums.csv"), *more)

    shown = spantoll("usage", *more, "-f", "csv").out
    assert (tmp_path / "sums.csv").read_text().splitlines() == shown.splitlines()
    assert len(shown.splitlines()) == 3


def test_options_of_sums_are_refused_for_records(spantoll: Cli, ledger: None) -> None:
    result = spantoll("export", "records.csv", "--others")

    assert (result.status, "--by" in result.err) == (2, True)


def test_focus_takes_no_split_of_its_own(spantoll: Cli, ledger: None, tmp_path: Path) -> None:
    result = spantoll("export", str(tmp_path / "x.csv"), "--focus", "--by", "model")

    assert (result.status, "--focus" in result.err) == (2, True)
