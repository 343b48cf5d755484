"""Choose from which roll-ups a query is answered, and where only from records.

Input: what a query groups, filters and adds up. Output: a `Plan`: periods, each read from one
roll-up or from the records, which together are exactly the period of the query. A roll-up is read
for whole buckets only, where it has every column that is needed, and outside of gaps (see
`storage/roll_ups.py`). Where its buckets lie in two windows, `cut_buckets.py` corrects them; where
the period ends within one, `bucket_ends.py` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    Case,
    Column,
    ColumnElement,
    Connection,
    case,
    func,
    select,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import coalesce

from spantoll.query.bucket_ends import BucketEnd, extend_to_bucket
from spantoll.query.cut_buckets import cut_buckets
from spantoll.query.measure import count_known
from spantoll.query.plan import Plan, Span, subtract_gaps
from spantoll.query.windows import LAST_NS, Window
from spantoll.records.columns import usage_record
from spantoll.storage.roll_up_sums import NEVER_NULL, SUMS, known_name
from spantoll.storage.roll_ups import ROLL_UPS, RollUp, has_roll_ups, roll_up_gap

__all__ = [
    "RolledSum",
    "find_sum",
    "make_plan",
    "move_to",
    "move_to_middle",
    "read_gaps",
]

r = usage_record.c

TIME = "started_ns"


class RolledSum(NamedTuple):
    """A sum over records as columns of a roll-up."""

    total: ColumnElement[Any]
    known: ColumnElement[Any]
    """In how many records its expression is not NULL."""


def read_gaps(connection: Connection, deleted_before_ns: int) -> list[Span] | None:
    """Read the periods for which roll-ups are not valid; None where a database has none.

    ClickHouse has them of the time before the mark of retention only.
    """
    if not has_roll_ups(connection):
        return [Span(deleted_before_ns, LAST_NS)] if deleted_before_ns else None
    g = roll_up_gap.c
    return [Span(*row) for row in connection.execute(select(g.start_ns, g.end_ns))]


def make_plan(
    period: Span,
    *,
    needed: Iterable[ColumnElement[Any]],
    added: Sequence[ColumnElement[Any]] = (),
    covering: Sequence[Window] = (),
    gaps: Sequence[Span] = (),
    bucket_ends: Sequence[BucketEnd] = (),
    pending_after: int | None = None,
) -> Plan:
    """Cover a period; `needed` are the expressions of dimensions and filters, `added` of sums.

    One that depends on the time of a record, such as an owner by a dated rule, no roll-up has.
    """
    names = {column.name for each in needed for column in _list_columns(each)}
    usable = [
        each
        for each in ROLL_UPS
        if names <= set(each.dimensions)
        and all(find_sum(each, expression) is not None for expression in added)
    ]
    whole = _choose_widths([each for each in usable if _fits(each, covering)])
    across = _choose_widths([each for each in usable if not _fits(each, covering)])
    asked, (period, subtracted) = period, extend_to_bucket(period, whole, covering, bucket_ends)
    cut, outside = None, [period]
    if across:
        finer = whole[0] if whole else None
        cut, outside = cut_buckets(period, covering, roll_up=across[0], finer=finer, gaps=gaps)
    found: dict[str, tuple[RollUp, list[Span]]] = {}
    records: list[Span] = []
    for source, span in (piece for each in outside for piece in _split(each, whole)):
        if source is None:
            records.append(span)
            continue
        valid, invalid = subtract_gaps(span, gaps)
        records += invalid
        found.setdefault(source.name, (source, []))[1].extend(valid)
    rolled = tuple((source, tuple(spans)) for source, spans in found.values() if spans)
    plan = Plan(rolled, tuple(records), cut=cut, subtracted=subtracted, pending_after=pending_after)
    return plan if plan.reads_roll_ups else Plan((), (asked,))


def _fits(roll_up: RollUp, covering: Sequence[Window]) -> bool:
    """Return whether each bucket lies in one window."""
    return all(window.start_ns % roll_up.width_ns == 0 for window in covering)


def find_sum(roll_up: RollUp, expression: ColumnElement[Any]) -> RolledSum | None:
    """Find the sum of an expression over records; None where a roll-up does not have it."""
    return _find_sum(roll_up.name, expression)


def move_to(roll_up: RollUp, expression: Any) -> Any:
    """Return an expression over records as one over the rows of a roll-up."""

    def replace(element: Any, **_: Any) -> Any:
        if isinstance(element, Column) and element.table is usage_record:
            return roll_up.table.c["bucket_ns" if element.name == TIME else element.name]
        return None

    return visitors.replacement_traverse(expression, {}, replace)


def move_to_middle(expression: Any, width_ns: int) -> Any:
    """Return an expression over records with the middle of their bucket as their time."""
    middle = r.started_ns - r.started_ns % width_ns + width_ns // 2

    def replace(element: Any, **_: Any) -> Any:
        return middle if element is r.started_ns else None

    return visitors.replacement_traverse(expression, {}, replace)


@lru_cache(maxsize=2_048)
def _find_sum(name: str, expression: ColumnElement[Any]) -> RolledSum | None:
    roll_up = next(each for each in ROLL_UPS if each.name == name)
    c = roll_up.table.c
    for sum_name, summed in SUMS.items():
        if sum_name in roll_up.sums and expression is summed:
            return RolledSum(c[sum_name], c[known_name(sum_name)])
    if not isinstance(expression, Case):
        return None
    for sum_name, summed in SUMS.items():
        is_kept = sum_name in roll_up.sums and sum_name not in NEVER_NULL
        if is_kept and expression.compare(count_known(summed)):
            return RolledSum(c[known_name(sum_name)], c.records)
    return _find_case(roll_up, expression)


def _find_case(roll_up: RollUp, expression: Case[Any]) -> RolledSum | None:
    """Find the sum of a CASE whose conditions are the same in all records of a row."""
    totals: list[tuple[Any, Any]] = []
    knowns: list[tuple[Any, Any]] = []
    for condition, result in expression.whens:
        names = {column.name for column in _list_columns(condition)}
        found = _find_result(roll_up, result)
        if found is None or not names <= set(roll_up.dimensions):
            return None
        moved = move_to(roll_up, condition)
        totals.append((moved, found.total))
        knowns.append((moved, found.known))
    if expression.else_ is None:
        return RolledSum(case(*totals), case(*knowns, else_=0))
    other = _find_result(roll_up, expression.else_)
    if other is None:
        return None
    return RolledSum(case(*totals, else_=other.total), case(*knowns, else_=other.known))


def _find_result(roll_up: RollUp, result: ColumnElement[Any]) -> RolledSum | None:
    """Find the sum of what a CASE returns: 0, or something that a roll-up has, NULL or 0 for it."""
    records = roll_up.table.c.records
    if isinstance(result, BindParameter):
        return RolledSum(result, records) if result.value == 0 else None
    if isinstance(result, coalesce):
        summed, *otherwise = result.clauses
        is_zero = [isinstance(each, BindParameter) and each.value == 0 for each in otherwise]
        found = _find_sum(roll_up.name, summed) if is_zero == [True] else None
        return None if found is None else RolledSum(func.coalesce(found.total, 0), records)
    return _find_sum(roll_up.name, result)


def _list_columns(expression: ColumnElement[Any]) -> list[Column[Any]]:
    return [
        each
        for each in visitors.iterate(expression)
        if isinstance(each, Column) and each.table is usage_record
    ]


def _choose_widths(usable: Sequence[RollUp]) -> list[RollUp]:
    """Keep the first roll-up of each width, the widest first."""
    chosen: dict[int, RollUp] = {}
    for each in usable:
        chosen.setdefault(each.width_ns, each)
    return [chosen[width] for width in sorted(chosen, reverse=True)]


def _split(period: Span, sources: Sequence[RollUp]) -> Iterable[tuple[RollUp | None, Span]]:
    """Split a period into whole buckets of the widest roll-up, and edges by the next ones."""
    start_ns, end_ns = period
    if start_ns is not None and end_ns is not None and start_ns >= end_ns:
        return
    if not sources:
        yield None, period
        return
    source, *finer = sources
    first = None if start_ns is None else start_ns + -start_ns % source.width_ns
    last = None if end_ns is None else end_ns - end_ns % source.width_ns
    if first is not None and last is not None and first >= last:
        yield from _split(period, finer)
        return
    if first != start_ns:
        yield from _split(Span(start_ns, first), finer)
    yield source, Span(first, last)
    if last != end_ns and last is not None:
        yield from _split(Span(last, end_ns), finer)
