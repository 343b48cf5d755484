"""The questions that are asked most, each by its name.

Input: a `Scope` (filters, period, zone). Output: a `Query` to run, or to change with
`dataclasses.replace`. They are the methods that usage trackers offer: summary, statistics by model
and provider, performance, real-time figures and the like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spantoll.query.names import make_unknown_name_error
from spantoll.query.query import Filter, Query
from spantoll.query.records import RecordQuery

__all__ = ["QUESTIONS", "Scope", "find_question", "user_usage", "workspace_logs"]

USED = ("requests", "input_tokens", "output_tokens", "total_tokens", "cost_usd")
OUTCOMES = ("requests", "success_rate", "error_rate", "timeout_rate")
LATENCIES = ("latency_min_ms", "latency_avg_ms", "latency_max_ms")
PERCENTILES = ("latency_p50_ms", "latency_p95_ms", "latency_p99_ms")
DAY_NS = 24 * 3600 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which records a question is about."""

    filters: Sequence[Filter] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    tz: str = "UTC"

    def ask(self, *measures: str, **asked: Any) -> Query:
        """Make the query of these measures about these records."""
        return Query(
            measures=measures,
            filters=self.filters,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            tz=self.tz,
            **asked,
        )

    def narrow(self, field: str, value: str) -> Scope:
        """Keep only the records that have this value."""
        return replace(self, filters=(*self.filters, Filter(field, (value,))))


Question = Callable[[Scope], Query]
QUESTIONS: dict[str, Question] = {}


def find_question(name: str) -> Question:
    """Look a question up by name. Raises QueryError with the nearest."""
    found = QUESTIONS.get(name.replace("-", "_"))
    if found is None:
        raise make_unknown_name_error(name, field="question", allowed=QUESTIONS)
    return found


def _question(function: Question) -> Question:
    QUESTIONS[function.__name__] = function
    return function


@_question
def summary(scope: Scope) -> Query:
    """Return calls, tokens and cost."""
    return scope.ask(*USED)


@_question
def overall(scope: Scope) -> Query:
    """Return calls, tokens, cost, how they ended, how long they took, and who called."""
    return scope.ask(*USED, *OUTCOMES, "latency_avg_ms", "distinct_users", "distinct_customers")


@_question
def model_stats(scope: Scope) -> Query:
    """Return use, cost, outcome and latency of each model."""
    return scope.ask(
        *USED, "success_rate", "latency_avg_ms", dimensions=("provider", "model"), order=("-cost",)
    )


@_question
def provider_stats(scope: Scope) -> Query:
    """Return use, cost, outcome and latency of each provider."""
    return scope.ask(
        *USED, "success_rate", "latency_avg_ms", dimensions=("provider",), order=("-cost",)
    )


@_question
def cost_by_provider(scope: Scope) -> Query:
    """Return the cost of each provider and its parts."""
    parts = ("input_cost_usd", "output_cost_usd", "cache_cost_usd", "other_cost_usd")
    return scope.ask("cost_usd", *parts, dimensions=("provider",))


@_question
def cost_by_outcome(scope: Scope) -> Query:
    """Return what the calls of each model cost by how they ended, each error on its own."""
    return scope.ask(
        *USED,
        dimensions=("provider", "model", "status", "error_type"),
        order=("-cost", "-requests"),
    )


@_question
def cost_analytics(scope: Scope) -> Query:
    """Return the cost of each day, per call and in total, and what prompt caches saved."""
    return scope.ask(
        *("cost_usd", "requests", "cost_per_request_usd", "cache_savings_usd"), window="day"
    )


@_question
def popular_models(scope: Scope) -> Query:
    """Return the ten models that are called most, and all others."""
    return scope.ask(
        *("requests", "total_tokens", "cost_usd", "distinct_users"),
        dimensions=("model",),
        order=("-requests",),
        limit=10,
        others=True,
    )


@_question
def performance(scope: Scope) -> Query:
    """Return how the calls of each provider ended and how long they took."""
    return scope.ask(
        *OUTCOMES, *LATENCIES, "tokens_per_second", dimensions=("provider",), order=("-requests",)
    )


@_question
def latency_percentiles(scope: Scope) -> Query:
    """Return percentiles of latency and the success rate of each model."""
    return scope.ask(
        "requests", *PERCENTILES, "success_rate", dimensions=("model",), order=("-requests",)
    )


@_question
def error_rate_by_provider(scope: Scope) -> Query:
    """Return which share of the calls of each provider failed."""
    return scope.ask(
        *("requests", "errors", "timeouts", "error_rate"),
        dimensions=("provider",),
        order=("-error_rate",),
    )


@_question
def expensive_operations(scope: Scope) -> Query:
    """Return the ten operations and models that cost most, and all others."""
    return scope.ask(
        *("cost_usd", "requests", "cost_per_request_usd", "total_tokens"),
        dimensions=("operation", "model"),
        order=("-cost",),
        limit=10,
        others=True,
    )


@_question
def real_time(scope: Scope) -> Query:
    """Return each hour of the 24 hours until the end of the period."""
    start_ns = None if scope.end_ns is None else max(0, scope.end_ns - DAY_NS)
    return replace(scope, start_ns=start_ns).ask(
        *("requests", "total_tokens", "cost_usd", "success_rate", "latency_p95_ms"),
        window="hour",
        fill=True,
    )


@_question
def project_statistics(scope: Scope) -> Query:
    """Return calls, outcomes, tokens, cost and latency of each project, provider and model."""
    return scope.ask(
        *("requests", "successes", "errors", *USED[1:], "latency_avg_ms"),
        dimensions=("project", "provider", "model"),
    )


@_question
def workspace_analytics(scope: Scope) -> Query:
    """Return use and cost of each workspace, provider, model and type of task."""
    return scope.ask(*USED, dimensions=("workspace_id", "provider", "model", "task_type"))


def user_usage(scope: Scope, user_id: str) -> Query:
    """Return what a user used of each model, the most called one first."""
    return scope.narrow("user_id", user_id).ask(
        *USED, "success_rate", dimensions=("model",), order=("-requests",)
    )


def workspace_logs(scope: Scope, workspace_id: str, *, after: str | None = None) -> RecordQuery:
    """Return the records of a workspace, newest first, page by page."""
    return RecordQuery(
        filters=scope.narrow("workspace_id", workspace_id).filters,
        start_ns=scope.start_ns,
        end_ns=scope.end_ns,
        after=after,
    )
