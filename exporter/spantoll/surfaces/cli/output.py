"""Write answers: data to stdout, everything else to stderr.

Input: headers and rows, or plain values. Output: a table, JSON or CSV; a table is plain text where
stdout is not a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spantoll.surfaces.cells import UNKNOWN, format_dollars, format_number
from spantoll.surfaces.csv_rows import write_csv_rows

__all__ = [
    "UNKNOWN",
    "format_dollars",
    "format_number",
    "write_csv",
    "write_json",
    "write_line",
    "write_notice",
    "write_table",
]

WIDE = 10_000
"""Columns of a console that is not a terminal: nothing is cut off or wrapped in a pipe."""


def write_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numeric: Iterable[str] = (),
    total: Sequence[str] | None = None,
    empty: str = "",
) -> None:
    """Write a table; plain text where stdout is no terminal.

    Where `empty` is given and there are no rows, it is written to stderr in the place of a header.
    """
    rows = list(rows)
    if empty and not rows:
        write_notice(empty)
        return
    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else WIDE, highlight=False)
    right = set(numeric)
    table = Table(box=box.SIMPLE_HEAD if terminal else None, show_footer=total is not None)
    table.pad_edge = False
    for i, header in enumerate(headers):
        table.add_column(
            Text(header),
            footer=Text(total[i]) if total else "",
            justify="right" if header in right else "left",
            no_wrap=header in right,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(Text(_escape(cell)) for cell in row))
    console.print(table)


def write_json(value: Any) -> None:
    """Write JSON; a list has one item a line."""
    if not isinstance(value, list):
        print(json.dumps(value, indent=2, ensure_ascii=False))
        return
    items = ",\n".join(json.dumps(item, ensure_ascii=False) for item in value)
    print(f"[\n{items}\n]" if items else "[]")


def write_csv(headers: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write CSV with a header line; what is not known is empty, nested values are JSON."""
    write_csv_rows(sys.stdout, headers, rows)


def write_line(line: str = "") -> None:
    """Write a line of an answer meant for people."""
    print(_escape(line))


def write_notice(line: str = "") -> None:
    """Write a line that is not data to stderr."""
    print(_escape(line), file=sys.stderr)


def _escape(text: str) -> str:
    """Escape what would move the cursor or change the terminal: text of spans is not trusted."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
