"""The model calls of `spantoll up --demo`: 30 days of three customers and five providers.

Input: the time that is now. Output: the same calls for the same day, oldest first. `WORKLOADS` has
one row for each program that calls a model every day; the rest is what a month has beside that: a
day with much more, a call that two instrumentations report, and a model that nobody has a price of.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import NamedTuple

__all__ = ["DAYS", "DAY_NS", "DemoCall", "list_calls", "start_of_demo"]

DAYS = 30
SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
SEED = 20
WEEKEND_SHARE = 0.3
"""Of the calls of a working day, on Saturdays and Sundays."""
SPIKE_DAY = 22
SPIKE_FACTOR = 7
SPIKE_CUSTOMER = "globex"
DOUBLED_DAY = 25
"""Its first call is reported by the SDK's and by a framework's instrumentation."""


class Workload(NamedTuple):
    """What one program calls on a working day; tokens are means."""

    provider: str
    model: str
    team: str
    customers: tuple[str, ...]
    calls: int
    input_tokens: int
    output_tokens: int
    cached_percent: int = 0
    """Of the input tokens, read from the provider's prompt cache."""
    error_percent: int = 0
    latency_ms: int = 900


WORKLOADS = (
    Workload("openai", "gpt-4o", "support", ("acme", "globex", "initech"), 14, 1_900, 320, 45, 2),
    Workload("openai", "gpt-5-mini", "search", ("acme", "globex"), 10, 700, 90, 0, 1, 400),
    Workload("anthropic", "claude-sonnet-4-5", "research", ("acme",), 6, 5_200, 900, 60, 3, 3_100),
    Workload("anthropic", "claude-haiku-4-5", "support", ("initech", "globex"), 7, 1_100, 210),
    Workload("gcp.gemini", "gemini-2.5-flash", "summaries", ("globex",), 9, 8_400, 380, 20, 1),
    Workload("mistral_ai", "mistral-small-latest", "search", ("initech",), 6, 600, 120, 0, 0, 350),
    Workload("cohere", "command-a", "summaries", ("acme",), 2, 2_600, 400, 0, 5, 1_800),
    Workload("mistral_ai", "mistral-next-preview", "research", ("acme",), 1, 3_000, 700),
)
"""The last model has no list price anywhere: its calls are unpriced until somebody gives it one."""
ERRORS = ("rate_limit_exceeded", "timeout", "server_error")


class DemoCall(NamedTuple):
    """One call, as an instrumentation reports it."""

    number: int
    workload: Workload
    customer_id: str
    start_ns: int
    duration_ns: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    error_type: str = ""
    doubled: bool = False
    """A second instrumentation reports it too."""


def start_of_demo(now_ns: int) -> int:
    """Return the beginning of the first day, UTC."""
    return (now_ns // DAY_NS - DAYS + 1) * DAY_NS


def list_calls(now_ns: int) -> list[DemoCall]:
    """Return the calls of the 30 days that end now, oldest first."""
    random = Random(SEED)  # noqa: S311  figures to look at, no secret
    first_ns = start_of_demo(now_ns)
    calls = [call for day in range(DAYS) for call in _list_day(random, first_ns, day)]
    return sorted((call for call in calls if _end_ns(call) < now_ns), key=_end_ns)


def _list_day(random: Random, first_ns: int, day: int) -> Iterator[DemoCall]:
    start_ns = first_ns + day * DAY_NS
    weekend = datetime.fromtimestamp(start_ns // SECOND_NS, UTC).weekday() >= 5
    number = day * 10_000
    for workload in WORKLOADS:
        count = workload.calls
        if day == SPIKE_DAY and SPIKE_CUSTOMER in workload.customers:
            count *= SPIKE_FACTOR
        elif weekend:
            count = max(1, round(count * WEEKEND_SHARE))
        for _ in range(count):
            yield _make_call(random, workload, number, start_ns, spike=day == SPIKE_DAY)._replace(
                doubled=number == DOUBLED_DAY * 10_000
            )
            number += 1


def _make_call(
    random: Random, workload: Workload, number: int, day_ns: int, *, spike: bool
) -> DemoCall:
    customers = workload.customers
    customer = customers[int(random.random() * len(customers))]
    if spike and SPIKE_CUSTOMER in customers:
        customer = SPIKE_CUSTOMER
    # Most work is done between 8 and 18 hours UTC.
    second = int((8 + 10 * random.random()) * 3_600)
    size = 0.5 + random.random()
    input_tokens = int(workload.input_tokens * size)
    cached = int(input_tokens * workload.cached_percent / 100) if random.random() < 0.7 else 0
    failed = random.random() * 100 < workload.error_percent
    return DemoCall(
        number=number,
        workload=workload,
        customer_id=customer,
        start_ns=day_ns + second * SECOND_NS,
        duration_ns=int(workload.latency_ms * (0.4 + 1.4 * random.random())) * 1_000_000,
        input_tokens=0 if failed else input_tokens,
        cached_tokens=0 if failed else cached,
        output_tokens=0 if failed else int(workload.output_tokens * (0.5 + random.random())),
        error_type=ERRORS[int(random.random() * len(ERRORS))] if failed else "",
    )


def _end_ns(call: DemoCall) -> int:
    return call.start_ns + call.duration_ns
