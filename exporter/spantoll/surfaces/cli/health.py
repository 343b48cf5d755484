from __future__ import annotations

from spantoll.surfaces.cli.options import (
    Database,
    Format,
    Formatted,
    From,
    Last,
    To,
    Tz,
    Where,
)

__all__ = ["health"]


def health(
    where: Where = None,
    from_: From = None,
    to: To = None,
    last: Last = None,
    tz: Tz = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show per emitter how well its spans could be read, counted and priced."""
    from spantoll.query import (
        health_query,
        parse_filters,
        parse_period,
        plain_headers,
        plain_rows,
        run,
    )
    from spantoll.surfaces.cli.ledger import now_ns, open_ledger
    from spantoll.surfaces.cli.output import write_csv, write_json, write_notice
    from spantoll.surfaces.cli.report import explain_empty, print_report

    with open_ledger(database) as ledger:
        start_ns, end_ns = parse_period(
            start=from_, end=to, last=last, tz=tz or ledger.settings.tz, now_ns=now_ns()
        )
        query = health_query(filters=parse_filters(where or ()), start_ns=start_ns, end_ns=end_ns)
        result = run(ledger.engine, query)
        reason = "" if result.groups else explain_empty(ledger)
    if reason and format is not Format.json:
        write_notice(reason)
    match format:
        case Format.json:
            write_json(plain_rows(result))
        case Format.csv:
            write_csv(plain_headers(result), plain_rows(result))
        case Format.table if not reason:
            print_report(result)
