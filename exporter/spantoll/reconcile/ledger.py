"""What the ledger has of a provider's calls, per day and model, for comparison with a bill.

Input: an engine, providers, days and their zone. Output: `Usage` by provider, day and model. Calls
that a gateway answered from its own cache are left out: no provider bills them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from spantoll.query import Filter, Query, Row, run
from spantoll.query.times import parse_time
from spantoll.query.windows import find_zone, to_local_time
from spantoll.reconcile.line import (
    CACHE_READ,
    CACHE_WRITE,
    OUTPUT,
    REQUESTS,
    UNCACHED_INPUT,
    WEB_SEARCHES,
)

__all__ = ["Key", "Usage", "add_usage", "read_usage"]

Key = tuple[str, date, str | None]
"""Provider, day, model; the model is None where several are added up."""

NO_MODEL = "(no model)"
"""Calls whose spans name no model."""

MEASURES = (
    "requests",
    "unpriced_requests",
    "partial_requests",
    "estimated_requests",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "unit.web_searches",
    "cost_usd",
    "cache_cost_usd",
    "other_cost_usd",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a group of calls used and costs."""

    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    """By metric of a bill; what no call reports is 0."""
    cost_usd: Decimal | None = None
    """None where no call has a cost; a lower bound where some have none."""
    cache_cost_usd: Decimal = Decimal(0)
    other_cost_usd: Decimal = Decimal(0)
    """Searches, images and the like: what is not tokens."""
    requests: int = 0
    unpriced_requests: int = 0
    """Calls without a full price, those with a partial one included."""
    estimated_requests: int = 0
    batch_requests: int = 0
    tiers: frozenset[str] = frozenset()


def read_usage(
    engine: Engine,
    providers: Iterable[str],
    *,
    first: date,
    last: date,
    tz: str,
    filters: Iterable[Filter] = (),
) -> Mapping[Key, Usage]:
    """Read what the calls from `first` to `last`, both included, used. Raises as `query.run`."""
    zone = find_zone(tz)
    following = last + timedelta(days=1)
    result = run(
        engine,
        Query(
            measures=MEASURES,
            dimensions=("provider", "model", "batch", "service_tier"),
            filters=(
                Filter("provider", tuple(sorted(providers))),
                Filter("cache_hit", (True,), negate=True),
                *filters,
            ),
            start_ns=parse_time(first.isoformat(), field="from", tz=zone, now_ns=0),
            end_ns=parse_time(following.isoformat(), field="to", tz=zone, now_ns=0),
            window="day",
            tz=tz,
        ),
    )
    found: dict[Key, Usage] = {}
    for row in result.rows:
        if row.window is None or not row.requests:
            continue
        day = to_local_time(row.window.start_ns, zone).date()
        key = (str(row["provider"]), day, str(row["model"] or NO_MODEL))
        found[key] = add_usage(found.get(key), _make_usage(row))
    return found


def add_usage(one: Usage | None, other: Usage) -> Usage:
    """Add up two groups of calls."""
    if one is None:
        return other
    costs = [cost for cost in (one.cost_usd, other.cost_usd) if cost is not None]
    metrics = {*one.quantities, *other.quantities}
    return Usage(
        quantities={
            name: one.quantities.get(name, Decimal(0)) + other.quantities.get(name, Decimal(0))
            for name in metrics
        },
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        cache_cost_usd=one.cache_cost_usd + other.cache_cost_usd,
        other_cost_usd=one.other_cost_usd + other.other_cost_usd,
        requests=one.requests + other.requests,
        unpriced_requests=one.unpriced_requests + other.unpriced_requests,
        estimated_requests=one.estimated_requests + other.estimated_requests,
        batch_requests=one.batch_requests + other.batch_requests,
        tiers=one.tiers | other.tiers,
    )


def _make_usage(row: Row) -> Usage:
    """Split inclusive input into the parts that bills count."""

    def number(name: str) -> Decimal:
        value: Any = row[name]
        return Decimal(value or 0)

    cached, written = number("cache_read_tokens"), number("cache_write_tokens")
    cost = row["cost_usd"]
    return Usage(
        quantities={
            # Never below 0: a record with inconsistent counters may report more parts than input.
            UNCACHED_INPUT: max(number("input_tokens") - cached - written, Decimal(0)),
            CACHE_READ: cached,
            CACHE_WRITE: written,
            OUTPUT: number("output_tokens"),
            REQUESTS: number("requests"),
            WEB_SEARCHES: number("unit.web_searches"),
        },
        cost_usd=None if cost is None else Decimal(cost),
        cache_cost_usd=number("cache_cost_usd"),
        other_cost_usd=number("other_cost_usd"),
        requests=row.requests,
        unpriced_requests=sum(
            int(row[name] or 0) for name in ("unpriced_requests", "partial_requests")
        ),
        estimated_requests=int(row["estimated_requests"] or 0),
        batch_requests=row.requests if row["batch"] else 0,
        tiers=frozenset({str(row["service_tier"])} if row["service_tier"] else ()),
    )
