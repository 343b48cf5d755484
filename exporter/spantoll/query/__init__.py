from spantoll.query.aggregate import to_usd
from spantoll.query.cost_state import COST_STATES, CostState
from spantoll.query.dimensions import DIMENSIONS
from spantoll.query.explain import Explanation, explain
from spantoll.query.measures import MEASURES
from spantoll.query.plain import (
    RECORD_HEADERS,
    plain_explanation,
    plain_facts,
    plain_headers,
    plain_record,
    plain_result,
    plain_rows,
)
from spantoll.query.query import Filter, Query, doubt_query, health_query
from spantoll.query.records import Listed, Page, RecordQuery, list_records
from spantoll.query.result import PriceSetUsed, Result, Row
from spantoll.query.run import run
from spantoll.query.text import parse_filters, parse_period, parse_query
from spantoll.query.trace_url import TraceUrl
from spantoll.query.windows import WINDOWS, Window

__all__ = [
    "COST_STATES",
    "DIMENSIONS",
    "MEASURES",
    "RECORD_HEADERS",
    "WINDOWS",
    "CostState",
    "Explanation",
    "Filter",
    "Listed",
    "Page",
    "PriceSetUsed",
    "Query",
    "RecordQuery",
    "Result",
    "Row",
    "TraceUrl",
    "Window",
    "doubt_query",
    "explain",
    "health_query",
    "list_records",
    "parse_filters",
    "parse_period",
    "parse_query",
    "plain_explanation",
    "plain_facts",
    "plain_headers",
    "plain_record",
    "plain_result",
    "plain_rows",
    "run",
    "to_usd",
]
