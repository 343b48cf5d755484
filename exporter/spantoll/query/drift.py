"""How far the costs that spans report are from those of the price list, by model.

Input: the filters and the period of a `Query`. Output: a `Result` with a row for each model whose
spans report a cost. No roll-up has the difference, so records are read; whether any reports a cost
is known from roll-ups.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine

from spantoll.query.query import Filter, Query, total_query
from spantoll.query.result import Result
from spantoll.query.run import run

__all__ = ["measure_drift"]

MOST = 50
"""Models of an answer, those with the highest reported cost."""
MEASURES = ("requests", "reported_cost_usd", "reported_difference_usd", "reported_cost_drift")


def measure_drift(engine: Engine, query: Query) -> Result | None:
    """Compare the reported costs of a query's calls; None where no call reports one.

    Raises StoreUnavailable when the database cannot be read.
    """
    asked = total_query(query, "reported_cost_usd")
    if run(engine, asked).totals.measures["reported_cost_usd"] is None:
        return None
    reported = Filter("reported_cost_usd", (None,), negate=True)
    return run(
        engine,
        replace(
            asked,
            measures=MEASURES,
            dimensions=("provider", "model"),
            filters=(*query.filters, reported),
            order=("-reported_cost_usd",),
            limit=MOST,
        ),
    )
