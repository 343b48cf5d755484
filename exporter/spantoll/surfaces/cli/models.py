"""`spantoll models`: browse the price lists, or the price history of one model.

Input: filters as options; no ledger and no network. Output: a row for each model that a list of
`pricing` prices, or for each dated price of one model.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from spantoll.surfaces.cli.ledger import now_ns
from spantoll.surfaces.cli.options import Database, Format, Formatted, Limit

__all__ = ["models"]

COLUMNS = (
    *("provider", "model", "operation", "modality", "free", "context_window"),
    *("input_usd", "output_usd"),
)
HISTORY = ("valid_from", "valid_to", "metric", "usd", "per", "source")


def models(
    name: Annotated[str | None, typer.Argument(help="Part of a name to look for.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider's.")] = None,
    operation: Annotated[str | None, typer.Option(help="chat, embeddings, speech ...")] = None,
    free: Annotated[bool | None, typer.Option("--free/--paid", help="Only those.")] = None,
    history: Annotated[bool, typer.Option("--history", help="The prices of one model.")] = False,
    limit: Limit = None,
    format: Formatted = Format.table,
    database: Database = None,
) -> None:
    """Browse the models that have a price, per million tokens, or one model's price history."""
    from spantoll.pipeline.user_pricing import open_user_card
    from spantoll.settings import load_settings

    card = open_user_card(load_settings(database=database).database)
    if history:
        if name is None or provider is None:
            raise typer.BadParameter("--history needs --provider and the model's name")
        _write(_history(card, provider, name)[:limit], HISTORY, format)
        return
    day = datetime.fromtimestamp(now_ns() // 10**9, UTC).date().isoformat()
    rows = _listed(card, day, name or "", provider, operation, free)
    empty = "" if rows else _explain_nothing(card, day, name or "", provider)
    _write(rows[:limit], COLUMNS, format, empty=empty)


def _listed(
    card: Any, day: str, name: str, provider: str | None, operation: str | None, free: bool | None
) -> list[dict[str, Any]]:
    from spantoll.pricing.browse import list_models
    from spantoll.pricing.lists import owners_of_provider

    return [
        {
            **model._asdict(),
            "modality": " ".join(model.modality),
            "input_usd": _plain(model.input_usd),
            "output_usd": _plain(model.output_usd),
        }
        for model in list_models(card, day=day)
        if name.lower() in model.model.lower()
        and (provider is None or model.provider in owners_of_provider(provider))
        and operation in {None, model.operation}
        and free in {None, model.free}
    ]


def _explain_nothing(card: Any, day: str, name: str, provider: str | None) -> str:
    """Say why no model is listed, and what to do."""
    from spantoll.pricing.browse import list_models
    from spantoll.pricing.lists import owners_of_provider

    models = list(list_models(card, day=day))
    names = sorted({model.provider for model in models})
    if provider is not None and not set(names).intersection(owners_of_provider(provider)):
        return (
            f"No price list is of the provider {provider!r}{_name_near(provider, names)}. It is "
            f"the provider that bills: {', '.join(names)}."
        )
    if any(name.lower() in model.model.lower() for model in models):
        return f"Models match {name!r}, but not the other options too: leave some of them out."
    near = _name_near(name, sorted({model.model for model in models}))
    return (
        f"No model with a price has {name!r} in its name{near}. `spantoll prices set` prices one, "
        "`spantoll aliases set` says which model a name stands for, and `spantoll prices sync` "
        "takes newer price lists."
    )


def _name_near(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), names)
    return f"; near it: {', '.join(near)}" if near else ""


def _history(card: Any, provider: str, model: str) -> list[dict[str, Any]]:
    from spantoll.pricing.browse import list_periods
    from spantoll.pricing.result import Unpriced

    periods = list_periods(card, provider, model)
    if isinstance(periods, Unpriced):
        raise typer.BadParameter(periods.detail, param_hint="NAME")
    return [
        {
            "valid_from": period.valid_from,
            "valid_to": period.valid_to,
            "metric": price.metric,
            "usd": _plain(price.amount_usd),
            "per": price.per,
            "source": price.source or period.rate.source,
        }
        for period in periods
        for price in period.rate.prices
    ]


def _plain(amount: Any) -> str | None:
    return None if amount is None else f"{amount.normalize():f}"


def _write(
    rows: list[dict[str, Any]], columns: tuple[str, ...], format: Format, *, empty: str = ""
) -> None:
    from spantoll.surfaces.cli.output import UNKNOWN, write_csv, write_json, write_table

    if format is Format.json:
        write_json(rows)
    elif format is Format.csv:
        write_csv(columns, rows)
    else:
        cells = [[_cell(row[name], UNKNOWN) for name in columns] for row in rows]
        numeric = ("context_window", "input_usd", "output_usd", "usd", "per")
        write_table(columns, cells, numeric=numeric, empty=empty)


def _cell(value: Any, unknown: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return unknown if value is None else str(value)
