"""Files of a user's own prices: CSV, JSON, and rows of a table `vendor_pricing`.

Input: text. Output: checked `OwnPrice` rows, and back, every amount as it was. `vendor_pricing` has
`metric, model_name, price_per_unit, vendor_name`, as CSV, JSON or INSERT statements; it does not
say how many tokens a price is for, so that must be given.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from itertools import count
from typing import Any

from spantoll.pricing.model_aliases import (
    ALIAS_FIELDS,
    ModelAlias,
    read_model_alias,
    write_model_alias,
)
from spantoll.pricing.own_prices import (
    OWN_FIELDS,
    OwnPrice,
    read_own_price,
    write_own_price,
)
from spantoll.pricing.own_units import parse_metric, parse_unit
from spantoll.pricing.shipped import PriceDataError

__all__ = [
    "FORMATS",
    "read_alias_file",
    "read_price_file",
    "write_alias_file",
    "write_price_file",
]

FORMATS = ("csv", "json", "vendor_pricing")
VENDOR_FIELDS = ("id", "metric", "model_name", "price_per_unit", "vendor_name")
_INSERT = re.compile(
    r"INSERT\s+INTO\s+[`\"]?vendor_pricing[`\"]?\s*\((?P<columns>[^)]*)\)\s*VALUES\s*"
    r"(?P<rows>\((?:[^()']|'(?:[^']|'')*')*\)(?:\s*,\s*\((?:[^()']|'(?:[^']|'')*')*\))*)",
    re.IGNORECASE,
)
_VALUES = re.compile(r"\(((?:[^()']|'(?:[^']|'')*')*)\)")

Record = tuple[Mapping[str, Any], str]
"""One row as it stands in the file, and where."""


def read_price_file(text: str, *, file: str, per: Mapping[str, str]) -> list[OwnPrice]:
    """Read and check the rows of a file, whatever its format. Raises PriceDataError.

    `per` is what `vendor_pricing` rows are priced for, by metric; the key `` is for all tokens.
    """
    records = list(_read_records(text.lstrip("\ufeff"), file))
    if not records:
        raise PriceDataError(f"{file}: no price row in it")
    return [
        _read_vendor_row(record, position, per)
        if "price_per_unit" in record
        else read_own_price(_without_empty(record), position)
        for record, position in records
    ]


def write_price_file(rows: Sequence[OwnPrice], format: str, *, per: str = "1M") -> str:
    """Write rows; `per` is the number of tokens that prices of `vendor_pricing` are for.

    Raises PriceDataError for a row that `vendor_pricing` cannot hold: it has no dates, contexts or
    currencies.
    """
    if format == "json":
        return _write_json(map(write_own_price, rows))
    if format == "csv":
        return _write_csv(OWN_FIELDS, map(write_own_price, rows))
    return _write_csv(
        VENDOR_FIELDS, (_write_vendor_row(row, i, per) for i, row in enumerate(rows, 1))
    )


def read_alias_file(text: str, *, file: str) -> list[ModelAlias]:
    """Read and check the aliases of a CSV or JSON file. Raises PriceDataError."""
    records = list(_read_records(text.lstrip("\ufeff"), file))
    if not records:
        raise PriceDataError(f"{file}: no alias in it")
    return [read_model_alias(_without_empty(record), position) for record, position in records]


def write_alias_file(aliases: Iterable[ModelAlias], format: str) -> str:
    """Write aliases as `csv` or `json`."""
    rows = map(write_model_alias, aliases)
    return _write_json(rows) if format == "json" else _write_csv(ALIAS_FIELDS, rows)


def _write_json(rows: Iterable[Mapping[str, str]]) -> str:
    items = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f"[\n{items}\n]\n" if items else "[]\n"


def _write_csv(fields: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    written = StringIO()
    writer = csv.DictWriter(written, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def _read_records(text: str, file: str) -> Iterator[Record]:
    begins = text.lstrip()[:1]
    if begins in {"[", "{"}:
        yield from _read_json(text, file)
    elif _INSERT.search(text):
        yield from _read_inserts(text, file)
    else:
        reader = csv.DictReader(StringIO(text), restkey="")
        known = {*OWN_FIELDS, *VENDOR_FIELDS}
        if not set(reader.fieldnames or ()) & {"provider", "vendor_name"}:
            raise PriceDataError(f"{file}: the first line must name columns: {', '.join(known)}")
        try:
            for record in reader:
                if record.pop("", None):
                    raise PriceDataError(f"{file}:{reader.line_num}: more cells than columns")
                yield record, f"{file}:{reader.line_num}"
        except csv.Error as error:
            raise PriceDataError(f"{file}:{reader.line_num}: {error}") from None


def _read_json(text: str, file: str) -> Iterator[Record]:
    try:
        read = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceDataError(f"{file}: not JSON: {error}") from None
    rows = read if isinstance(read, list) else [read]
    for i, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise PriceDataError(f"{file} item {i}: not an object")
        yield row, f"{file} item {i}"


def _read_inserts(text: str, file: str) -> Iterator[Record]:
    numbers = count(1)
    for statement in _INSERT.finditer(text):
        columns = [name.strip(' `"\n') for name in statement["columns"].split(",")]
        for row in _VALUES.finditer(statement["rows"]):
            reader = csv.reader([row[1]], quotechar="'", skipinitialspace=True)
            values = [value.strip() for value in next(reader)]
            position = f"{file} row {next(numbers)}"
            if len(values) != len(columns):
                raise PriceDataError(f"{position}: {len(values)} values, {len(columns)} columns")
            yield dict(zip(columns, values, strict=True)), position


def _without_empty(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value not in (None, "")}


def _read_vendor_row(record: Mapping[str, Any], position: str, per: Mapping[str, str]) -> OwnPrice:
    if unknown := {name for name in record if name} - {*VENDOR_FIELDS}:
        raise PriceDataError(
            f"{position}: unknown column {min(unknown)!r}; one of {', '.join(VENDOR_FIELDS)}"
        )
    written = str(record.get("metric") or "")
    try:
        metric = parse_metric(written)
        said = (
            per.get(written) or per.get(metric.metric) or (per.get("") if not metric.unit else "")
        )
        if not said and metric.unit is None:
            raise ValueError(
                f"a row of vendor_pricing does not say how many {written} its price is for: "
                "add --per 1, --per 1k or --per 1M"
            )
        unit = parse_unit(said, metric.metric) if said else metric.unit
    except ValueError as error:
        raise PriceDataError(f"{position}: {error}") from None
    return read_own_price(
        {
            "provider": record.get("vendor_name"),
            "model": record.get("model_name"),
            "metric": metric.metric,
            "amount": record.get("price_per_unit"),
            "per": unit,
        },
        position,
    )


def _write_vendor_row(row: OwnPrice, number: int, per: str) -> dict[str, str]:
    name = parse_metric(row.metric)
    written, unit = row.metric, name.unit
    if row.metric.endswith("_ms"):
        written, unit = f"{row.metric.removesuffix('_ms')}_minutes", 60_000
    elif unit is None:
        unit = parse_unit(per, row.metric)
        written = f"{row.metric}_tokens" if row.metric in {"input", "output"} else row.metric
    if row.context or row.valid_from or row.valid_to or row.currency != "USD" or " " in row.metric:
        raise PriceDataError(
            f"{row.position}: vendor_pricing has no dates, contexts, qualities or currencies; "
            "export as csv or json"
        )
    amount = row.amount * unit / row.per
    if amount * row.per != row.amount * unit:
        raise PriceDataError(f"{row.position}: {row.amount} per {row.per} is no decimal per {unit}")
    return {
        "id": str(number),
        "metric": written,
        "model_name": row.model,
        "price_per_unit": f"{amount:f}",
        "vendor_name": row.provider,
    }
