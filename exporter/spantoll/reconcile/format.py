"""What a bill format is: how it is recognised, and how a row becomes lines.

Input of a format: a `BillRow` and its day. Output: `BillLine`s or `LeftOut`. A format is a value;
adding one is a file in `formats/` and its name in the list there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Literal, NamedTuple

from spantoll.reconcile.line import BillLine, LeftOut
from spantoll.reconcile.rows import BillRow

__all__ = ["BillFormat", "check_currency"]

UTC = "UTC"

ReadRow = Callable[[BillRow, date, str], Sequence[BillLine] | LeftOut]
"""Reads a row of a day for a provider. Raises BillError, which names row and column."""


class BillFormat(NamedTuple):
    """One kind of file that one provider writes."""

    name: str
    provider: str | None
    """Canonical; None: any provider."""
    kind: Literal["usage", "cost"]
    """A cost export has amounts; a usage export has counters only."""
    required: tuple[tuple[str, ...], ...]
    """The file has one column of each group, else it is of another format."""
    day: tuple[str, ...]
    """The column with the day, by its alternative names."""
    zone: str | None
    """IANA zone of its days; None: the format states none, the user does."""
    read: ReadRow
    source: str
    """Where the provider documents it, or where a real export was seen."""

    def matches(self, columns: frozenset[str]) -> bool:
        """Return True if a file with these columns is of this format."""
        return all(any(name in columns for name in group) for group in self.required)


def check_currency(row: BillRow, *columns: str) -> None:
    """Raise BillError where a row is in another currency than USD."""
    currency = row.read_text(*columns)
    if currency is not None and currency.lower() != "usd":
        present = next(name for name in columns if row.fields.get(name))
        raise row.make_error(
            present, f"{currency!r}: the ledger is in USD, and so must the bill be"
        )
