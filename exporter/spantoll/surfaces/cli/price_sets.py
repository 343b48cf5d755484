"""`spantoll prices sync` and `check`: published prices as price sets, and where sources disagree.

Input: names, URLs or files of published prices. Output: a stored price set, or one line with the
reason why the set in use stays (status 1). Nothing is fetched that was not named.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from spantoll.surfaces.cli.ledger import now_ns
from spantoll.surfaces.cli.options import Database, Format, Formatted, Limit

__all__ = ["check_prices", "sync_price_sets"]


def sync_price_sets(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="installed (the genai-prices package), or fetched: genai-prices, litellm, a URL; "
            "or a file.",
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Take prices that are 100 times their predecessor.")
    ] = False,
    database: Database = None,
) -> None:
    """Import published prices as a price set, which bills from now on."""
    from spantoll.pipeline.price_sync import INSTALLED, sync_prices
    from spantoll.surfaces.cli.ledger import open_ledger, user_name
    from spantoll.surfaces.cli.output import write_line

    with open_ledger(database, create=True) as ledger:
        for source in sources or [INSTALLED]:
            synced = sync_prices(
                ledger.store, source, accept=accept, by=user_name(), now_ns=now_ns()
            )
            document = synced.document
            known = "new" if synced.is_new else "known before"
            write_line(
                f"{document.source} {document.version}: {document.models:,} models, "
                f"set {document.sha256[:12]}, {known}"
            )
            for leap in synced.leaps:
                what = f"{leap.provider}/{leap.model} {leap.metric}"
                change = f"{leap.before.normalize():f} to {leap.after.normalize():f} USD a unit"
                kept = "accepted" if accept else "held, --accept takes it"
                write_line(f"  {what}: {change}: {kept}")


def check_prices(
    provider: Annotated[str | None, typer.Option(help="Only this price list.")] = None,
    model: Annotated[str | None, typer.Option(help="Part of a name to look for.")] = None,
    limit: Limit = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """List where sources disagree on a list price of today, and which one bills."""
    from spantoll.pipeline.user_pricing import load_user_card
    from spantoll.pricing.sources import find_disagreements
    from spantoll.storage import list_price_sets
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.output import write_csv, write_json, write_notice, write_table

    with open_ledger(database, create=True) as ledger:
        card = load_user_card(ledger.engine)
        sets = list_price_sets(ledger.engine)
    rows: list[dict[str, Any]] = []
    for each in find_disagreements(card, at_ns=now_ns()):
        if provider in {None, each.provider} and (model or "").lower() in each.model.lower():
            (bills, amount), *others = each.amounts
            rows.append(
                {
                    "provider": each.provider,
                    "model": each.model,
                    "metric": each.metric,
                    "bills": bills,
                    "usd_per_unit": f"{amount.normalize():f}",
                    "others": "; ".join(f"{name} {usd.normalize():f}" for name, usd in others),
                }
            )
    columns = ("provider", "model", "metric", "bills", "usd_per_unit", "others")
    shown = rows[:limit]
    if format is Format.json:
        write_json(shown)
    elif format is Format.csv:
        write_csv(columns, shown)
    else:
        cells = [[row[name] for name in columns] for row in shown]
        if cells:
            write_table(columns, cells, numeric=["usd_per_unit"])
    write_notice(f"{len(rows):,} list prices differ between sources.")
    current = {each.source: each for each in reversed(sets)}
    for each_set in current.values():
        for held in each_set.held:
            write_notice(f"held, see `prices sync --accept`: {'/'.join(held)} of {each_set.source}")
