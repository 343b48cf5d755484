"""`spantoll reprice`: price stored calls again, after showing what changes; undo, resume, list.

Input: a selection of records and the prices that are installed now. Output: old and new costs by
model, customer and day; then, if confirmed, a run that can be undone. Tables on stdout, progress
and questions on stderr.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted, From, To, Tz

__all__ = ["reprice_app"]

reprice_app = typer.Typer(help="Price stored calls again, with a preview, an audit and an undo.")


class Status(StrEnum):
    """How a call is priced now."""

    priced = "priced"
    free = "free"
    partial = "partial"
    estimated = "estimated"
    unpriced = "unpriced"


RunNumber = Annotated[int, typer.Argument(metavar="RUN", help="As `spantoll reprice list` shows.")]
By = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Who does it, for the audit; otherwise the user of this machine."
    ),
]


@reprice_app.callback(invoke_without_command=True)
def reprice(
    context: typer.Context,
    from_: From = None,
    to: To = None,
    model: Annotated[str | None, typer.Option(help="Only calls of this model.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only calls of this provider.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only calls for this customer.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only calls priced so now.")] = None,
    tz: Tz = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    by: By = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Price stored calls again at the prices that are installed now; changes are shown first."""
    if context.invoked_subcommand is not None:
        return
    from spantoll.query import parse_period
    from spantoll.query.windows import find_zone
    from spantoll.storage.reprice import Selection
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.reprice_actions import Repricing
    from spantoll.surfaces.cli.reprice_report import write_preview

    with open_ledger(database) as ledger:
        zone = tz or ledger.settings.tz
        start_ns, end_ns = parse_period(start=from_, end=to, last=None, tz=zone, now_ns=now_ns())
        selection = Selection(
            start_ns,
            end_ns,
            provider=provider,
            model=model,
            customer_id=customer,
            pricing_status=status.value if status else None,
        )
        repricing = Repricing(ledger, by=by)
        preview = repricing.preview(selection, tz=find_zone(zone))
        write_preview(preview, format=format)
        if dry_run or not preview.changed:
            return
        if not (yes or repricing.confirm(preview)):
            raise typer.Exit(1)
        repricing.apply(selection)


@reprice_app.command("undo")
def undo(run: RunNumber, by: By = None, database: Database = None) -> None:
    """Give every record the price it had before a run; what has changed since is left alone."""
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.reprice_actions import Repricing

    with open_ledger(database) as ledger:
        Repricing(ledger, by=by).undo(run)


@reprice_app.command("resume")
def resume(run: RunNumber, database: Database = None) -> None:
    """Go on with a run, or with undoing it, that was interrupted."""
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.reprice_actions import Repricing

    with open_ledger(database) as ledger:
        Repricing(ledger).resume(run)


@reprice_app.command("list")
def list_all(format: Formatted = Format.table, database: Database = None) -> None:
    """List all runs, newest first: who, when, which records, and what they changed."""
    from spantoll.storage.reprice import list_runs
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.reprice_report import write_runs

    with open_ledger(database) as ledger:
        write_runs(list_runs(ledger.engine), format=format, tz=ledger.settings.tz)
