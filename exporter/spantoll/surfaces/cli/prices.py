"""`spantoll prices`: the user's own prices, which outrank every other.

Input: rows as arguments or files. Output: rows in the ledger, a list of those in force, or files.
Raises PriceDataError (status 2) for a row that cannot be used; then nothing was changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from spantoll.surfaces.cli.ledger import now_ns
from spantoll.surfaces.cli.options import Database, Format, Formatted
from spantoll.surfaces.cli.price_sets import check_prices, sync_price_sets
from spantoll.surfaces.cli.price_test import compare_sources

__all__ = ["prices"]

prices = typer.Typer(help="Your own prices, which outrank every other.", no_args_is_help=True)
prices.command("test")(compare_sources)
prices.command("sync")(sync_price_sets)
prices.command("check")(check_prices)

ValidFrom = Annotated[
    str, typer.Option("--from", metavar="DAY", help="First day, or time, UTC; always if absent.")
]
ValidTo = Annotated[
    str, typer.Option("--to", metavar="DAY", help="First day on which it no longer holds.")
]
Replace = Annotated[bool, typer.Option("--replace", help="End the rows that these overlap.")]
Per = Annotated[
    list[str] | None,
    typer.Option(
        metavar="UNIT",
        help="What rows of `vendor_pricing` are priced for: 1, 1k or 1M tokens, or METRIC=UNIT.",
    ),
]
ASKED = ("input", "output")
"""What most models are billed by; asked for where no metric is given."""


@prices.command("list")
def list_prices(
    provider: Annotated[str | None, typer.Option(help="Only this provider's.")] = None,
    model: Annotated[str | None, typer.Option(help="Part of a name to look for.")] = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """List your own prices, of the ledger and of the configuration file."""
    from spantoll.pipeline.user_pricing import open_user_pricing
    from spantoll.settings import load_settings
    from spantoll.surfaces.cli.price_rows import print_prices

    rows = open_user_pricing(load_settings(database=database).database).prices
    wanted = [
        row
        for row in rows
        if provider in {None, row.provider} and (model or "").lower() in row.model
    ]
    empty = (
        "No price of your own matches: leave out --provider or --model."
        if rows
        else "You have no prices of your own: `spantoll prices set` adds one, `spantoll models` "
        "shows those of the price lists."
    )
    print_prices(sorted(wanted), format, empty=empty)


@prices.command("set")
def set_prices(
    provider: Annotated[str, typer.Argument(help="Who bills it; * for any.")],
    model: Annotated[
        str, typer.Argument(help="NAME, prefix:NAME, pattern:*NAME*, or * for every other.")
    ],
    amounts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="METRIC[=AMOUNT[/UNIT]]...",
            help="input=2.50/1M output=10/1M images=0.04 audio_minutes=0.006 ...; asks for amounts "
            "that are absent, for those of input and output where no metric is given.",
        ),
    ] = None,
    free: Annotated[bool, typer.Option("--free", help="Input and output cost nothing.")] = False,
    per: Annotated[str, typer.Option(metavar="UNIT", help="Unit of those that name none.")] = "",
    context: Annotated[
        str, typer.Option(help="batch, service_tier=flex, place=us ..., separated by `;`.")
    ] = "",
    currency: Annotated[str, typer.Option(help="See `spantoll prices exchange`.")] = "USD",
    valid_from: ValidFrom = "",
    valid_to: ValidTo = "",
    note: Annotated[str, typer.Option(help="Why, for whoever reads it.")] = "",
    replace: Replace = False,
    database: Database = None,
) -> None:
    """Set prices of a model from a day on."""
    from spantoll.pipeline.price_changes import add_rows
    from spantoll.pricing.own_prices import read_own_price
    from spantoll.storage.own_prices import PRICES
    from spantoll.surfaces.cli.ledger import open_ledger, user_name
    from spantoll.surfaces.cli.price_changes import report_prices
    from spantoll.surfaces.cli.reprice_hint import offer_repricing

    given = [f"{metric}=0/1M" for metric in ASKED] if free else _ask_amounts(amounts or ASKED)
    rows = [
        read_own_price(
            {
                "provider": provider,
                "model": model,
                "metric": metric,
                "amount": amount,
                "per": unit or per or _default_unit(metric),
                "currency": currency,
                "context": context,
                "valid_from": valid_from,
                "valid_to": valid_to,
                "note": note,
            },
            f"`{metric}={amount}`",
        )
        for metric, amount, unit in map(_split_amount, given)
    ]
    with open_ledger(database, create=True) as ledger:
        change = add_rows(
            ledger.store, PRICES, rows, replace=replace, by=user_name(), now_ns=now_ns()
        )
        report_prices(change)
        offer_repricing(ledger, change.added)


@prices.command("import")
def import_prices(
    file: Annotated[Path, typer.Argument(help="CSV, JSON or INSERT statements; - is stdin.")],
    per: Per = None,
    replace: Replace = False,
    database: Database = None,
) -> None:
    """Add the prices of a file: all of its rows, or none."""
    from spantoll.pipeline.price_changes import add_rows
    from spantoll.pricing.own_files import read_price_file
    from spantoll.storage.own_prices import PRICES
    from spantoll.surfaces.cli.ledger import open_ledger, user_name
    from spantoll.surfaces.cli.price_changes import report_prices
    from spantoll.surfaces.cli.reprice_hint import offer_repricing

    rows = read_price_file(read_text(file), file=file.name, per=split_units(per))
    with open_ledger(database, create=True) as ledger:
        change = add_rows(
            ledger.store, PRICES, rows, replace=replace, by=user_name(), now_ns=now_ns()
        )
        report_prices(change)
        offer_repricing(ledger, change.added)


@prices.command("export")
def export_prices(
    format: Annotated[str, typer.Option("--format", "-f", help="csv, json or vendor_pricing.")] = (
        "csv"
    ),
    per: Annotated[str, typer.Option(metavar="UNIT", help="Tokens of vendor_pricing.")] = "1M",
    database: Database = None,
) -> None:
    """Write your own prices to stdout, as `import` reads them."""
    from spantoll.pipeline.user_pricing import open_user_pricing
    from spantoll.pricing.own_files import FORMATS, write_price_file
    from spantoll.settings import load_settings

    if format not in FORMATS:
        raise typer.BadParameter(f"one of {', '.join(FORMATS)}", param_hint="--format")
    rows = open_user_pricing(load_settings(database=database).database).prices
    sys.stdout.write(write_price_file(sorted(rows), format, per=per))


@prices.command("exchange")
def set_exchange_rate(
    currency: Annotated[str, typer.Argument(help="EUR, GBP ...")],
    usd: Annotated[str, typer.Argument(help="What one unit of it is in USD: 1.08.")],
    valid_from: ValidFrom = "",
    valid_to: ValidTo = "",
    replace: Replace = False,
    database: Database = None,
) -> None:
    """Set what a currency is in USD from a day on; nothing is fetched."""
    from spantoll.pipeline.price_changes import add_rows
    from spantoll.pricing.exchange import read_exchange_rate
    from spantoll.storage.own_prices import EXCHANGE_RATES
    from spantoll.surfaces.cli.ledger import open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line

    record = {"currency": currency, "usd": usd, "valid_from": valid_from, "valid_to": valid_to}
    rate = read_exchange_rate(record, f"`{currency} {usd}`")
    with open_ledger(database, create=True) as ledger:
        add_rows(
            ledger.store, EXCHANGE_RATES, [rate], replace=replace, by=user_name(), now_ns=now_ns()
        )
    write_line(f"1 {rate.currency} is {usd} USD from {valid_from or 'the beginning'} on")


def read_text(file: Path) -> str:
    """Read a file of rows, `-` from stdin. Raises ConfigurationError naming the file."""
    from spantoll.errors import ConfigurationError

    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: {getattr(error, 'strerror', None) or error}") from None


def split_units(per: list[str] | None) -> dict[str, str]:
    """Split `--per 1k --per images=1` by metric; '' stands for all that are counted in tokens."""
    pairs = (each.rpartition("=")[::2] for each in per or ())
    return {metric.strip(): unit for metric, unit in pairs}


def ask(question: str, *, default: str | None = None) -> str:
    """Ask on stderr and read one line of stdin. Raises BadParameter where there is none."""
    try:
        answer = typer.prompt(question, default=default, show_default=False, err=True)
    except typer.Abort:
        raise typer.BadParameter(f"no answer to {question!r}; give it as an argument") from None
    return str(answer).strip()


def _split_amount(text: str) -> tuple[str, str, str]:
    """Split METRIC=AMOUNT[/UNIT]; a metric may itself have qualities: `images size=1k=0.04`."""
    metric, equals, amount = text.rpartition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not METRIC=AMOUNT[/UNIT]", param_hint="METRIC")
    amount, _, unit = amount.partition("/")
    return metric.strip(), amount.strip(), unit.strip()


def _default_unit(metric: str) -> str:
    """Name the unit of a metric that is given none: tokens are priced per million."""
    from spantoll.pricing.own_units import parse_metric

    try:
        return "" if parse_metric(metric).unit or "_ms" in metric else "1M"
    except ValueError:
        return ""


def _ask_amounts(given: Iterable[str]) -> list[str]:
    """Ask for the amounts that were not given; an empty answer leaves a metric out."""
    amounts = []
    for text in given:
        if "=" in text.replace("size=", "").replace("quality=", "").replace("search=", ""):
            amounts.append(text)
            continue
        unit = "1M tokens" if _default_unit(text) else "unit"
        amount = ask(f"USD per {unit} of {text}", default="")
        if amount:
            amounts.append(f"{text}={amount}")
    if not amounts:
        raise typer.BadParameter("no amount was given", param_hint="METRIC")
    return amounts
