from __future__ import annotations

from collections.abc import Iterable, Sequence

from spantoll.pricing.model_aliases import ALIAS_FIELDS, ModelAlias, write_model_alias
from spantoll.pricing.own_prices import OWN_FIELDS, OwnPrice, write_own_price
from spantoll.surfaces.cli.options import Format
from spantoll.surfaces.cli.output import write_csv, write_json, write_table

__all__ = ["print_aliases", "print_prices"]


def print_prices(
    prices: Iterable[OwnPrice], format: Format = Format.table, *, empty: str = ""
) -> None:
    """Print rows, each with where it stands; in the place of an empty table, `empty`."""
    rows = [{**write_own_price(price), "origin": price.position} for price in prices]
    _print(OWN_FIELDS, rows, format, empty)


def print_aliases(
    aliases: Iterable[ModelAlias], format: Format = Format.table, *, empty: str = ""
) -> None:
    """Print rows, each with where it stands; in the place of an empty table, `empty`."""
    rows = [{**write_model_alias(alias), "origin": alias.position} for alias in aliases]
    _print(ALIAS_FIELDS, rows, format, empty)


def _print(
    fields: Sequence[str], rows: Sequence[dict[str, str]], format: Format, empty: str
) -> None:
    columns = (*(name for name in fields if name != "note"), "origin", "note")
    if format is Format.json:
        write_json(list(rows))
    elif format is Format.csv:
        write_csv(columns, rows)
    else:
        cells = [[row[name] for name in columns] for row in rows]
        write_table(columns, cells, numeric=["amount"], empty=empty)
