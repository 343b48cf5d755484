"""`spantoll estimate`: what a call would cost, with the price row it would be billed by.

Input: model and counters as options; no ledger and no network. Output: the cost, its state and its
lines, as `pricing` computes them for a record.
"""

from __future__ import annotations

from typing import Annotated

import typer

from spantoll.surfaces.cli.ledger import now_ns
from spantoll.surfaces.cli.options import Database, Format, Formatted

__all__ = ["estimate"]


def estimate(
    model: Annotated[str, typer.Option(help="The model, e.g. gpt-4o or openai/gpt-4o.")],
    input: Annotated[int, typer.Option("--input", min=0, help="Input tokens, cached included.")],
    output: Annotated[int, typer.Option("--output", min=0, help="Output tokens.")] = 0,
    provider: Annotated[str | None, typer.Option(help="Who answers, e.g. azure.ai.openai.")] = None,
    cache_read: Annotated[int, typer.Option(min=0, help="Input tokens read from the cache.")] = 0,
    cache_write: Annotated[int, typer.Option(min=0, help="Input tokens written to it.")] = 0,
    batch: Annotated[bool, typer.Option("--batch", help="At the batch price.")] = False,
    service_tier: Annotated[str | None, typer.Option(help="flex, priority ...")] = None,
    region: Annotated[str | None, typer.Option(help="Where inference is kept.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339; now if absent.")] = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Say what a call would cost before it is made."""
    from spantoll.pipeline.user_pricing import open_user_card
    from spantoll.pricing.estimate import estimate_cost
    from spantoll.settings import load_settings
    from spantoll.surfaces.cli.output import write_csv, write_json, write_line, write_table

    answer = estimate_cost(
        open_user_card(load_settings(database=database).database),
        model,
        now_ns=now_ns(),
        provider=provider,
        usage={
            "input_tokens": input,
            "output_tokens": output,
            "cache_read": cache_read or None,
            "cache_write": cache_write or None,
        },
        context={
            "batch": batch,
            "service_tier_response": service_tier,
            "region": region,
            "data_residency": region,
            "timestamp": at,
        },
    )
    lines = [
        {**line, **{f"row_{name}": value for name, value in line["price_row"].items()}}
        for line in answer["lines"]
    ]
    headers = ("metric", "quantity", "unit_price_usd", "per", "amount_usd")
    if format is Format.json:
        write_json(answer)
    elif format is Format.csv:
        write_csv((*headers, "row_model", "row_context", "row_source"), lines)
    else:
        if lines:
            names = (*headers, "row_model", "row_context", "row_source")
            rows = [[str(line.get(name, "")) for name in names] for line in lines]
            write_table(names, rows, numeric=headers[1:])
        cost = "no price" if answer["cost_usd"] is None else f"{answer['cost_usd']} USD"
        write_line(f"{cost} ({answer['status']})")
        for remark in answer["remarks"]:
            write_line(f"  {remark}")
    if answer["cost_usd"] is None:
        raise typer.Exit(1)
