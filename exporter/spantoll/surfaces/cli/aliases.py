"""`spantoll aliases`: what model stands behind a deployment, a profile, a gateway or house name.

Input: rows as arguments or files. Output: rows in the ledger, a list of those in force, or files.
Raises PriceDataError (status 2) for a row that cannot be used; then nothing was changed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from spantoll.surfaces.cli.ledger import now_ns
from spantoll.surfaces.cli.options import Database, Format, Formatted
from spantoll.surfaces.cli.prices import Replace, ValidFrom, ValidTo, ask, read_text

__all__ = ["aliases"]

aliases = typer.Typer(
    help="What model stands behind the name of a deployment or profile.", no_args_is_help=True
)


@aliases.command("list")
def list_aliases(format: Formatted = Format.table, database: Database = None) -> None:
    """List the aliases of the ledger and of the configuration file."""
    from spantoll.pipeline.user_pricing import open_user_pricing
    from spantoll.settings import load_settings
    from spantoll.surfaces.cli.price_rows import print_aliases

    rows = open_user_pricing(load_settings(database=database).database).aliases
    empty = "There are no aliases: `spantoll aliases set` says which model a name stands for."
    print_aliases(sorted(rows), format, empty=empty)


@aliases.command("set")
def set_alias(
    provider: Annotated[str, typer.Argument(help="Who is called; * where nobody says.")],
    model: Annotated[
        str, typer.Argument(help="The name calls carry; prefix:NAME, pattern:*NAME*.")
    ],
    to_model: Annotated[
        str | None, typer.Argument(help="The model behind it; asked for if absent.")
    ] = None,
    to_provider: Annotated[
        str, typer.Option("--provider", help="Who bills it, if not PROVIDER.")
    ] = "",
    region: Annotated[str, typer.Option(help="Where it runs: eu-west-1, eu ...")] = "",
    valid_from: ValidFrom = "",
    valid_to: ValidTo = "",
    note: Annotated[str, typer.Option(help="Why, for whoever reads it.")] = "",
    replace: Replace = False,
    database: Database = None,
) -> None:
    """Set what model a name stands for."""
    from spantoll.pipeline.price_changes import add_rows
    from spantoll.pricing.model_aliases import read_model_alias
    from spantoll.storage.own_prices import ALIASES
    from spantoll.surfaces.cli.ledger import open_ledger, user_name
    from spantoll.surfaces.cli.price_changes import report_aliases
    from spantoll.surfaces.cli.reprice_hint import offer_repricing

    row = read_model_alias(
        {
            "provider": provider,
            "model": model,
            "to_provider": to_provider,
            "to_model": to_model or ask(f"Which model does {model} run"),
            "region": region,
            "valid_from": valid_from,
            "valid_to": valid_to,
            "note": note,
        },
        f"`{model}`",
    )
    with open_ledger(database, create=True) as ledger:
        change = add_rows(
            ledger.store, ALIASES, [row], replace=replace, by=user_name(), now_ns=now_ns()
        )
        report_aliases(change)
        offer_repricing(ledger, change.added)


@aliases.command("import")
def import_aliases(
    file: Annotated[Path, typer.Argument(help="CSV or JSON; - is stdin.")],
    replace: Replace = False,
    database: Database = None,
) -> None:
    """Add the aliases of a file: all of its rows, or none."""
    from spantoll.pipeline.price_changes import add_rows
    from spantoll.pricing.own_files import read_alias_file
    from spantoll.storage.own_prices import ALIASES
    from spantoll.surfaces.cli.ledger import open_ledger, user_name
    from spantoll.surfaces.cli.price_changes import report_aliases
    from spantoll.surfaces.cli.reprice_hint import offer_repricing

    rows = read_alias_file(read_text(file), file=file.name)
    with open_ledger(database, create=True) as ledger:
        change = add_rows(
            ledger.store, ALIASES, rows, replace=replace, by=user_name(), now_ns=now_ns()
        )
        report_aliases(change)
        offer_repricing(ledger, change.added)


@aliases.command("export")
def export_aliases(
    format: Annotated[str, typer.Option("--format", "-f", help="csv or json.")] = "csv",
    database: Database = None,
) -> None:
    """Write the aliases to stdout, as `import` reads them."""
    from spantoll.pipeline.user_pricing import open_user_pricing
    from spantoll.pricing.own_files import write_alias_file
    from spantoll.settings import load_settings

    if format not in {"csv", "json"}:
        raise typer.BadParameter("one of csv, json", param_hint="--format")
    rows = open_user_pricing(load_settings(database=database).database).aliases
    sys.stdout.write(write_alias_file(sorted(rows), format))
