from __future__ import annotations

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted, Last

__all__ = ["doctor"]


def doctor(database: Database = None, last: Last = None, format: Formatted = Format.table) -> None:
    """Check endpoint, ledger, prices and unpriced models; exit status 1 if something is wrong."""
    from spantoll.settings import load_settings
    from spantoll.surfaces.cli.checks import Finding, examine
    from spantoll.surfaces.cli.ledger import now_ns
    from spantoll.surfaces.cli.output import write_csv, write_json, write_line

    findings = list(examine(load_settings(database=database), last=last, now_ns=now_ns()))
    match format:
        case Format.json:
            write_json([each._asdict() for each in findings])
        case Format.csv:
            write_csv(Finding._fields, (each._asdict() for each in findings))
        case Format.table:
            for each in findings:
                write_line(f"{each.level:<8} {each.topic:<9} {each.text}")
                if each.advice:
                    write_line(f"{'':<18} -> {each.advice}")
    if any(each.level == "problem" for each in findings):
        raise typer.Exit(1)
