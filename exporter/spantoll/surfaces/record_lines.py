"""Records as lines of CSV or JSON, many at a time.

Input: columns of `plain_columns`, encoded by the `encode` of a format. Output: text, one line
for each record. A column whose values are all the same is written once, into the template of the
lines: an export so costs what differs between its records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from spantoll.surfaces.csv_rows import FORMULA, escape_cell

if TYPE_CHECKING:
    from spantoll.query import PlainColumn

__all__ = ["LINE_FORMATS", "LineFormat"]

QUOTED = re.compile(r'[",\r\n]')
"""What a cell is quoted for (RFC 4180 section 2)."""


class LineFormat(NamedTuple):
    """How the lines of a format are made."""

    encode: Callable[[Any], str]
    """Write one plain value; None is unknown."""
    write_header: Callable[[Sequence[str]], str]
    """Write what precedes the lines."""
    frame: Callable[[Sequence[str], Sequence[str]], str]
    """Join the names and the encoded values of a record to its line."""

    def write_rows(self, headers: Sequence[str], columns: Sequence[PlainColumn]) -> str:
        """Write the lines of some records, at least one."""
        template = self.frame(
            [_escape_percent(header) for header in headers],
            [_escape_percent(each.values[0]) if each.is_constant else "%s" for each in columns],
        )
        varying = [each.values for each in columns if not each.is_constant]
        if not varying:
            return template % () * len(columns[0].values)
        return "".join(map(template.__mod__, zip(*varying, strict=True)))


def _encode_csv(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is str:  # compared by identity: this runs for every cell that varies
        cell = value if value[:1] not in FORMULA else str(escape_cell(value))
        return '"' + cell.replace('"', '""') + '"' if QUOTED.search(cell) else cell
    return str(value) if type(value) is int else _encode_csv(str(escape_cell(value)))


def _frame_csv(headers: Sequence[str], cells: Sequence[str]) -> str:
    return ",".join(cells) + "\n"


def _encode_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _frame_json(headers: Sequence[str], cells: Sequence[str]) -> str:
    members = (f'"{header}": {cell}' for header, cell in zip(headers, cells, strict=True))
    return "{" + ", ".join(members) + "}\n"


def _escape_percent(text: str) -> str:
    return text.replace("%", "%%")


LINE_FORMATS: Mapping[str, LineFormat] = {
    "csv": LineFormat(_encode_csv, lambda headers: _frame_csv((), headers), _frame_csv),
    "jsonl": LineFormat(_encode_json, lambda headers: "", _frame_json),
}
