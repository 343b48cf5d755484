"""The queries of Grafana: panels, variables and alert rules, each a row of a table.

Input: what a database spells differently. Output: SQL on the views `v1_*`, in the form that is the
same on SQLite, PostgreSQL and MariaDB but for `{now}`. `${__from}`, `${__to}` (milliseconds),
`$bucket` (seconds) and the variables are Grafana's, which puts their values in.
https://grafana.com/docs/grafana/latest/dashboards/variables/add-template-variables/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = [
    "ALERTS",
    "BUCKETS",
    "PANELS",
    "VARIABLES",
    "Alert",
    "Panel",
    "fill_query",
    "list_values",
]

NOW_S: Mapping[str, str] = {
    "sqlite": "CAST(strftime('%s', 'now') AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)",
    "mariadb": "UNIX_TIMESTAMP()",
}
"""Seconds since 1970: alert rules know no period of a dashboard."""

VARIABLES = ("provider", "model", "customer_id", "team", "environment")
"""Columns that a dashboard can be restricted by; what is not known is the empty text."""
BUCKETS = ("900", "3600", "86400")
"""Widths of the bars, in seconds."""

VALUES = "SELECT DISTINCT COALESCE({name}, '') FROM v1_call ORDER BY 1"
PERIOD = "started_ns >= ${__from} * 1000000 AND started_ns < ${__to} * 1000000"
CHOSEN = " AND ".join(f"COALESCE({name}, '') IN (${{{name}:sqlstring}})" for name in VARIABLES)
CALLS = f"FROM v1_call WHERE {PERIOD} AND {CHOSEN}"
TIME = "time_s - time_s % $bucket"
NOT_WHOLE = "(cost_nano IS NULL OR pricing_status = 'partial')"
"""Of calls whose cost is not known, or is a lower bound."""


class Panel(NamedTuple):
    """A panel of the dashboard."""

    title: str
    kind: str
    """stat, timeseries or table."""
    unit: str
    """Of Grafana: currencyUSD, short, ms, percentunit."""
    query: str
    description: str = ""


class Alert(NamedTuple):
    """A rule that fires while its one number is above a threshold."""

    uid: str
    title: str
    query: str
    above: float
    reason: str


PANELS = (
    Panel("Cost", "stat", "currencyUSD", f"SELECT SUM(cost_nano) / 1e9 AS cost_usd {CALLS}"),
    Panel("Calls", "stat", "short", f"SELECT SUM(requests) AS requests {CALLS}"),
    Panel(
        "Calls without a whole price",
        "stat",
        "short",
        f"SELECT COALESCE(SUM(requests), 0) AS requests {CALLS} AND {NOT_WHOLE}",
        "The cost beside it leaves them out, or a part of them: spantoll doctor says what to do.",
    ),
    Panel(
        "Errors and timeouts",
        "stat",
        "percentunit",
        "SELECT SUM(CASE WHEN status = 'success' THEN 0 ELSE requests END) * 1.0 "
        f"/ NULLIF(SUM(requests), 0) AS share {CALLS}",
    ),
    Panel(
        "Cost by model",
        "timeseries",
        "currencyUSD",
        f"SELECT {TIME} AS time, COALESCE(model, '-') AS metric, SUM(cost_nano) / 1e9 AS cost_usd "
        f"{CALLS} GROUP BY 1, 2 ORDER BY 1",
    ),
    Panel(
        "Calls by provider",
        "timeseries",
        "short",
        f"SELECT {TIME} AS time, COALESCE(provider, '-') AS metric, SUM(requests) AS requests "
        f"{CALLS} GROUP BY 1, 2 ORDER BY 1",
    ),
    Panel(
        "Mean latency by model",
        "timeseries",
        "ms",
        f"SELECT {TIME} AS time, COALESCE(model, '-') AS metric, AVG(latency_ms) AS latency_ms "
        f"{CALLS} AND latency_ms IS NOT NULL GROUP BY 1, 2 ORDER BY 1",
    ),
    Panel(
        "Customers by cost",
        "table",
        "currencyUSD",
        "SELECT COALESCE(customer_id, '-') AS customer, SUM(requests) AS requests, "
        "SUM(cost_nano) / 1e9 AS cost_usd, SUM(revenue_nano) / 1e9 AS revenue_usd, "
        f"SUM(CASE WHEN {NOT_WHOLE} THEN requests ELSE 0 END) AS without_whole_price "
        f"{CALLS} GROUP BY 1 ORDER BY 3 DESC LIMIT 50",
        "The cost leaves calls without a price out, and what of a call has none.",
    ),
    Panel(
        "What has no whole price",
        "table",
        "short",
        "SELECT provider, model, pricing_status, pricing_reason, SUM(requests) AS requests "
        f"{CALLS} AND {NOT_WHOLE} GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC LIMIT 50",
    ),
)

ALERTS = (
    Alert(
        "spantoll-unpriced",
        "Calls without a price",
        "SELECT COALESCE(SUM(requests), 0) AS value FROM v1_call "
        "WHERE started_ns >= ({now} - 86400) * 1000000000 AND cost_nano IS NULL",
        0,
        "Totals leave these calls out: spantoll doctor says what to do.",
    ),
    Alert(
        "spantoll-spike",
        "An hour that costs three times the usual one",
        "SELECT CASE WHEN last_usd > 1 AND last_usd > 3 * day_usd / 24 THEN 1 ELSE 0 END AS value "
        "FROM (SELECT COALESCE(SUM(CASE WHEN started_ns >= ({now} - 3600) * 1000000000 "
        "THEN cost_nano ELSE 0 END), 0) / 1e9 AS last_usd, COALESCE(SUM(CASE WHEN started_ns < "
        "({now} - 3600) * 1000000000 THEN cost_nano ELSE 0 END), 0) / 1e9 AS day_usd "
        "FROM v1_call WHERE started_ns >= ({now} - 90000) * 1000000000) AS hours",
        0,
        "The last hour beside the mean of the 24 before it, above one dollar.",
    ),
    Alert(
        "spantoll-silent",
        "No call for an hour, with calls the day before",
        "SELECT CASE WHEN COUNT(*) > 0 AND MAX(time_s) < {now} - 3600 THEN 1 ELSE 0 END AS value "
        "FROM v1_call WHERE started_ns >= ({now} - 86400) * 1000000000",
        0,
        "Senders may have lost the receiver: see /readyz and the log of spantoll up.",
    ),
)


def list_values(name: str) -> str:
    """Return the query of the values of a variable."""
    return VALUES.replace("{name}", name)


def fill_query(query: str, database: str) -> str:
    """Spell a query of ALERTS for a database: sqlite, postgresql or mariadb."""
    return query.replace("{now}", NOW_S[database])
