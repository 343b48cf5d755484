"""The questions that the benchmarks of queries ask, each with the SQL somebody would write for it.

Input: the name of a database, as SQLAlchemy has it. Output: `list_cases`, and `check`, which ends a
benchmark where two answers to one question differ. The ledger has records of the 30 days before
2026-11-21, as `make_batches` makes them: 20 models of 6 providers, 50 users.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from spantoll.query import Filter, Query, Result
from spantoll.records import UsageRecord

if TYPE_CHECKING:
    from benchmarks.ingest import records
else:  # the folder of a script is where it imports from
    from ingest import records

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
END_NS = 1_795_219_200 * 10**9
"""2026-11-21T00:00:00Z"""
WEEK_NS = END_NS - 7 * DAY_NS
DAYS = 30
CLOCKS_BACK_NS = 1_792_890_000 * 10**9
"""2026-10-25T01:00:00Z, the end of summer time in Berlin."""
RECEIVED_AFTER_NS = 60 * 10**9
DIFFERENT = 20_000
WRITTEN = 16_384

COUNTED = "FROM usage_record WHERE counted"
SUMS = "sum(requests), sum(input_tokens), sum(output_tokens), sum(cost_nano)"
PERCENTS = (50, 95)

DIVIDE = {"mysql": "({0}) DIV {1}", "mariadb": "({0}) DIV {1}", "clickhousedb": "intDiv({0}, {1})"}
"""Integer division, where it is not the operator `/`."""


class Case(NamedTuple):
    """One question."""

    name: str
    query: Query
    sql: str
    """Its last four columns are SUMS; for percentiles a bucket and how many records it has."""


def list_cases(database: str) -> list[Case]:
    """List the questions, their SQL spelled for a database."""

    def divide(above: str) -> str:
        return DIVIDE.get(database, "({0}) / {1}").format(above, DAY_NS)

    berlin = f"CASE WHEN started_ns < {CLOCKS_BACK_NS} THEN {2 * HOUR_NS} ELSE {HOUR_NS} END"
    return [
        Case(
            "by day",
            Query(window="day"),
            f"SELECT {divide('started_ns')} AS day, {SUMS} {COUNTED} GROUP BY 1",
        ),
        Case("by model", Query(dimensions=["model"]), f"SELECT model, {SUMS} {COUNTED} GROUP BY 1"),
        Case(
            "summary of a provider, 7 days",
            Query(filters=[Filter("provider", ("openai",))], start_ns=WEEK_NS),
            f"SELECT {SUMS} {COUNTED} AND provider = 'openai' AND started_ns >= {WEEK_NS}",
        ),
        Case(
            "by day in Berlin",
            Query(window="day", tz="Europe/Berlin"),
            f"SELECT {divide(f'started_ns + {berlin}')} AS day, {SUMS} {COUNTED} GROUP BY 1",
        ),
        Case(
            "percentiles by provider",
            Query(measures=["latency_p50_ms", "latency_p95_ms"], dimensions=["provider"]),
            f"SELECT provider, latency_bucket, count(*) {COUNTED} GROUP BY 1, 2 ORDER BY 1, 2",
        ),
        Case(
            "top 10 users",
            Query(dimensions=["user_id"], limit=10),
            f"SELECT user_id, {SUMS} {COUNTED} GROUP BY 1 ORDER BY 5 DESC LIMIT 10",
        ),
    ]


def check(case: Case, answer: Result, raw: Sequence[Sequence[Any]]) -> None:
    """Compare an answer with what the SQL of its case returned; exit where they differ."""
    if "latency_p50_ms" in case.query.measures:
        names = ("latency_p50_ms", "latency_p95_ms")
        ours = sorted([float(row.measures[name] or 0) for name in names] for row in answer.rows)
        expected = sorted(_find_percentiles(raw))
        same = all(
            abs(a - b) < 1e-6
            for x, y in zip(ours, expected, strict=True)
            for a, b in zip(x, y, strict=True)
        )
    else:
        sums = ("requests", "input_tokens", "output_tokens", "cost_usd")
        found = [[row[name] for name in sums] for row in answer.rows]
        same = _sort(found, money=10**9) == _sort([row[-4:] for row in raw])
    if not same:
        raise SystemExit(f"{case.name}: SpanToll and the raw SQL answer differently")


def _sort(rows: Sequence[Sequence[Any]], *, money: int = 1) -> list[list[int]]:
    """Sort rows of integers, -1 where a sum is unknown; the last of each row is times `money`."""
    return sorted(
        [-1 if value is None else int(value) for value in (*counts, cost and cost * money)]
        for *counts, cost in rows
    )


def _find_percentiles(raw: Sequence[Sequence[Any]]) -> Iterator[list[float]]:
    """Find the nearest-rank percentiles of the buckets of each provider, in milliseconds."""
    for provider in {row[0] for row in raw}:
        counts = [(int(b), int(n)) for name, b, n in raw if name == provider and b is not None]
        total = sum(n for _, n in counts)
        found = []
        for percent in PERCENTS:
            rank, seen = -(-total * percent // 100), 0
            for bucket, n in sorted(counts):
                seen += n
                if seen >= rank:
                    # The value whose relative distance to both ends of the bucket is equal.
                    found.append(1.04**bucket * (1 - 0.04 / 2.04) if bucket else 1.0)
                    break
        yield found


def make_batches(number: int) -> Iterator[list[UsageRecord]]:
    """Make records that are spread evenly over the 30 days."""
    rng = random.Random(7)
    different = records(min(DIFFERENT, number))
    step_ns = DAYS * DAY_NS // number
    batch: list[UsageRecord] = []
    for index in range(number):
        ids = rng.randbytes(24)
        started_ns = END_NS - DAYS * DAY_NS + index * step_ns
        batch.append(
            different[index % len(different)]._replace(
                trace_id=ids[:16],
                span_id=ids[16:],
                response_key=None,
                usage_key=None,
                started_ns=started_ns,
                received_ns=started_ns + RECEIVED_AFTER_NS,
            )
        )
        if len(batch) == WRITTEN or index == number - 1:
            yield batch
            batch = []


def median_ms(
    work: Callable[[], Any], rounds: int, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Run once to warm up, then `rounds` times."""
    work()
    spent = []
    for _ in range(rounds):
        started = clock()
        work()
        spent.append((clock() - started) * 1e3)
    return statistics.median(spent)
