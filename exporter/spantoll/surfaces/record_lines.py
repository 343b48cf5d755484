"""Records as lines of CSV or JSON, many at a time.

Input: columns of `plain_columns`, encoded by the `encoding` of a format. Output: text, one line
for each record. What is the same in all of these lines is joined once: an export so costs what
differs between its records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, NamedTuple

import orjson

from spantoll.query import Encoding, PlainColumn
from spantoll.surfaces.csv_rows import FORMULA, escape_cell

__all__ = ["LINE_FORMATS", "LineFormat"]

QUOTED = re.compile(r'[",\r\n]')
"""What a cell is quoted for (RFC 4180 section 2)."""


class LineFormat(NamedTuple):
    """How the lines of a format are made."""

    encoding: Encoding
    write_header: Callable[[Sequence[str]], str]
    """Write what precedes the lines."""
    list_prefixes: Callable[[Sequence[str]], Sequence[str]]
    """List what precedes the value of each header in a line."""
    end: str
    """Of a line."""

    def write_rows(self, headers: Sequence[str], columns: Sequence[PlainColumn]) -> str:
        """Write the lines of some records, at least one."""
        pieces: list[Iterable[str]] = []
        same = ""
        for prefix, column in zip(self.list_prefixes(headers), columns, strict=True):
            if column.is_constant:
                same += prefix + column.values[0]
            else:
                pieces += [repeat(same + prefix), column.values]
                same = ""
        ends = [same + self.end] * len(columns[0].values)
        return "".join(chain.from_iterable(zip(*pieces, ends, strict=False)))


def _encode_csv(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is str:  # compared by identity: this runs for every cell that varies
        cell = value if value[:1] not in FORMULA else str(escape_cell(value))
        return '"' + cell.replace('"', '""') + '"' if QUOTED.search(cell) else cell
    return str(value) if type(value) is int else _encode_csv(str(escape_cell(value)))


def _encode_json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _list_csv_prefixes(headers: Sequence[str]) -> list[str]:
    return ["", *("," for _ in headers[1:])]


def _list_json_prefixes(headers: Sequence[str]) -> list[str]:
    first, *others = (f'"{header}": ' for header in headers)
    return ["{" + first, *(f", {other}" for other in others)]


LINE_FORMATS: Mapping[str, LineFormat] = {
    "csv": LineFormat(
        Encoding(_encode_csv, ""),
        lambda headers: ",".join(headers) + "\n",
        _list_csv_prefixes,
        "\n",
    ),
    "jsonl": LineFormat(Encoding(_encode_json, '"'), lambda _: "", _list_json_prefixes, "}\n"),
}
