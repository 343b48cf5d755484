"""`spantoll prices test`: which row would bill a call, and what each source alone would charge.

Input: a model, counters and context, as for `spantoll estimate`; optionally a file of prices that
is not imported yet. Output: the answers of all sources, in order of precedence.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spantoll.surfaces.cli.ledger import now_ns
from spantoll.surfaces.cli.options import Database, Format, Formatted

if TYPE_CHECKING:
    from spantoll.pricing import Priced, Unpriced

__all__ = ["compare_sources"]

COLUMNS = (
    *("source", "cost_usd", "status", "row_model", "row_context"),
    *("valid_from", "valid_to", "reason"),
)
BILLED = "BILLED"
"""The source column of the answer that all of them give together."""


def compare_sources(
    provider: Annotated[str, typer.Argument(help="Who bills it.")],
    model: Annotated[str, typer.Argument(help="The name a call carries.")],
    input: Annotated[int, typer.Option("--input", min=0, help="Input tokens.")] = 1_000_000,
    output: Annotated[int, typer.Option("--output", min=0, help="Output tokens.")] = 1_000_000,
    cache_read: Annotated[int, typer.Option(min=0, help="Of the input, from the cache.")] = 0,
    batch: Annotated[bool, typer.Option("--batch", help="At the batch price.")] = False,
    service_tier: Annotated[str | None, typer.Option(help="flex, priority ...")] = None,
    region: Annotated[str | None, typer.Option(help="Where inference is kept.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339; now if absent.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Rows to test beside yours before they are imported.")
    ] = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Show which price would bill a call, and what each source alone would charge."""
    from spantoll.pipeline.user_pricing import open_documents, open_user_pricing
    from spantoll.pricing import UserPricing, load_rate_card
    from spantoll.pricing.own_files import read_price_file
    from spantoll.pricing.price_line import UnreadableCall, read_call
    from spantoll.pricing.sources import price_by_source
    from spantoll.settings import load_settings
    from spantoll.surfaces.cli.output import write_csv, write_json, write_table
    from spantoll.surfaces.cli.prices import read_text

    place = load_settings(database=database).database
    user = open_user_pricing(place)
    if file is not None:
        tried = read_price_file(read_text(file), file=file.name, per={})
        user = user.join(UserPricing(tuple(tried)))
    record = {
        "provider": provider,
        "request_model": model,
        "usage": {"input_tokens": input, "output_tokens": output, "cache_read": cache_read or None},
        "context": {
            "batch": batch,
            "service_tier_response": service_tier,
            "region": region,
            "data_residency": region,
            "timestamp": at,
        },
    }
    try:
        call = read_call(record, now_ns=now_ns())
    except UnreadableCall as error:
        raise typer.BadParameter(str(error)) from None
    card = load_rate_card(user=user, documents=open_documents(place))
    answers = [(BILLED, card.price(call)), *price_by_source(card, call)]
    rows = [_describe(source, answer) for source, answer in answers]
    if format is Format.json:
        write_json(rows)
    elif format is Format.csv:
        write_csv(COLUMNS, rows)
    else:
        cells = [[row[name] or "" for name in COLUMNS] for row in rows]
        write_table(COLUMNS, cells, numeric=["cost_usd"])
    if rows[0]["cost_usd"] is None:
        raise typer.Exit(1)


def _describe(source: str, answer: Priced | Unpriced) -> dict[str, Any]:
    from spantoll.pricing import Unpriced
    from spantoll.pricing.price_line import usd

    if isinstance(answer, Unpriced):
        empty = dict.fromkeys(COLUMNS)
        return {**empty, "source": source, "status": "unpriced", "reason": answer.detail}
    rate = answer.rate
    return {
        "source": source,
        "cost_usd": usd(answer.cost_nano),
        "status": "exact" if answer.status == "priced" else answer.status,
        "row_model": f"{rate.provider}/{rate.model}" if rate else None,
        "row_context": rate.context if rate else None,
        "valid_from": rate.effective_from if rate else None,
        "valid_to": rate.effective_to if rate else None,
        "reason": answer.reason,
    }
