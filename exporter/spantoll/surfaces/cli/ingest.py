from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spantoll.surfaces.cli.options import Database

__all__ = ["ingest"]


def ingest(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Protobuf, JSON or JSON lines; - is stdin."),
    ],
    database: Database = None,
) -> None:
    """Price and store OTLP requests of spans or logs, kept in files.

    Doing it again changes nothing.
    """
    from spantoll.pipeline import Ingest, Ledger
    from spantoll.pipeline.settle import make_settle
    from spantoll.pipeline.user_pricing import load_user_card
    from spantoll.semconv.kept import choose_attributes
    from spantoll.surfaces.cli.intake import FileIntake
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.output import write_notice

    with open_ledger(database, create=True) as opened:
        choose_attributes(opened.settings.kept_attributes)
        card = load_user_card(opened.store.engine)
        intake = FileIntake(Ingest(card), Ledger(opened.store, settle=make_settle(card)))
        intake.read(files)
    for line in intake.summary():
        write_notice(line)
    if intake.unreadable:
        raise typer.Exit(1)
