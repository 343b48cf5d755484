"""`spantoll customers`: what customers pay, as dated rows of the ledger.

Input: rows as options or files. Output: the rows, as a table, CSV or JSON; all rows of a command
are added or none. Raises CustomerPriceError (status 2) for what is wrong, ambiguous or overlaps.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spantoll.surfaces.cli.customers_statement import write_statement
from spantoll.surfaces.cli.options import Database, Format, Formatted, Tz

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spantoll.customers import CustomerPrice, PriceBook

__all__ = ["customers"]

customers = typer.Typer(
    help="What customers pay: markups, discounts, fixed rates, included quantities, minimums.",
    no_args_is_help=True,
)
customers.command("statement")(write_statement)


class MarkupUnit(StrEnum):
    """What the numbers of markups and discounts are."""

    percent = "percent"
    fraction = "fraction"


MarkupUnitOption = Annotated[
    MarkupUnit | None,
    typer.Option(help="What markups and discounts are in, whatever their field is called."),
]
Tenant = Annotated[str | None, typer.Option(metavar="TENANT", help="Only for its records.")]
ValidFrom = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Inclusive; always if absent.")
]
ValidTo = Annotated[
    str | None, typer.Option("--to", metavar="TIME", help="Exclusive; open if absent.")
]
Percent = Annotated[str | None, typer.Option(metavar="PERCENT", help="Added to the cost: 30.")]
Off = Annotated[str | None, typer.Option(metavar="PERCENT", help="Taken off the charge: 10.")]
Price = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="A fixed rate, with --unit and --per.")
]
Per = Annotated[str | None, typer.Option(metavar="UNITS", help="What --price is for: 1, 1k, 1M.")]
Unit = Annotated[
    str | None, typer.Option(metavar="UNIT", help="input_tokens, output_tokens, images ...")
]
Included = Annotated[
    str | None, typer.Option(metavar="QUANTITY", help="Units a month that cost nothing more.")
]
Minimum = Annotated[str | None, typer.Option(metavar="AMOUNT", help="The least charge a month.")]
Currency = Annotated[str | None, typer.Option(help="Of --price or --minimum [USD].")]


@customers.command("list")
def list_prices(
    customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """List the rows there are: of the ledger, with numbers, and of the configuration file."""
    from spantoll.pipeline.customer_book import read_customer_book
    from spantoll.surfaces.cli.ledger import open_ledger

    with open_ledger(database) as ledger, ledger.engine.connect() as connection:
        book = read_customer_book(connection)
    _write_rows(book, format, customer=customer)


@customers.command("set")
def set_price(
    customer: Annotated[str, typer.Argument(help="Who pays it; * for every customer.")],
    provider: Annotated[str | None, typer.Option(help="Only for this provider.")] = None,
    model: Annotated[str | None, typer.Option(help="Only for this model; gpt-4o* begins so.")] = (
        None
    ),
    unit: Unit = None,
    markup_percent: Percent = None,
    markup: Annotated[
        str | None, typer.Option(metavar="FRACTION", help="The same as a fraction: 0.3.")
    ] = None,
    discount_percent: Off = None,
    price: Price = None,
    per: Per = None,
    included: Included = None,
    minimum: Minimum = None,
    currency: Currency = None,
    valid_from: ValidFrom = None,
    valid_to: ValidTo = None,
    markup_unit: MarkupUnitOption = None,
    tenant: Tenant = None,
    tz: Tz = None,
    database: Database = None,
) -> None:
    """Add one row. A row that overlaps another is refused: end the older one first."""
    row = {
        "customer": customer,
        "provider": provider,
        "model": model,
        "unit": unit,
        "markup_percent": markup_percent,
        "markup": markup,
        "discount_percent": discount_percent,
        "price": price,
        "per": per,
        "included": included,
        "minimum": minimum,
        "currency": currency,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "tenant": tenant,
    }
    _add_rows([row], database=database, tz=tz, markup_unit=markup_unit)


@customers.command("end")
def end_price(
    number: Annotated[int, typer.Argument(metavar="ROW", help="As `customers list` shows.")],
    at: Annotated[str, typer.Option(metavar="TIME", help="From when it holds no longer.")],
    tz: Tz = None,
    database: Database = None,
) -> None:
    """Give an open row its end; ended where it begins, it never holds."""
    from spantoll.customers import describe_price
    from spantoll.storage.customers import end_customer_price
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line

    with open_ledger(database) as ledger:
        end_ns = _parse_time(at, field="at", tz=tz or ledger.settings.tz)
        with ledger.store.transaction() as connection:
            ended = end_customer_price(
                connection, number, end_ns=end_ns, now_ns=now_ns(), by=user_name()
            )
    write_line(describe_price(ended))
    _advise_repricing([ended._replace(valid_from_ns=end_ns)])


@customers.command("import")
def import_prices(
    file: Annotated[Path, typer.Argument(help="CSV, JSON or INSERT statements; - is stdin.")],
    markup_unit: MarkupUnitOption = None,
    tz: Tz = None,
    database: Database = None,
) -> None:
    """Add the rows of a file, all or none; rows that are there already are left as they are."""
    from spantoll.customers.rows import parse_rows
    from spantoll.errors import ConfigurationError

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    _add_rows(parse_rows(text), database=database, tz=tz, markup_unit=markup_unit)


@customers.command("export")
def export_prices(
    format: Annotated[Format, typer.Option("--format", "-f", help="csv or json.")] = Format.csv,
    database: Database = None,
) -> None:
    """Write all rows of the ledger as `customers import` reads them."""
    from spantoll.storage.customers import read_price_book
    from spantoll.surfaces.cli.ledger import open_ledger

    with open_ledger(database) as ledger, ledger.engine.connect() as connection:
        book = read_price_book(connection)
    _write_rows(book, format)


def _add_rows(
    rows: Sequence[dict[str, Any]],
    *,
    database: str | None,
    tz: str | None,
    markup_unit: MarkupUnit | None,
) -> None:
    from spantoll.customers import describe_price
    from spantoll.customers.rows import read_rows
    from spantoll.pipeline.customer_book import read_file_customers
    from spantoll.storage.customers import add_customer_prices
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line, write_notice

    with open_ledger(database, create=True) as ledger:
        zone = tz or ledger.settings.tz
        read = read_rows(
            rows,
            parse_time=lambda text: _parse_time(text, field="valid_from", tz=zone),
            markup_unit=markup_unit.value if markup_unit is not None else None,
        )
        with ledger.store.transaction() as connection:
            added = add_customer_prices(
                connection, read, now_ns=now_ns(), by=user_name(), file=read_file_customers()
            )
    for price in added:
        write_line(describe_price(price))
    if known := len(read) - len(added):
        write_notice(f"{known} row{'s' * (known != 1)} of them: there already")
    _advise_repricing(added)


def _advise_repricing(changed: Sequence[CustomerPrice]) -> None:
    """Say how stored calls get the revenue of rows that hold in the past."""
    from spantoll.customers.times import format_time
    from spantoll.surfaces.cli.ledger import now_ns
    from spantoll.surfaces.cli.output import write_notice

    since = [row.valid_from_ns for row in changed if row.kind in ("markup", "discount", "fixed")]
    if since and min(since) < now_ns():
        start = f" --from {format_time(min(since))}" if min(since) else ""
        write_notice(f"Calls stored before keep their revenue: `spantoll reprice{start}`.")


def _parse_time(text: str, *, field: str, tz: str) -> int:
    from spantoll.query.times import parse_time
    from spantoll.query.windows import find_zone
    from spantoll.surfaces.cli.ledger import now_ns

    return parse_time(text, field=field, tz=find_zone(tz), now_ns=now_ns())


def _write_rows(book: PriceBook, format: Format, *, customer: str | None = None) -> None:
    from spantoll.customers.rows import ROW_FIELDS, write_rows
    from spantoll.surfaces.cli.output import write_csv, write_json, write_table

    prices = [row for row in book.prices if customer in (None, row.customer_id)]
    rows = write_rows(prices)
    match format:
        case Format.json:
            write_json(rows)
        case Format.csv:
            write_csv(ROW_FIELDS, rows)
        case Format.table:
            used = [name for name in ROW_FIELDS if any(name in row for row in rows)]
            cells = ([row.get(name, "") for name in used] for row in rows)
            numeric = ("id", "markup_percent", "price", "included")
            write_table(used, cells, numeric=numeric, empty=_explain_nothing(book, customer))


def _explain_nothing(book: PriceBook, customer: str | None) -> str:
    if not book.prices:
        return "No customer has a price: `spantoll customers set` adds one."
    names = sorted({row.customer_id for row in book.prices})
    names = [*names[:10], *(["..."] if len(names) > 10 else [])]
    return (
        f"No price is for the customer {customer!r} alone. There are prices for {', '.join(names)}."
    )
