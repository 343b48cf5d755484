"""Ask the ledger: the public names of the query module.

Input: an engine, and a `Query` or a question by its name. Output: a `Result`, a `Growth`, listed or
explained records, and the same as plain values. All SQL for reading is in this package.
"""

from spantoll.query.aggregate import Number, to_usd
from spantoll.query.column_values import Encoding, PlainColumn
from spantoll.query.cost_state import COST_STATES, CostState
from spantoll.query.dimensions import DIMENSIONS, Value
from spantoll.query.drift import measure_drift
from spantoll.query.explain import Explanation, explain
from spantoll.query.forecast import (
    FORECAST_HEADERS,
    Forecast,
    forecast_month,
    plain_forecast,
)
from spantoll.query.growth import (
    AGAINST,
    GROWTH_MEASURES,
    Change,
    Compared,
    Growth,
    close_growth_period,
    measure_growth,
)
from spantoll.query.latency import LatencyCount, count_latencies, find_bucket_end_ms
from spantoll.query.measures import MEASURES
from spantoll.query.named import QUESTIONS, Scope, find_question, user_usage, workspace_logs
from spantoll.query.plain import plain_explanation, plain_headers, plain_result, plain_rows
from spantoll.query.plain_growth import growth_headers, plain_growth
from spantoll.query.plain_records import (
    RECORD_HEADERS,
    RECORD_SOURCES,
    plain_columns,
    plain_facts,
    plain_record,
    plain_records,
)
from spantoll.query.query import Filter, Query, doubt_query, health_query, total_query
from spantoll.query.recent import find_recent_start
from spantoll.query.record_parts import iterate_parts
from spantoll.query.records import Listed, Page, RecordQuery, list_records
from spantoll.query.result import PriceSetUsed, Result, Row
from spantoll.query.run import run
from spantoll.query.text import parse_filters, parse_period, parse_query
from spantoll.query.trace_url import TraceUrl
from spantoll.query.windows import WINDOWS, Window

__all__ = [
    "AGAINST",
    "COST_STATES",
    "DIMENSIONS",
    "FORECAST_HEADERS",
    "GROWTH_MEASURES",
    "MEASURES",
    "QUESTIONS",
    "RECORD_HEADERS",
    "RECORD_SOURCES",
    "WINDOWS",
    "Change",
    "Compared",
    "CostState",
    "Encoding",
    "Explanation",
    "Filter",
    "Forecast",
    "Growth",
    "LatencyCount",
    "Listed",
    "Number",
    "Page",
    "PlainColumn",
    "PriceSetUsed",
    "Query",
    "RecordQuery",
    "Result",
    "Row",
    "Scope",
    "TraceUrl",
    "Value",
    "Window",
    "close_growth_period",
    "count_latencies",
    "doubt_query",
    "explain",
    "find_bucket_end_ms",
    "find_question",
    "find_recent_start",
    "forecast_month",
    "growth_headers",
    "health_query",
    "iterate_parts",
    "list_records",
    "measure_drift",
    "measure_growth",
    "parse_filters",
    "parse_period",
    "parse_query",
    "plain_columns",
    "plain_explanation",
    "plain_facts",
    "plain_forecast",
    "plain_growth",
    "plain_headers",
    "plain_record",
    "plain_records",
    "plain_result",
    "plain_rows",
    "run",
    "to_usd",
    "total_query",
    "user_usage",
    "workspace_logs",
]
