from __future__ import annotations

from collections.abc import Iterable

from spantoll.pricing.own_prices import OwnPrice, write_own_price
from spantoll.surfaces.cli.options import Format
from spantoll.surfaces.cli.output import write_csv, write_json, write_table

__all__ = ["print_prices"]

COLUMNS = (
    *("provider", "model", "metric", "amount", "per", "currency"),
    *("context", "valid_from", "valid_to", "origin"),
)


def print_prices(prices: Iterable[OwnPrice], format: Format = Format.table) -> None:
    """Print rows, each with where it stands."""
    rows = [{**write_own_price(price), "origin": price.position} for price in prices]
    if format is Format.json:
        write_json(rows)
    elif format is Format.csv:
        write_csv((*COLUMNS, "note"), rows)
    else:
        write_table(COLUMNS, [[row[name] for name in COLUMNS] for row in rows], numeric=["amount"])
