from __future__ import annotations

import io
from collections.abc import Callable

import openpyxl
import pytest
from pyarrow import parquet
from starlette.testclient import TestClient

from spantoll.query import record_parts
from spantoll.records import UsageRecord
from tests.surfaces.rest.conftest import API, Stored

Make = Callable[..., UsageRecord]


def count_rows(format: str, content: bytes) -> int:
    match format:
        case "xlsx":
            return int(openpyxl.load_workbook(io.BytesIO(content))["Data"].max_row) - 1
        case "parquet":
            return int(parquet.read_table(io.BytesIO(content)).num_rows)
    return content.count(b"\n") - (format == "csv")


@pytest.mark.parametrize("format", ["csv", "jsonl", "xlsx", "parquet"])
def test_all_records_are_exported_part_by_part(
    client: TestClient,
    stored: Stored,
    record: Make,
    monkeypatch: pytest.MonkeyPatch,
    format: str,
) -> None:
    monkeypatch.setattr(record_parts, "PART", 2)
    stored([record(model="a") for _ in range(5)] + [record(model="b")])

    response = client.get(f"{API}/exports/records?model=a&format={format}")

    assert response.status_code == 200
    assert f'filename="records.{format}"' in response.headers["content-disposition"]
    assert count_rows(format, response.content) == 5


@pytest.mark.parametrize("format", ["xlsx", "parquet"])
@pytest.mark.parametrize("path", ["usage/query?by=model&", "records?", "providers?"])
def test_every_answer_is_written_in_every_format(
    client: TestClient, stored: Stored, record: Make, path: str, format: str
) -> None:
    stored([record(model="a"), record(model="b")])

    by_name = client.get(f"{API}/{path}format={format}")
    accepted = {"Accept": by_name.headers["content-type"]}
    by_header = client.get(f"{API}/{path.rstrip('?&')}", headers=accepted)

    assert by_name.content == by_header.content
    assert count_rows(format, by_name.content) >= 2
