"""Offer the re-pricing of stored calls that new prices or aliases are for.

Input: what was added. Output: lines on stderr, each with how many stored calls it is for and the
command that prices them again; nothing where there are none. Nothing stored is changed.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Protocol

from spantoll.pricing.timeline import instant_ns
from spantoll.query import Filter, Query, run
from spantoll.surfaces.advice import name_database
from spantoll.surfaces.cli.ledger import Opened
from spantoll.surfaces.cli.output import write_notice

__all__ = ["offer_repricing"]

FAMILIES = frozenset({"*", "azure", "google"})
"""Providers of a price row that stand for several canonical names (`OwnPrice.provider`)."""
NOT_EXACT = ("prefix:", "pattern:", "*")


class Added(Protocol):
    """A price row or an alias: for which calls, and when (`OwnPrice`, `ModelAlias`)."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def valid_from(self) -> str: ...
    @property
    def valid_to(self) -> str: ...


def offer_repricing(ledger: Opened, added: Iterable[Added]) -> None:
    """Write the command for each model and time of some rows that stored calls are of."""
    offered = {
        (
            "" if row.provider in FAMILIES else row.provider,
            "" if row.model.startswith(NOT_EXACT) else row.model,
            row.valid_from,
            row.valid_to,
        )
        for row in added
    }
    for provider, model, valid_from, valid_to in sorted(offered):
        _offer(ledger, provider=provider, model=model, valid_from=valid_from, valid_to=valid_to)


def _offer(ledger: Opened, *, provider: str, model: str, valid_from: str, valid_to: str) -> None:
    """Write the command if there is a call of it; dates are in UTC, what is empty is any."""
    chosen = (("provider", provider), ("model", model))
    totals = run(
        ledger.engine,
        Query(
            measures=("requests", "unpriced_requests"),
            filters=[Filter(name, (value,)) for name, value in chosen if value],
            start_ns=instant_ns(valid_from) if valid_from else None,
            end_ns=instant_ns(valid_to) if valid_to else None,
        ),
    ).totals
    if not totals.requests:
        return
    zone = "UTC" if valid_from or valid_to else ""
    options = (*chosen, ("from", valid_from), ("to", valid_to), ("tz", zone))
    given = [part for name, value in options if value for part in (f"--{name}", value)]
    command = shlex.join(["spantoll", "reprice", *given, *name_database(ledger.settings)])
    unpriced = totals.measures["unpriced_requests"]
    missing = f", {unpriced:,} of them without a price" if unpriced else ""
    write_notice(f"{totals.requests:,} stored calls{missing}; to price them again: `{command}`")
