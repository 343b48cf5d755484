"""CSV as every surface writes it.

Input: headers and rows of plain values. Output: lines with a header; what is not known is empty,
nested values are JSON, and no cell starts a formula in a spreadsheet.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

__all__ = ["FORMULA", "escape_cell", "write_csv_rows"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run what begins so (owasp.org, CSV injection); an apostrophe prevents it."""


def write_csv_rows(file: TextIO, headers: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a header line and the rows; members that no header names are left out."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(headers)
    for row in rows:
        values = map(row.get, headers)
        writer.writerow([value if value is None else escape_cell(value) for value in values])


def escape_cell(value: Any) -> Any:
    """Make the cell of a known value: a nested one is JSON, a formula begins with an apostrophe."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False) if value else ""
    if isinstance(value, str) and value.startswith(FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
