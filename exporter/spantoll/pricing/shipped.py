"""The prices SpanToll ships: dated rows in CSV files that a non-programmer can read and patch.

Input: `data/prices/*.csv` (they outrank the catalogue), `data/history/*.csv` (they fill what it
lacks), `data/factors.csv`, `data/known_models.txt`. Output: price sources of checked rows.
Raises PriceDataError, naming the file and line of every row concerned.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from io import StringIO
from itertools import pairwise
from typing import NamedTuple

from spantoll.errors import ConfigurationError
from spantoll.pricing.calendars import CALENDARS
from spantoll.pricing.factors import TOKEN_METRICS, Factor, Factors
from spantoll.pricing.metrics import METRIC_UNITS, split_metric
from spantoll.pricing.result import PriceSet, UnitPrice
from spantoll.pricing.selector import CALL_DIMENSIONS, Selector
from spantoll.pricing.timeline import instant_ns

__all__ = [
    "PriceDataError",
    "ShippedRow",
    "load_factors",
    "load_known_models",
    "load_rows",
    "read_factors",
    "read_rows",
]

FIELDS = (
    *("provider", "model", "metric", "usd", "per", "context"),
    *("valid_from", "valid_to", "certainty", "source"),
)
CERTAINTIES = frozenset({"page", "announced", "source_says", "first_seen", "estimated"})
"""Where an amount was read; docs/prices.md has each word."""
MAX_STEP = 100
"""A price this many times its predecessor, or its part, is taken for a slip of the decimal point
(price-history.csv: 50,000 USD per 1,000 searches) unless the row's note says `checked`."""


class PriceDataError(ConfigurationError):
    """Raised when a shipped price file holds a row that cannot be right."""


class ShippedRow(NamedTuple):
    """One line of a price file."""

    provider: str
    model: str
    price: UnitPrice
    selector: Selector
    valid_from: str
    valid_to: str
    note: str
    position: str
    """`file:line`, for messages."""


def read_rows(text: str, *, file: str) -> list[ShippedRow]:
    """Read and check one price file. Raises PriceDataError."""
    reader = csv.DictReader(StringIO(text))
    if not set(FIELDS) <= set(reader.fieldnames or ()):
        raise PriceDataError(f"{file}: the first line must name the columns {', '.join(FIELDS)}")
    rows = [_row(record, f"{file}:{reader.line_num}") for record in reader]
    check_rows(rows)
    return rows


def check_rows(rows: Iterable[ShippedRow]) -> None:
    """Refuse two rows for one price at one time, and leaps that look like a misplaced point."""
    series = defaultdict(list)
    for row in rows:
        series[row.provider, row.model, row.price.metric, row.selector].append(row)
    for prices in series.values():
        prices.sort(key=lambda row: row.valid_from)
        for earlier, later in pairwise(prices):
            if not earlier.valid_to or earlier.valid_to > later.valid_from:
                what = f"{later.price.metric} of {later.provider}/{later.model}"
                context = str(later.selector) or "no context"
                raise PriceDataError(
                    f"{earlier.position} and {later.position} overlap:"
                    f" both price {what} ({context}) on {later.valid_from or 'any day'}"
                )
            low, high = sorted(row.price.amount_usd / row.price.per for row in (earlier, later))
            if low and high / low >= MAX_STEP and "checked" not in later.note:
                raise PriceDataError(
                    f"{later.position} is {high / low:.0f} times off {earlier.position}: correct"
                    " it, or write `checked` in its note"
                )


def _row(record: Mapping[str, str], position: str) -> ShippedRow:
    metric, unit = record["metric"], split_metric(record["metric"])[0]
    if unit not in METRIC_UNITS:
        raise PriceDataError(f"{position}: unknown metric {metric!r}")
    try:
        amount, per = Decimal(record["usd"]), int(record["per"])
    except (InvalidOperation, ValueError) as error:
        raise PriceDataError(f"{position}: usd and per must be numbers") from error
    if not amount.is_finite() or amount < 0 or per not in METRIC_UNITS[unit]:
        allowed = ", ".join(f"{n:,}" for n in METRIC_UNITS[unit])
        raise PriceDataError(f"{position}: {metric} is priced per {allowed}, not {record['per']}")
    try:
        selector = Selector.parse(record["context"])
    except ValueError as error:
        raise PriceDataError(f"{position}: {error}") from error
    for day in (record["valid_from"], record["valid_to"]):
        if day and not _is_instant(day):
            raise PriceDataError(f"{position}: valid_from and valid_to must be ISO dates")
    if selector.days and selector.days not in CALENDARS:
        raise PriceDataError(f"{position}: unknown calendar {selector.days!r}")
    return ShippedRow(
        record["provider"],
        record["model"].lower(),
        UnitPrice(metric, amount, per, record["source"], _doubt(record, position)),
        selector,
        record["valid_from"],
        record["valid_to"],
        record.get("note") or "",
        position,
    )


def _doubt(record: Mapping[str, str], position: str) -> str:
    """Return why the amount of a row is in doubt; empty unless its certainty is `estimated`."""
    certainty, note = record["certainty"], record.get("note") or ""
    if certainty not in CERTAINTIES:
        raise PriceDataError(f"{position}: unknown certainty {certainty!r}")
    if certainty != "estimated":
        return ""
    if not note:
        raise PriceDataError(f"{position}: an estimated row must say why in its note")
    return note


@lru_cache(maxsize=4096)
def _is_instant(text: str) -> bool:
    try:
        instant_ns(text)
    except ValueError:
        return False
    return True


def _files(folder: str) -> Iterator[tuple[str, str]]:
    root = resources.files("spantoll.pricing").joinpath("data", folder)
    entries = {entry.name: entry for entry in root.iterdir() if entry.name.endswith(".csv")}
    for name in sorted(entries):
        yield f"{folder}/{name}", entries[name].read_text("utf-8")


@lru_cache(maxsize=2)
def load_rows(folder: str) -> tuple[tuple[ShippedRow, ...], PriceSet]:
    """Load the rows of `prices` or `history`, checked, once per process."""
    digest = sha256()
    rows: list[ShippedRow] = []
    for file, text in _files(folder):
        digest.update(text.encode())
        rows += read_rows(text, file=file)
    models = len({(row.provider, row.model) for row in rows})
    newest = max((row.valid_from for row in rows), default="")
    return tuple(rows), PriceSet("spantoll", folder, digest.hexdigest(), models, newest)


@lru_cache(maxsize=1)
def load_factors() -> Factors:
    """Load `data/factors.csv`, once per process."""
    data = resources.files("spantoll.pricing").joinpath("data", "factors.csv")
    return read_factors(data.read_text("utf-8"))


def read_factors(text: str) -> Factors:
    """Read and check the factors. Raises PriceDataError."""
    rows = csv.DictReader(StringIO(text))
    return Factors(_factor(record, line) for line, record in enumerate(rows, 2))


def _factor(record: Mapping[str, str], line: int) -> Factor:
    position = f"factors.csv:{line}"
    dimension, _, value = record["context"].partition("=")
    named = frozenset(record["metrics"].split())
    metrics = TOKEN_METRICS if named == {"tokens"} else named
    if dimension not in CALL_DIMENSIONS or not metrics <= METRIC_UNITS.keys():
        raise PriceDataError(f"{position}: unknown context or metric")
    return Factor(
        record["provider"],
        record["model"],
        dimension,
        value,
        metrics,
        Decimal(record["factor"]),
        record["valid_from"],
        record["valid_to"],
        record["source"],
        _doubt(record, position),
    )


@lru_cache(maxsize=1)
def load_known_models() -> frozenset[str]:
    """Load the model names that public price lists have named, without path or vendor."""
    data = resources.files("spantoll.pricing").joinpath("data", "known_models.txt")
    lines = data.read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
