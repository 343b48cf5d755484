"""Read a file of a provider as a bill.

Input: a path, the provider, the zone of days where the format states none. Output: `Bill`. The
format is recognised by the columns; a row that cannot be read ends the reading, with its number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from spantoll.errors import BillError, QueryError
from spantoll.query.windows import find_zone
from spantoll.reconcile.format import BillFormat
from spantoll.reconcile.formats import FORMATS
from spantoll.reconcile.line import Bill, BillLine, LeftOut, join_left_out
from spantoll.reconcile.rows import Table, read_table
from spantoll.semconv.providers import canonical

__all__ = ["ANY", "read_bill", "read_bills"]

ANY = "generic"
"""In place of a provider: each row names its own."""


def read_bills(paths: Sequence[Path], provider: str, *, tz: str | None = None) -> list[Bill]:
    """Read several files; as `read_bill`, and BillError where two have the same rows."""
    bills: list[Bill] = []
    for path in paths:
        bill = read_bill(path, provider, tz=tz)
        for other in bills:
            if bill.lines and bill.lines == other.lines:
                raise BillError(f"has the same rows as {other.file}", file=bill.file)
        bills.append(bill)
    return bills


def read_bill(path: Path, provider: str, *, tz: str | None = None) -> Bill:
    """Read one file; `tz` is the zone of its days, for formats that state none.

    Raises BillError naming file, row and column, QueryError for an unknown zone or a zone given
    for a format that states its own.
    """
    wanted = _find_provider(provider)
    table = read_table(path, zone=find_zone(tz or "UTC"))
    format = _find_format(path.name, table, wanted)
    if format.zone is not None and tz is not None and tz != format.zone:
        raise QueryError(f"tz: the days of {format.name} are {format.zone}", field="tz")
    lines: list[BillLine] = []
    days: set[date] = set()
    left_out: defaultdict[str, list[LeftOut]] = defaultdict(list)
    for row in table.rows:
        day = row.read_day(*format.day)
        days.add(day)
        read = format.read(row, day, wanted)
        if isinstance(read, LeftOut):
            left_out[read.reason].append(read)
        else:
            lines.extend(read)
    if not days:
        raise BillError("has no rows: there is nothing to compare", file=path.name)
    kind = format.kind
    if not any(line.amount_usd is not None for line in lines):
        kind = "usage" if lines else kind
    return Bill(
        file=path.name,
        format=format.name,
        provider=wanted,
        kind=kind,
        lines=tuple(lines),
        days=frozenset(days),
        left_out=join_left_out(left_out),
        notes=() if table.complete else (f"{path.name} says that further pages follow (has_more)",),
    )


def _find_provider(name: str) -> str:
    """Find the canonical name of a provider; empty for `generic`."""
    return "" if name == ANY else canonical(name) or name


def _find_format(file: str, table: Table, provider: str) -> BillFormat:
    candidates = [each for each in FORMATS if each.provider in (None, provider)]
    for format in candidates:
        if format.matches(table.columns):
            return format
    raise BillError(
        f"is of no format known for {provider or ANY}: it has the columns "
        f"{', '.join(sorted(table.columns)) or 'of an empty file'}; {_describe(candidates)}",
        file=file,
    )


def _describe(formats: Iterable[BillFormat]) -> str:
    return "; ".join(
        f"{each.name} needs {', '.join(group[0] for group in each.required)}" for each in formats
    )
