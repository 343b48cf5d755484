"""Compile sums of counted records from roll-ups, and from records where a plan says so.

Input: a `Query`, what is grouped by, what is added up, and a `Plan`. Output: one SELECT over the
union of what is read from each source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Label,
    Select,
    UnaryExpression,
    and_,
    case,
    func,
    select,
    true,
    union_all,
)
from sqlalchemy.sql import operators, visitors

from spantoll.query.conditions import Condition, make_filter_conditions, restrict_to_spans
from spantoll.query.plan import Cut, Plan
from spantoll.query.query import Query
from spantoll.query.roll_ups import find_sum, move_to, move_to_middle
from spantoll.records.columns import usage_record
from spantoll.storage.roll_up_pending import is_rolled_up
from spantoll.storage.roll_ups import RollUp

__all__ = ["WINDOW", "select_rolled_sums"]

WINDOW = "w"
"""The key that is the start of a window."""
MIDDLE = "w_middle"
"""The start of the window in which the middle of a cut bucket lies."""
COUNT = "n"

MAX_SPANS = 64
"""Periods that a statement names one by one; SQLite takes 1,000 conditions joined by OR."""

r = usage_record.c


def select_rolled_sums(
    query: Query,
    keys: Sequence[Label[Any]],
    added: Mapping[str, ColumnElement[Any]],
    plan: Plan,
) -> Select[Any]:
    """Select sums of counted records from roll-ups, and from records where the plan says so.

    Columns: the keys, a sum per name of `added`, NULL where no record knows it, and `n` records.
    """
    names = [key.name for key in keys]
    sources = [
        _select_source(query, keys, added, roll_up, restrict_to_spans(spans))
        for roll_up, spans in plan.roll_ups
    ]
    if plan.records:
        within = restrict_to_spans(plan.records)
        sources.append(_select_source(query, keys, added, None, within))
    if plan.subtracted is not None:
        later = _select_source(query, keys, added, None, restrict_to_spans([plan.subtracted]))
        sources.append(_negate(later.subquery("later").c, names, names))
    if plan.cut is not None:
        sources += _select_cut(query, keys, added, plan)
    if plan.pending_after is not None:
        sources.append(_select_pending(query, keys, added, plan))
    u = union_all(*sources).subquery("sources").c
    totals = (case((func.sum(u[f"{name}n"]) != 0, func.sum(u[name]))).label(name) for name in added)
    counted = func.sum(u[COUNT])
    answer: Select[Any] = select(*(u[name] for name in names), *totals, counted.label(COUNT))
    # A group whose records have all been subtracted is none.
    return answer.group_by(*(u[name] for name in names)).having(counted != 0) if names else answer


def _select_source(
    query: Query,
    keys: Sequence[Label[Any]],
    added: Mapping[str, ColumnElement[Any]],
    source: RollUp | None,
    within: Condition,
) -> Select[Any]:
    """Select the keys, `n` records, and per name of `added` its sum and `NAMEn` that know it.

    `source` is None for the records. `keys` and `within` are expressions over records.
    """
    names = [key.name for key in keys]
    where = [*make_filter_conditions(query), within]
    columns: dict[str, ColumnElement[Any]] = {}
    if source is None:
        where.append(r.counted == true())
        columns[COUNT] = func.count()
        for name, expression in added.items():
            columns |= {name: func.sum(expression), f"{name}n": func.count(expression)}
    else:
        keys = [move_to(source, key) for key in keys]
        where = [move_to(source, condition) for condition in where]
        columns[COUNT] = func.sum(source.table.c.records)
        for name, expression in added.items():
            if (summed := find_sum(source, expression)) is not None:
                columns |= {name: func.sum(summed.total), f"{name}n": func.sum(summed.known)}
    shown = (column.label(name) for name, column in columns.items())
    return select(*keys, *shown).where(*where).group_by(*names)


def _select_pending(
    query: Query, keys: Sequence[Label[Any]], added: Mapping[str, ColumnElement[Any]], plan: Plan
) -> Select[Any]:
    """Select the records of the periods of roll-ups that are in none yet, which are few."""
    spans: list[tuple[int | None, int | None]] = [
        each for _, spans in plan.roll_ups for each in spans
    ]
    spans += plan.cut.spans if plan.cut is not None else ()
    newer = _select_source(query, keys, added, None, restrict_to_spans(spans))
    # An index of times or users may look better to SQLite, and find all records of the period.
    found: Any = visitors.replacement_traverse(newer, {}, _keep_from_index)
    newest: Select[Any] = found.where(r.id > plan.pending_after)
    return newest


def _keep_from_index(element: Any, **_: Any) -> Any:
    if isinstance(element, Column) and element.table is usage_record:
        return UnaryExpression(element, operator=operators.custom_op("+"), type_=element.type)
    return None


def _select_cut(
    query: Query, keys: Sequence[Label[Any]], added: Mapping[str, ColumnElement[Any]], plan: Plan
) -> list[Select[Any]]:
    """Select the buckets by their middles, and what of them is in another window.

    The latter is added to its own window and subtracted from that of the middle.
    """
    cut = plan.cut
    if cut is None:
        return []
    width_ns = cut.roll_up.width_ns
    middles = [move_to_middle(key, width_ns) if key.name == WINDOW else key for key in keys]
    whole = _select_source(query, middles, added, cut.roll_up, restrict_to_spans(cut.spans))
    if not cut.parts:
        return [whole]
    both = [*keys, *(key.element.label(MIDDLE) for key in middles if key.name == WINDOW)]
    # Referenced twice, so the parts are read once.
    within = _restrict_to_parts(cut)
    if cut.finer is None and plan.pending_after is not None:
        within = and_(within, *is_rolled_up(plan.pending_after))
    parts = _select_source(query, both, added, cut.finer, within).cte("parts").c
    names = [key.name for key in keys]
    summed = [column for column in parts if column.name not in (*names, MIDDLE)]
    return [
        whole,
        select(*(parts[name] for name in names), *summed),
        _negate(parts, names, [MIDDLE if name == WINDOW else name for name in names]),
    ]


def _negate(sums: Any, names: Sequence[str], sources: Sequence[str]) -> Select[Any]:
    """Select sums to be subtracted; `sources` are the columns that become the keys `names`."""
    keys = [sums[source].label(name) for name, source in zip(names, sources, strict=True)]
    summed = [column for column in sums if column.name not in (*names, MIDDLE)]
    return select(*keys, *((-column).label(column.name) for column in summed))


def _restrict_to_parts(cut: Cut) -> Condition:
    """Select the parts of a cut, or more: what is in none is added and subtracted alike."""
    if len(cut.parts) <= MAX_SPANS:
        return restrict_to_spans(cut.parts)
    width_ns = cut.roll_up.width_ns
    first_ns, last_ns = width_ns, 0
    for start_ns, end_ns in cut.parts:
        if start_ns % width_ns == 0:
            last_ns = max(last_ns, end_ns % width_ns)
        else:
            first_ns = min(first_ns, start_ns % width_ns)
    time = r.started_ns % width_ns
    return and_(restrict_to_spans(cut.spans), (time >= first_ns) | (time < last_ns))
