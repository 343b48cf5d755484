"""CSV as every surface writes it.

Input: headers and rows of plain values. Output: lines with a header; what is not known is empty,
nested values are JSON, and no cell starts a formula in a spreadsheet. The `csv.writer` of Python
3.11 quotes no carriage return where lines end in a line feed: readers end the row there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

__all__ = ["FORMULA", "encode_cell", "escape_cell", "write_csv_rows"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run what begins so (owasp.org, CSV injection); an apostrophe prevents it."""

QUOTED = re.compile(r'[",\r\n]')
"""What a cell is quoted for (RFC 4180 section 2)."""


def write_csv_rows(file: TextIO, headers: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a header line and the rows; members that no header names are left out."""
    _write_line(file, map(_quote, headers))
    for row in rows:
        values = map(row.get, headers)
        _write_line(file, ["" if value is None else encode_cell(value) for value in values])


def _write_line(file: TextIO, cells: Iterable[str]) -> None:
    # A line of one cell that is empty would be none.
    file.write((",".join(cells) or '""') + "\n")


def encode_cell(value: Any) -> str:
    """Write a known value as a cell, in quotes where it needs them."""
    if type(value) is str:
        return _quote(value if value[:1] not in FORMULA else str(escape_cell(value)))
    return str(value) if type(value) is int else encode_cell(str(escape_cell(value)))


def _quote(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if QUOTED.search(cell) else cell


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
