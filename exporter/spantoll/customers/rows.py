"""Customer prices as flat rows: what CSV, JSON and the command line give and take.

Input: rows of named values. Output: customer prices, and back. The field that
is given says what kind of price a row is. A markup whose unit may have been mistaken is refused.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from spantoll.customers.price import ANY, CustomerPrice, format_number
from spantoll.customers.times import format_time
from spantoll.errors import CustomerPriceError
from spantoll.pricing.own_units import parse_metric, parse_per

__all__ = ["ROW_FIELDS", "MarkupUnit", "parse_rows", "read_row", "read_rows", "write_rows"]

ROW_FIELDS: Final = (
    *("id", "customer", "provider", "model", "unit"),
    *("markup_percent", "markup", "discount_percent", "discount"),
    *("price", "per", "included", "minimum", "currency"),
    *("valid_from", "valid_to", "tenant"),
)
"""`markup_percent` 30 and `markup` 0.3 mean the same."""

ALIASES: Final[Mapping[str, str]] = {
    "customer_id": "customer",
    "metric": "unit",
    "model_name": "model",
    "price_per_unit": "price",
    "tenant_id": "tenant",
    "vendor": "provider",
    "vendor_name": "provider",
}

MarkupUnit = Literal["percent", "fraction"]

LEAST_PERCENT: Final = 1
"""A percentage below it, 0.3, is more often meant as 30 %, as is ..."""
MOST_FRACTION: Final = 2
"""... a fraction from it on, 30."""

_SHARES: Final = ("markup", "discount")
_AMOUNTS: Final = ("price", "included", "minimum")
_KINDS: Final[Mapping[str, Any]] = {"price": "fixed"}

_VALUE: Final = r"\(((?:[^()']|'(?:[^']|'')*')*)\)"
_VALUES: Final = re.compile(_VALUE)
_INSERT: Final = re.compile(
    r"INSERT\s+INTO\s+[`\"]?customer_pricing[`\"]?\s*\((?P<columns>[^)]*)\)\s*VALUES\s*"
    rf"(?P<rows>{_VALUE}(?:\s*,\s*{_VALUE})*)",
    re.IGNORECASE,
)

ParseTime = Callable[[str], int]


def parse_rows(text: str) -> list[dict[str, Any]]:
    """Read CSV with a header, a JSON list, or INSERT statements of a table `customer_pricing`.

    Raises CustomerPriceError.
    """
    stripped = text.lstrip("\ufeff").strip()
    if stripped.startswith("["):
        try:
            rows = json.loads(stripped, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            raise CustomerPriceError(f"not JSON: {error}") from None
        if not all(isinstance(row, dict) for row in rows):
            raise CustomerPriceError("not a JSON list of objects")
        return list(rows)
    if _INSERT.search(stripped):
        return list(_read_inserts(stripped))
    reader = csv.DictReader(io.StringIO(stripped), restkey="", strict=True)
    try:
        return [dict(row) for row in reader]
    except csv.Error as error:
        raise CustomerPriceError(f"row {reader.line_num}: {error}") from None


def read_rows(
    rows: Iterable[Mapping[str, Any]],
    *,
    parse_time: ParseTime,
    markup_unit: MarkupUnit | None = None,
) -> tuple[CustomerPrice, ...]:
    """Read flat rows, all or none. Raises CustomerPriceError naming the first one that is wrong."""
    prices: list[CustomerPrice] = []
    for number, row in enumerate(rows, start=1):
        try:
            prices.append(read_row(row, parse_time=parse_time, markup_unit=markup_unit))
        except CustomerPriceError as error:
            raise CustomerPriceError(f"row {number} of the file: {error}") from None
    return tuple(prices)


def read_row(
    row: Mapping[str, Any], *, parse_time: ParseTime, markup_unit: MarkupUnit | None = None
) -> CustomerPrice:
    """Read one flat row. Raises CustomerPriceError.

    `markup_unit` says what markups and discounts are in, whatever their field is called.
    """
    given = _list_given(row)
    amounts = _read_amounts(given, markup_unit)
    if len(amounts) != 1:
        found = ", ".join(amounts) or "none"
        raise CustomerPriceError(
            "give one of markup_percent, markup, discount_percent, discount, price, included, "
            f"minimum; found: {found}"
        )
    ((kind, amount),) = amounts.items()
    metric, per = given.get("unit", ANY), 1
    if kind == "price" and "unit" in given:
        metric, per = _read_unit(given)
    return CustomerPrice(
        kind=_KINDS.get(kind, kind),
        amount=amount,
        customer_id=given.get("customer", ANY),
        provider=given.get("provider", ANY),
        model=given.get("model", ANY),
        metric=metric,
        per=per,
        currency=given.get("currency", "USD"),
        valid_from_ns=parse_time(given["valid_from"]) if "valid_from" in given else 0,
        valid_to_ns=parse_time(given["valid_to"]) if "valid_to" in given else None,
        tenant_id=given.get("tenant", "default"),
    )


def write_rows(prices: Iterable[CustomerPrice]) -> list[dict[str, str]]:
    """Write rows that `read_rows` reads back; those that never hold are left out."""
    rows = [_write_price(row) for row in prices if row.valid_to_ns != row.valid_from_ns]
    return [{name: row[name] for name in ROW_FIELDS if row.get(name)} for row in rows]


def _write_price(row: CustomerPrice) -> dict[str, str]:
    written = {
        "id": str(row.id or ""),
        "customer": row.customer_id,
        "provider": row.provider,
        "model": row.model,
        "unit": row.metric,
        "tenant": row.tenant_id,
        **_write_period(row),
    }
    amount = format_number(row.amount)
    match row.kind:
        case "markup" | "discount":
            percent = format_number(row.amount * 100)
            return written | {row.kind: amount, f"{row.kind}_percent": percent}
        case "fixed":
            return written | {"price": amount, "per": str(row.per), "currency": row.currency}
        case "included":
            return written | {"included": amount}
        case "minimum":
            return written | {"minimum": amount, "currency": row.currency}


def _write_period(row: CustomerPrice) -> dict[str, str]:
    end_ns = row.valid_to_ns
    return {
        "valid_from": format_time(row.valid_from_ns) if row.valid_from_ns else "",
        "valid_to": format_time(end_ns) if end_ns is not None else "",
    }


def _list_given(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields that have a value, as text by their own names."""
    given: dict[str, str] = {}
    for name, value in row.items():
        text = "" if value is None else str(value).strip()
        field = ALIASES.get(name, name)
        if field not in ROW_FIELDS:
            raise CustomerPriceError(f"unknown field {name!r}; one of {', '.join(ROW_FIELDS)}")
        if text and field in given:
            raise CustomerPriceError(f"{field} is given twice")
        if text:
            given[field] = text
    return given


def _read_amounts(given: Mapping[str, str], markup_unit: MarkupUnit | None) -> dict[str, Decimal]:
    amounts = {name: _read_number(name, given[name]) for name in _AMOUNTS if name in given}
    for name in _SHARES:
        percent, fraction = given.get(f"{name}_percent"), given.get(name)
        if percent is not None and fraction is not None:
            share = _read_number(name, fraction)
            if share * 100 != _read_number(f"{name}_percent", percent):
                raise CustomerPriceError(f"{name} {fraction} is not {percent} percent")
            amounts[name] = share
        elif percent is not None:
            amounts[name] = _read_percent(f"{name}_percent", percent, markup_unit)
        elif fraction is not None:
            amounts[name] = _read_fraction(name, fraction, markup_unit)
    return amounts


def _read_percent(name: str, text: str, unit: MarkupUnit | None) -> Decimal:
    number = _read_number(name, text)
    if unit is None and 0 < number < LEAST_PERCENT:
        raise _refuse_ambiguous(name, number)
    return number if unit == "fraction" else number / 100


def _read_fraction(name: str, text: str, unit: MarkupUnit | None) -> Decimal:
    number = _read_number(name, text)
    if unit is None and number >= MOST_FRACTION:
        raise _refuse_ambiguous(name, number)
    return number / 100 if unit == "percent" else number


def _refuse_ambiguous(name: str, number: Decimal) -> CustomerPriceError:
    share = name.removesuffix("_percent")
    as_percent, as_fraction = format_number(number), format_number(number * 100)
    return CustomerPriceError(
        f"{name} {as_percent} is ambiguous: {as_percent} % or {as_fraction} %? Write {share} "
        f"{format_number(number / 100)} or {share}_percent {as_fraction}, or say --markup-unit "
        "percent or --markup-unit fraction"
    )


def _read_number(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text.replace("_", ""))
    except InvalidOperation:
        raise CustomerPriceError(f"{name} {text!r} is not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 18:
        raise CustomerPriceError(f"{name} {text!r} is not an amount")
    return number


def _read_unit(given: Mapping[str, str]) -> tuple[str, int]:
    """Read the metric of a fixed rate, and how many of its units the rate is for."""
    try:
        metric = parse_metric(given.get("unit", ""))
        return metric.metric, parse_per(given.get("per", ""), metric)
    except ValueError as error:
        raise CustomerPriceError(f"price: {error}") from None


def _read_inserts(text: str) -> Iterator[dict[str, Any]]:
    for statement in _INSERT.finditer(text):
        columns = [name.strip(' `"\n') for name in statement["columns"].split(",")]
        for row in _VALUES.finditer(statement["rows"]):
            values = next(csv.reader([row[1]], quotechar="'", skipinitialspace=True))
            if len(values) != len(columns):
                raise CustomerPriceError(f"{len(values)} values for {len(columns)} columns")
            yield dict(zip(columns, (value.strip() for value in values), strict=True))
