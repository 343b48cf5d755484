"""A workbook: a sheet for each export, more where its rows do not fit, and a sheet About.

Input: exports with the names of their sheets. Output: XLSX. Text is stored as text, so that no cell
starts a formula. Money and times are numbers, which a spreadsheet can add up: a double holds
amounts below a million dollars to the nano-dollar; CSV has every amount exactly. Times are on the
wall clock that they were given in, because a spreadsheet knows no zone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from spantoll.surfaces.exports.export import Export, format_nested, is_money, is_time

__all__ = ["write_workbook"]

ROWS = 1_048_575
"""Of a sheet, beside the headers (the limit of Excel's format)."""
LONGEST = 32_767
"""Characters of a cell (the same)."""
EXACT = 2**53
"""Integers from here on are not exact in a double, so they are text."""
About = Sequence[tuple[str, str]]
READING = (
    ("amounts", "as the spreadsheet holds them; CSV and JSON lines have them exactly"),
    ("empty cells", "not known"),
)
"""How the cells are to be read."""


def write_workbook(file: BinaryIO, sheets: Mapping[str, Export], about: About) -> None:
    """Write exports as sheets of a workbook, row by row; names have at most 31 characters."""
    options = {"constant_memory": True, "in_memory": False}
    with xlsxwriter.Workbook(file, options) as workbook:
        # no clock: the same export is the same file
        workbook.set_properties({"created": datetime(2000, 1, 1, tzinfo=UTC)})
        total = 0
        for name, export in sheets.items():
            writer = _RowWriter(workbook, name, export.headers)
            for row in export.rows:
                writer.write([row.get(header) for header in export.headers])
            total += writer.total
        sheet = workbook.add_worksheet("About")
        for number, (name, value) in enumerate((*about, ("rows", str(total)), *READING)):
            sheet.write_string(number, 0, name)
            sheet.write_string(number, 1, value[:LONGEST])


class _RowWriter:
    """Writes rows to the current sheet, and goes on in a new one where it is full."""

    def __init__(self, workbook: xlsxwriter.Workbook, name: str, headers: Sequence[str]) -> None:
        self.total = 0
        self._workbook = workbook
        self._name = name
        self._headers = headers
        self._bold = workbook.add_format({"bold": True})
        self._formats: dict[int, Format] = {
            column: workbook.add_format({"num_format": pattern})
            for column, header in enumerate(headers)
            if (pattern := _choose_pattern(header)) is not None
        }
        self._sheet = self._add_sheet()

    def write(self, values: Sequence[Any]) -> None:
        """Write one row."""
        if self.total and not self.total % ROWS:
            self._sheet = self._add_sheet()
        line = self.total % ROWS + 1
        for column, value in enumerate(values):
            if value is not None:
                self._write_cell(line, column, format_nested(value))
        self.total += 1

    def _add_sheet(self) -> Worksheet:
        number = self.total // ROWS + 1
        name = self._name if number == 1 else f"{self._name} {number}"
        sheet = self._workbook.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        for column, header in enumerate(self._headers):
            sheet.write_string(0, column, header, self._bold)
        return sheet

    def _write_cell(self, line: int, column: int, value: Any) -> None:
        sheet, style = self._sheet, self._formats.get(column)
        header = self._headers[column]
        if isinstance(value, bool):
            sheet.write_boolean(line, column, value)
        elif isinstance(value, (int, float)) and abs(value) < EXACT:
            sheet.write_number(line, column, value)
        elif isinstance(value, str) and is_money(header):
            sheet.write_number(line, column, float(value), style)
        elif isinstance(value, str) and is_time(header):
            time = datetime.fromisoformat(value).replace(tzinfo=None)
            sheet.write_datetime(line, column, time, style)
        elif value is not None:
            sheet.write_string(line, column, str(value)[:LONGEST])


def _choose_pattern(header: str) -> str | None:
    if is_money(header):
        return "0.00#######"
    return "yyyy-mm-dd hh:mm:ss" if is_time(header) else None
