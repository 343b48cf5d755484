"""Records as lines of CSV or JSON, many at a time.

Input: a query, or columns of `plain_columns`, encoded by the `encoding` of a format. Output: text,
one line for each record. What is the same in all of these lines is joined once: an export so costs
what differs between its records.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Engine

from spantoll.query import (
    RECORD_HEADERS,
    RECORD_SOURCES,
    Encoding,
    PlainColumn,
    RecordQuery,
    TraceUrl,
    iterate_parts,
    plain_columns,
)
from spantoll.surfaces.csv_rows import FORMULA, encode_cell

__all__ = ["LINE_FORMATS", "SPACED_JSON_LINES", "LineFormat", "iterate_lines"]

FORMULA_IN_LINES = re.compile(f"\n[{re.escape(''.join(FORMULA))}]")

TOGETHER = 32
"""Lines of one text: less than 128 kB, for which malloc asks no new pages of the system."""


class LineFormat(NamedTuple):
    """How the lines of a format are made."""

    encoding: Encoding
    write_header: Callable[[Sequence[str]], str]
    """Write what precedes the lines."""
    list_prefixes: Callable[[Sequence[str]], Sequence[str]]
    """List what precedes the value of each header in a line."""
    end: str
    """Of a line."""

    def write_rows(self, headers: Sequence[str], columns: Sequence[PlainColumn]) -> Iterator[str]:
        """Write the lines of some records, at least one, a few at a time."""
        pieces: list[Iterable[str]] = []
        same = ""
        for prefix, column in zip(self.list_prefixes(headers), columns, strict=True):
            if column.is_constant:
                same += prefix + column.values[0]
            else:
                pieces += [repeat(same + prefix), column.values]
                same = ""
        ends = [same + self.end] * len(columns[0].values)
        rows = zip(*pieces, ends, strict=False)
        while text := "".join(chain.from_iterable(islice(rows, TOGETHER))):
            yield text


def iterate_lines(
    engine: Engine, query: RecordQuery, format: LineFormat, links: TraceUrl | None = None
) -> Iterator[str]:
    """Write all records of a query, newest first, and what precedes them, a few at a time.

    Raises StoreUnavailable.
    """
    yield format.write_header(RECORD_HEADERS)
    for part in iterate_parts(engine, query, RECORD_SOURCES):
        columns = plain_columns(part, links, encoding=format.encoding)
        yield from format.write_rows(RECORD_HEADERS, columns)


def _encode_csv(values: Sequence[Any]) -> list[str]:
    cells = ["" if value is None else value for value in values]
    return cells if _are_plain_cells(cells) else list(map(encode_cell, cells))


def _are_plain_cells(cells: Sequence[Any]) -> bool:
    """Return True if all is text that is written as it is: one search is faster than one a cell."""
    try:
        text = "\n" + "\n".join(cells)
    except TypeError:  # a number, a boolean or a nested value
        return False
    return not (
        '"' in text
        or "," in text
        or "\r" in text
        or text.count("\n") > len(cells)
        or FORMULA_IN_LINES.search(text)
    )


def _encode_json(values: Sequence[Any], dump: Callable[[Any], str]) -> list[str]:
    known = [value for value in values if value is not None]
    if _needs_no_escape(known):
        return ["null" if value is None else f'"{value}"' for value in values]
    return list(map(dump, values))


def _needs_no_escape(values: Sequence[Any]) -> bool:
    """Return True if all is text that JSON only encloses in quotes."""
    try:
        text = " ".join(values)
    except TypeError:
        return False
    return text.isprintable() and '"' not in text and "\\" not in text


def _dump_compact(value: Any) -> str:
    return orjson.dumps(value).decode()


def _dump_spaced(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list_csv_prefixes(headers: Sequence[str]) -> list[str]:
    return ["", *("," for _ in headers[1:])]


def _list_json_prefixes(headers: Sequence[str]) -> list[str]:
    first, *others = (f'"{header}": ' for header in headers)
    return ["{" + first, *(f", {other}" for other in others)]


LINE_FORMATS: Mapping[str, LineFormat] = {
    "csv": LineFormat(
        Encoding(_encode_csv, "", ""),
        lambda headers: ",".join(headers) + "\n",
        _list_csv_prefixes,
        "\n",
    ),
    "jsonl": LineFormat(
        Encoding(partial(_encode_json, dump=_dump_compact), "null", '"'),
        lambda _: "",
        _list_json_prefixes,
        "}\n",
    ),
}

SPACED_JSON_LINES = LINE_FORMATS["jsonl"]._replace(
    encoding=Encoding(partial(_encode_json, dump=_dump_spaced), "null", '"')
)
"""With a space after each comma and colon of nested values, as `json` writes rows that are sums."""
