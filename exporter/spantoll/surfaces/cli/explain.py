from __future__ import annotations

from typing import Annotated

import typer

from spantoll.surfaces.cli.options import Database, Format, Formatted, Tz

__all__ = ["explain"]


def explain(
    record: Annotated[str, typer.Argument(help="Record id, span id, or trace id for all of it.")],
    tz: Tz = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Explain a record: how it was read, counted, priced and charged."""
    from spantoll.customers import compute_revenue
    from spantoll.pipeline.customer_book import read_customer_book
    from spantoll.pricing import load_rate_card
    from spantoll.query import explain as explain_record
    from spantoll.query import plain_explanation
    from spantoll.surfaces.cli.explanation import format_explanation
    from spantoll.surfaces.cli.ledger import open_ledger
    from spantoll.surfaces.cli.output import write_json, write_line
    from spantoll.surfaces.explained_revenue import format_revenue, plain_revenue_lines

    if format is Format.csv:
        raise typer.BadParameter("an explanation is a table or json", param_hint="--format")
    with open_ledger(database) as ledger:
        explained = explain_record(ledger.engine, record, rate_card=load_rate_card())
        with ledger.engine.connect() as connection:
            book = read_customer_book(connection)
        zone_name = tz or ledger.settings.tz
        links = ledger.links
    charged = [compute_revenue(each.listed.record, book, rate=each.rate) for each in explained]
    pairs = list(zip(explained, charged, strict=True))
    if format is Format.json:
        write_json(
            [
                {
                    **plain_explanation(each, links),
                    "revenue_lines": plain_revenue_lines(each.listed.record, revenue),
                }
                for each, revenue in pairs
            ]
        )
        return
    for i, (each, revenue) in enumerate(pairs):
        if i:
            write_line()
        explanation = format_explanation(each, tz=zone_name, links=links)
        for topic, text in (*explanation, *format_revenue(each.listed.record, revenue)):
            write_line(f"{topic:<9} {text}".rstrip())
