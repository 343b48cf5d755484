"""What customers pay, from the configuration file and the ledger together.

Input: `[[customers]]` and `[[exchange_rates]]` of spantoll.toml, and a ledger. Output: a
`PriceBook` whose rows do not overlap. The file is read again only after it has changed.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from spantoll.customers import FilePrices, PriceBook, find_overlap, normalise_price
from spantoll.customers.price import CustomerPrice, describe_price
from spantoll.customers.rows import read_row
from spantoll.errors import ConfigurationError, CustomerPriceError
from spantoll.pipeline.file_pricing import read_file_pricing
from spantoll.pricing.timeline import instant_ns
from spantoll.settings import find_file, load_settings, read_section
from spantoll.storage.customers import read_price_book

__all__ = ["SECTION", "read_customer_book", "read_file_customers"]

SECTION = "customers"


def read_customer_book(connection: Connection, known: PriceBook | None = None) -> PriceBook:
    """Read what customers pay; return `known` itself where nothing has changed since.

    Raises ConfigurationError, PriceDataError and CustomerPriceError for rows of the file that
    cannot be used.
    """
    return read_price_book(connection, known, file=read_file_customers())


def read_file_customers() -> FilePrices:
    """Read the rows of the configuration file; days are of the zone of the setting `tz`.

    Raises ConfigurationError, PriceDataError or CustomerPriceError, naming the row.
    """
    path = find_file()
    if path is None:
        return FilePrices()
    try:
        state = path.stat()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    return _read_file(path.resolve(), (state.st_ino, state.st_mtime_ns, state.st_size), path)


@lru_cache(maxsize=1)
def _read_file(resolved: Path, state: tuple[int, ...], path: Path) -> FilePrices:
    """Read the file as it is in `state`."""
    tz = ZoneInfo(load_settings().tz)
    prices: list[CustomerPrice] = []
    for number, table in enumerate(read_section(SECTION), 1):
        position = f"{path} {SECTION}[{number}]"
        try:
            row = read_row(table, parse_time=lambda text: _read_time(text, tz))
            price = normalise_price(row)._replace(position=position)
        except CustomerPriceError as error:
            raise CustomerPriceError(f"{position}: {error}") from None
        overlapped = find_overlap(price, prices)
        if overlapped is not None:
            raise CustomerPriceError(
                f"{describe_price(price)} overlaps {describe_price(overlapped)}"
            )
        prices.append(price)
    return FilePrices(tuple(prices), read_file_pricing().exchange_rates)


def _read_time(text: str, tz: ZoneInfo) -> int:
    """Read a day or time of TOML; without an offset it is of `tz`. Raises CustomerPriceError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise CustomerPriceError(f"{text!r} is not a day such as 2026-11-01 or a time") from None
    return instant_ns((time if time.tzinfo else time.replace(tzinfo=tz)).isoformat())
