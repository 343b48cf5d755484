"""Percentiles by nearest rank, of groups and of all of them together.

Input: the rows of a query, in which a percentile is the number of its values yet. Output: the same
rows with the percentile in milliseconds. The values of each column are read once, in order, and not
kept, so memory grows with the groups only.

Latency is stored in buckets: bucket b holds (1.04^(b-1), 1.04^b] ms. The answer is the value whose
relative distance to both ends is equal, which is off by less than 2 %; bucket 0, up to 1 ms, is
answered as 1 ms. With `Query.exact`, and for times to the first chunk, every value is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Label

from spantoll.query.measure import Measure, Percentile
from spantoll.query.plan import Plan
from spantoll.query.query import Query
from spantoll.query.statement import select_values

__all__ = ["ERROR", "fill_percentiles"]

WIDTH = 1.04
"""Each bucket ends 4 % above the one before (`records.build.latency_bucket`)."""
ERROR = (WIDTH - 1) / (WIDTH + 1)
"""The largest relative error of a percentile of buckets."""
NS_PER_MS = 1_000_000
FETCHED = 10_000
"""Values read at a time."""

MakePlan = Callable[[Sequence[ColumnElement[Any]]], Plan]
"""Given the expressions that are grouped by, returns where to read them."""

Group = tuple[Any, ...]
"""The keys of a group as the database returns them; empty for all groups together."""


class _Wanted(NamedTuple):
    name: str
    """Of the part in the rows: `m3p0`, or `m3t0` for all groups."""
    rank: int


def fill_percentiles(
    connection: Connection,
    query: Query,
    keys: Sequence[Label[Any]],
    measures: Sequence[Measure],
    found: Sequence[dict[str, Any]],
    *,
    plan: MakePlan,
) -> None:
    """Replace the number of values by the percentile in milliseconds, None without values.

    `plan` says where the values of a column are read.
    """
    names = [key.name for key in keys]
    for percentile, numbers in _list_columns(measures):
        bucket = None if query.exact else percentile.bucket
        column = percentile.column if bucket is None else bucket
        rows = {tuple(row[name] for name in names): row for row in found}
        answers = _read_ranks(
            connection.execute(
                select_values(query, keys, column, plan([*keys, column])).execution_options(
                    yield_per=FETCHED
                )
            ),
            {
                **{key: _rank(row, numbers, "p0") for key, row in rows.items()},
                None: _rank(found[0], numbers, "t0"),
            },
        )
        for key, picked in answers.items():
            for row in found if key is None else [rows[key]]:
                for name, value in picked.items():
                    row[name] = (
                        None if value is None else _to_ms(value, bucketed=bucket is not None)
                    )


def _list_columns(measures: Sequence[Measure]) -> Iterable[tuple[Percentile, dict[int, int]]]:
    """Group percentiles by what they are taken of, each with its measures: number -> percent."""
    columns: dict[str, tuple[Percentile, dict[int, int]]] = {}
    for i, each in enumerate(measures):
        if (percentile := each.percentile) is not None:
            _, numbers = columns.setdefault(percentile.column.name, (percentile, {}))
            numbers[i] = percentile.percent
    return columns.values()


def _rank(row: dict[str, Any], numbers: dict[int, int], part: str) -> list[_Wanted]:
    """Find the ranks of a group's percentiles, the nearest first; 0 where it has no values."""
    wanted = [
        # integer ceiling of n * percent / 100
        _Wanted(f"m{i}{part}", -(-int(row[f"m{i}{part}"] or 0) * percent // 100))
        for i, percent in numbers.items()
    ]
    return sorted(wanted, key=lambda each: each.rank)


def _read_ranks(
    values: Any, wanted: dict[Group | None, list[_Wanted]]
) -> dict[Group | None, dict[str, int | None]]:
    """Walk through the values in their order and take the one at each rank."""
    seen = dict.fromkeys(wanted, 0)
    picked: dict[Group | None, dict[str, int | None]] = {
        key: {each.name: None for each in ranks} for key, ranks in wanted.items()
    }
    waiting = {key: [each for each in ranks if each.rank] for key, ranks in wanted.items()}
    for *keys, value, count in values:
        for key in (tuple(keys), None):
            if key not in waiting:
                continue  # a group beyond the limit
            seen[key] += int(count)
            ranks = waiting[key]
            while ranks and ranks[0].rank <= seen[key]:
                picked[key][ranks.pop(0).name] = value
    return picked


def _to_ms(value: int, *, bucketed: bool) -> float:
    if not bucketed:
        return int(value) / NS_PER_MS
    upper = WIDTH**value
    return upper * (1 - ERROR) if value > 0 else 1.0
