"""Rows of a bill, whatever the file: CSV with a header, or JSON pages of an admin API; gzip or not.

Input: the path of a file. Output: its columns, and rows whose fields are read by column name.
Nested JSON names are joined by dots, as `amount.value`; a bucket's fields are those of its results.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from spantoll.errors import BillError

__all__ = ["BillRow", "Table", "read_table"]

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
YES = frozenset({"true", "1", "yes"})
NO = frozenset({"false", "0", "no"})

LARGEST, SMALLEST = 18, -40
"""Powers of ten: OpenAI's amounts have up to 30 decimal places; no bill has a quintillion."""
FIRST_YEAR, LAST_YEAR = 1971, 2261
"""What integer nanoseconds hold, with a day to spare."""


class BillRow(NamedTuple):
    """One row. Its readers take alternative names of one column and raise BillError."""

    file: str
    number: int
    """The line of a CSV file, the header being line 1; the position of a JSON result, from 1."""
    fields: Mapping[str, str]
    zone: ZoneInfo
    """The zone of dates, and of times without an offset."""

    def make_error(self, column: str, problem: str) -> BillError:
        """Make the error that names this row and the column."""
        return BillError(problem, file=self.file, row=self.number, column=column)

    def read_text(self, *columns: str) -> str | None:
        """Read the first of these columns that is not empty."""
        return next((value for name in columns if (value := self.fields.get(name))), None)

    def read_number(self, *columns: str) -> Decimal | None:
        """Read a decimal number; None where it is empty."""
        column, value = self._find_field(columns)
        if value is None:
            return None
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise self.make_error(column, f"{value!r} is not a number such as 1234.56") from None
        if not number.is_finite():
            raise self.make_error(column, f"{value!r} is not a finite number")
        if number and (number.adjusted() > LARGEST or int(number.as_tuple().exponent) < SMALLEST):
            raise self.make_error(column, f"{value!r} is too large or has too many decimal places")
        return number

    def read_count(self, *columns: str) -> Decimal | None:
        """Read a whole number of at least 0 (`12.0` is one); None where it is empty."""
        number = self.read_number(*columns)
        if number is not None and (number < 0 or number != number.to_integral_value()):
            raise self.make_error(
                self._find_field(columns)[0], f"{number} is not a whole number of at least 0"
            )
        return number

    def read_flag(self, *columns: str) -> bool:
        """Read true or false; an empty field is false."""
        column, value = self._find_field(columns)
        if value is None or value.lower() in NO:
            return False
        if value.lower() not in YES:
            raise self.make_error(column, f"{value!r} is neither true nor false")
        return True

    def read_day(self, *columns: str) -> date:
        """Read a date, a time in ISO 8601 or Unix seconds as a day of the bill's zone."""
        column, value = self._find_field(columns)
        if value is None:
            raise self.make_error(column, "is empty: every row needs a day")
        try:
            if value.isdecimal() and len(value) > len("20261120"):
                time = datetime.fromtimestamp(int(value), UTC)
            else:
                time = datetime.fromisoformat(value.removesuffix(" UTC"))
        except (ValueError, OverflowError, OSError):
            raise self.make_error(column, f"{value!r} is not a date such as 2026-11-20") from None
        day = (time.astimezone(self.zone) if time.tzinfo else time).date()
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise self.make_error(column, f"{value!r} is not between {FIRST_YEAR} and {LAST_YEAR}")
        return day

    def _find_field(self, columns: tuple[str, ...]) -> tuple[str, str | None]:
        """Find the first of the columns that is not empty, or else the first that is there."""
        for name in columns:
            if value := self.fields.get(name):
                return name, value
        return next((name for name in columns if name in self.fields), columns[0]), None


class Table(NamedTuple):
    """The rows of one file."""

    columns: frozenset[str]
    rows: Iterator[BillRow]
    complete: bool = True
    """False where a page of JSON says that more pages follow which the file does not have."""


def read_table(path: Path, *, zone: ZoneInfo) -> Table:
    """Open a file. Raises BillError when it cannot be read as CSV or JSON."""
    file = path.name
    try:
        raw = path.read_bytes()
        if raw.startswith(GZIP):
            raw = gzip.decompress(raw)
        if raw.startswith(PARQUET):
            raise BillError("is Parquet: export CSV instead", file=file)
        text = raw.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise BillError(f"cannot be read: {error}", file=file) from None
    except UnicodeDecodeError:
        raise BillError("is not text in UTF-8", file=file) from None
    if text.lstrip().startswith(("{", "[")):
        return _read_json(file, text, zone)
    return _read_csv(file, text, zone)


def _read_csv(file: str, text: str, zone: ZoneInfo) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise BillError(f"is not CSV: {error}", file=file, row=1) from None
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise BillError("appears twice in the header", file=file, row=1, column=twice)

    def rows() -> Iterator[BillRow]:
        try:
            for values in reader:
                number = reader.line_num
                if not any(value.strip() for value in values):
                    continue
                if len(values) != len(header):
                    raise BillError(
                        f"has {len(values)} fields, the header {len(header)}", file=file, row=number
                    )
                fields = dict(zip(header, map(str.strip, values), strict=True))
                yield BillRow(file, number, fields, zone)
        except csv.Error as error:
            raise BillError(f"is not CSV: {error}", file=file, row=reader.line_num) from None

    return Table(frozenset(header), rows())


def _read_json(file: str, text: str, zone: ZoneInfo) -> Table:
    """Read one page of an admin API, or a list of its pages: `data`, buckets, `results`."""
    try:
        parsed = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise BillError(f"is not JSON: {error}", file=file) from None
    pages = parsed if isinstance(parsed, list) else [parsed]
    found: list[BillRow] = []
    for page in pages:
        buckets = page.get("data") if isinstance(page, dict) else None
        if not isinstance(buckets, list) or not all(isinstance(each, dict) for each in buckets):
            raise BillError("is not a page of an admin API: it has no list `data`", file=file)
        for bucket in buckets:
            results = bucket.get("results")
            shared = _flatten({name: value for name, value in bucket.items() if name != "results"})
            # A bucket without results is a day without charges: a row of its bounds only.
            for result in results if isinstance(results, list) and results else [{}]:
                fields = shared | (_flatten(result) if isinstance(result, dict) else {})
                found.append(BillRow(file, len(found) + 1, fields, zone))
    columns = frozenset(name for row in found for name in row.fields)
    return Table(columns, iter(found), complete=not (pages and pages[-1].get("has_more")))


def _flatten(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            flat |= _flatten(item, f"{prefix}{name}.")
        else:
            flat[prefix + name] = "" if item is None else str(item)
    return flat
