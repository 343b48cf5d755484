"""What to do about each group of calls without a full price, as the prices are by now.

Input: the result of `doubt_query`. Output: one advice a row, that of `advise_unpriced`; where the
newest call of a row would not get that advice at today's prices, `spantoll reprice` instead.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import cache

from sqlalchemy import Engine

from spantoll.errors import SpantollError
from spantoll.pipeline.reprice import price_again
from spantoll.pricing import RateCard
from spantoll.query import Filter, RecordQuery, Result, Row, list_records
from spantoll.surfaces.advice import advise_unpriced

__all__ = ["advise_doubts"]

GROUP = ("provider", "model", "pricing_status", "pricing_reason")
PRICES = ("spantoll prices set ", "spantoll aliases set ")
MAX_LOOKED_UP = 20
"""Rows whose newest call is read: each may search the whole period."""


def advise_doubts(
    engine: Engine,
    doubts: Result,
    *,
    load_card: Callable[[], RateCard],
    options: Sequence[str] = (),
    named: int | None = None,
) -> list[str]:
    """Return what to do about each of the first `named` rows of a `doubt_query`; '' if nothing.

    The card is loaded only where a price may be missing; `options` are added to a command.
    """
    card = cache(load_card)
    advice = [_advise(row, options) for row in doubts.rows[:named]]
    for number, row in enumerate(doubts.rows[:named][:MAX_LOOKED_UP]):
        if advice[number].startswith(PRICES) and _is_priced_now(engine, doubts, row, card):
            chosen = [
                part
                for name in ("provider", "model")
                if row[name] is not None
                for part in (f"--{name}", str(row[name]))
            ]
            advice[number] = shlex.join(["spantoll", "reprice", *chosen, *options])
    return advice


def _advise(row: Row, options: Sequence[str]) -> str:
    reason = str(row["pricing_reason"] or row["pricing_status"])
    return advise_unpriced(row["provider"], row["model"], reason, options=options)


def _is_priced_now(
    engine: Engine, doubts: Result, row: Row, load_card: Callable[[], RateCard]
) -> bool:
    """Return True if the newest call of a row would not be advised to get a price any more."""
    query = doubts.query
    wanted = RecordQuery(
        filters=(*query.filters, *(Filter(name, (row.dimensions[name],)) for name in GROUP)),
        start_ns=query.start_ns,
        end_ns=query.end_ns,
        uncounted=query.uncounted,
        limit=1,
    )
    try:
        card = load_card()
    except SpantollError:  # `doctor` names it among the prices
        return False
    for listed in list_records(engine, wanted).records:
        again, _ = price_again(listed.record, card, now_ns=0)
        reason = again.pricing_reason or again.pricing_status
        return not advise_unpriced(again.provider, again.model, reason).startswith(PRICES)
    return False
