"""The formats of exports: CSV, JSON lines, XLSX and Parquet.

Input: an `Export`. Output: bytes in a file, written as the rows are read: memory does not grow with
them. XLSX and Parquet need an extra, which the error names.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from spantoll.errors import ConfigurationError
from spantoll.surfaces.csv_rows import write_csv_rows
from spantoll.surfaces.exports.export import Export

__all__ = ["FORMATS", "ExportFormat", "write_export", "write_sheets"]


class ExportFormat(NamedTuple):
    """How an export is written."""

    media_type: str
    write: Callable[[BinaryIO, Export], None]


def write_export(file: BinaryIO, export: Export, *, format: str) -> None:
    """Write an export in a format of FORMATS. Raises ConfigurationError without its extra."""
    if (lines := export.lines.get(format)) is not None:
        file.writelines(text.encode() for text in lines)
    else:
        FORMATS[format].write(file, export)


def _write_csv(file: BinaryIO, export: Export) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    try:
        write_csv_rows(text, export.headers, export.rows)
    finally:
        text.detach()


def _write_json_lines(file: BinaryIO, export: Export) -> None:
    for row in export.rows:
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def write_sheets(
    file: BinaryIO, sheets: Mapping[str, Export], *, about: Sequence[tuple[str, str]]
) -> None:
    """Write exports as sheets of one XLSX. Raises ConfigurationError without its extra."""
    try:
        from spantoll.surfaces.exports.xlsx import write_workbook
    except ModuleNotFoundError as error:
        raise _name_extra(error, "xlsxwriter", extra="excel") from None
    write_workbook(file, sheets, about)


def _write_xlsx(file: BinaryIO, export: Export) -> None:
    write_sheets(file, {"Data": export}, about=export.about)


def _write_parquet(file: BinaryIO, export: Export) -> None:
    try:
        from spantoll.surfaces.exports.parquet import write_parquet
    except ModuleNotFoundError as error:
        raise _name_extra(error, "pyarrow", extra="parquet") from None
    write_parquet(file, export)


def _name_extra(error: ModuleNotFoundError, module: str, *, extra: str) -> Exception:
    if (error.name or "").partition(".")[0] != module:
        return error
    return ConfigurationError(f"this format needs pip install 'spantoll[{extra}]'")


FORMATS: Mapping[str, ExportFormat] = {
    "csv": ExportFormat("text/csv", _write_csv),
    "jsonl": ExportFormat("application/jsonl", _write_json_lines),
    "xlsx": ExportFormat(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", _write_xlsx
    ),
    "parquet": ExportFormat("application/vnd.apache.parquet", _write_parquet),
}
"""By the name of the format, which is the suffix of its files too."""
