"""The prices SpanToll ships: dated rows in CSV files that a non-programmer can read and patch.

Input: `data/prices/*.csv` (they outrank the catalogue), `data/history/*.csv` (they fill what it
lacks), `data/factors.csv`, `data/known_models.txt`; the file of a provider has its name and no row
of another. Output: checked rows.
Raises PriceDataError, naming the file and line of every row concerned.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from io import StringIO
from itertools import islice, pairwise
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
    "list_providers",
    "load_factors",
    "load_known_models",
    "load_price_set",
    "load_provider",
    "load_rows",
    "read_factors",
    "read_rows",
]

FIELDS = (
    *("provider", "model", "metric", "usd", "per", "context"),
    *("valid_from", "valid_to", "certainty", "source"),
)
_VALID_FROM = FIELDS.index("valid_from")
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


@lru_cache(maxsize=2)
def _read_files(folder: str) -> Mapping[str, str]:
    """Return the text of each provider's file in a folder, by provider."""
    root = resources.files("spantoll.pricing").joinpath("data", folder)
    entries = {entry.name: entry for entry in root.iterdir() if entry.name.endswith(".csv")}
    return {name.removesuffix(".csv"): entries[name].read_text("utf-8") for name in sorted(entries)}


def list_providers(folder: str) -> tuple[str, ...]:
    """Name the providers that have a file in `prices` or `history`."""
    return tuple(_read_files(folder))


@lru_cache(maxsize=64)
def load_provider(folder: str, provider: str) -> tuple[ShippedRow, ...]:
    """Load the rows of one provider, checked, once per process. Raises PriceDataError."""
    return tuple(read_rows(_read_files(folder)[provider], file=f"{folder}/{provider}.csv"))


@lru_cache(maxsize=2)
def load_price_set(folder: str) -> PriceSet:
    """Identify `prices` or `history` by its text; no row is checked."""
    digest = sha256()
    models: set[tuple[str, str]] = set()
    newest = ""
    for text in _read_files(folder).values():
        digest.update(text.encode())
        for record in islice(csv.reader(StringIO(text)), 1, None):
            models.add((record[0], record[1].lower()))
            newest = max(newest, record[_VALID_FROM])
    return PriceSet("spantoll", folder, digest.hexdigest(), len(models), newest)


def load_rows(folder: str) -> tuple[tuple[ShippedRow, ...], PriceSet]:
    """Load the rows of all providers in `prices` or `history`. Raises PriceDataError."""
    rows = (row for provider in list_providers(folder) for row in load_provider(folder, provider))
    return tuple(rows), load_price_set(folder)


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
