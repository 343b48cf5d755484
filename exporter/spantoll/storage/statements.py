"""The statements that find the records around a write, each by an index.

Input: how a database knows the rows that the write in progress has inserted. Output: SQLAlchemy
statements; `lookups` binds and runs them, `groups` decides which are needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    LargeBinary,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
)

from spantoll.records.columns import FACTS, usage_record
from spantoll.records.keys import neighbour_keys
from spantoll.semconv.call import BILLABLE_ROLES

__all__ = ["MAX_SHARED", "Gained", "Statements"]

MAX_SHARED = 1_000
"""A response id that more records have identifies no response (mock servers answer one constant):
it connects none of them, in whatever order they came."""

Gained = Callable[[FromClause], ColumnElement[bool]]
"""How SQL knows, of one alias of `usage_record`, a row that the write in progress has inserted."""

_r = usage_record.c


class Statements:
    """The statements of a database, compiled once."""

    def __init__(self, gained: Gained) -> None:
        older = select(usage_record).where(~gained(usage_record))
        billable = _r.role.in_(sorted(BILLABLE_ROLES))
        reports_tokens = or_(_r.input_tokens > 0, _r.output_tokens > 0)
        as_reported = or_(_r[FACTS].is_(None), _r[FACTS].not_like('%_tokens"%'))
        traces = _bind("traces", LargeBinary())
        spans = _bind("spans", LargeBinary())
        # By an expression: an index of tenant and trace would read the whole trace.
        of_tenant = _r.tenant_id.concat("") == bindparam("tenant")
        # Not `(trace_id, parent_span_id) IN (...)`, for which SQLite uses no index.
        below = and_(
            of_tenant,
            _r.trace_id.in_(traces),
            _r.parent_span_id.in_(spans),
        )
        self.gained = select(_r.id, _r.tenant_id, _r.trace_id, _r.span_id).where(
            gained(usage_record)
        )
        self.traces = _in_shared_traces(gained)
        self.responses = _shared_responses(gained)
        self.usages = _shared_usages(gained)
        self.common = select(_r.response_key).where(
            _r.response_key.in_(_bind("keys", BigInteger())),
            _exceeds_shared(usage_record, lambda rows: literal(True)),
        )
        self.without_response = (
            select(literal(1))
            .where(
                _r.response_key.is_(None),
                _r.usage_key.between(bindparam("first_key"), bindparam("last_key")),
            )
            .limit(1)
        )
        self.spans = older.where(
            _r.tenant_id == bindparam("tenant"), _r.trace_id.in_(traces), _r.span_id.in_(spans)
        )
        self.children = older.where(below)
        self.child_with_usage = (
            select(usage_record)
            .where(below, or_(billable, _r.role == "aggregate"), reports_tokens, as_reported)
            .limit(1)
        )
        ends_ns = _r.started_ns + func.coalesce(_r.duration_ns, 0)
        self.times_of_children = (
            select(_r.trace_id, func.min(_r.started_ns), func.max(ends_ns))
            .where(below)
            .group_by(_r.trace_id)
        )
        zero_length = or_(_r.duration_ns == 0, _r[FACTS].like('%"duration_ns"%'))
        without_usage = or_(~reports_tokens.is_(True), ~as_reported)
        roots = and_(
            _r.trace_id.in_(traces),
            _r.parent_span_id.is_(None),
            of_tenant,
        )
        self.stream_events = older.where(below, billable, zero_length)
        self.stream_requests = older.where(below, billable, without_usage)
        self.root_events = older.where(roots, billable, zero_length)
        self.root_requests = older.where(roots, billable, without_usage)
        self.of_responses = older.where(_r.response_key.in_(_bind("keys", BigInteger())))
        self.of_usages = older.where(_r.usage_key.in_(_bind("keys", BigInteger())))
        self.aggregates = older.where(
            _r.role == "aggregate",
            _r.trace_id == bindparam("trace"),
            _r.started_ns <= bindparam("last_ns"),
            of_tenant,
            ends_ns >= bindparam("first_ns"),
        )
        parent = usage_record.alias("parent")
        recorded = select(literal(1)).where(
            parent.c.tenant_id == _r.tenant_id,
            parent.c.trace_id == _r.trace_id,
            parent.c.span_id == _r.parent_span_id,
        )
        self.orphans = select(usage_record).where(
            _r.tenant_id == bindparam("tenant"),
            _r.trace_id == bindparam("trace"),
            _r.id != bindparam("above"),
            _r.started_ns.between(bindparam("first_ns"), bindparam("last_ns")),
            ends_ns <= bindparam("last_ns"),
            _r.parent_span_id.is_not(None),
            ~recorded.exists(),
        )
        self.orphan_with_usage = self.orphans.where(
            or_(billable, _r.role == "aggregate"), reports_tokens, as_reported
        ).limit(1)


def _bind(name: str, kind: Any = None) -> ColumnElement[Any]:
    return bindparam(name, expanding=True, type_=kind)


def _in_shared_traces(gained: Gained) -> Select[Any]:
    """Select the new spans whose trace has other records, and those that are no calls."""
    new, other = usage_record.alias("new"), usage_record.alias("other")
    in_trace = select(literal(1)).where(
        other.c.tenant_id == new.c.tenant_id,
        other.c.trace_id == new.c.trace_id,
        other.c.span_id != new.c.span_id,
    )
    no_call = new.c.role.not_in(sorted(BILLABLE_ROLES))
    # No DISTINCT and no IS NOT NULL here: either makes SQLite walk a whole index for its order
    # instead of the few rows that are new.
    return select(new.c.id).where(gained(new), or_(no_call, in_trace.exists()))


def _exceeds_shared(rows: FromClause, among: Gained) -> ColumnElement[bool]:
    other = usage_record.alias("other")
    same = select(literal(1)).where(other.c.response_key == rows.c.response_key, among(other))
    return same.offset(MAX_SHARED).limit(1).scalar_subquery().is_not(None)


def _shared_responses(gained: Gained) -> Select[Any]:
    """Select the new records with a response key that others have, and if too many have it."""
    new, other = usage_record.alias("new"), usage_record.alias("other")
    shared = select(literal(1)).where(
        other.c.response_key == new.c.response_key, other.c.id != new.c.id
    )
    return select(
        new.c.id,
        new.c.response_key,
        _exceeds_shared(new, lambda rows: literal(True)),
        _exceeds_shared(new, lambda rows: ~gained(rows)),
    ).where(gained(new), shared.exists())


def _shared_usages(gained: Gained) -> Select[Any]:
    """Select the new calls with a usage key that another emitter has, in a slice beside it too.

    Two response ids are two calls, and so are two calls of one emitter without an id. Each case is
    one step into an index, however many calls have the key.
    """
    new, other = usage_record.alias("new"), usage_record.alias("other")
    slices = [new.c.usage_key + step for step in neighbour_keys(0, 1)]
    no_response, others_none = new.c.response_key.is_(None), other.c.response_key.is_(None)
    scope, others = new.c.scope_name, other.c.scope_name

    def exists(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        same = select(literal(1)).where(other.c.usage_key.in_(slices), *conditions)
        return same.exists()

    return select(new.c.id).where(
        gained(new),
        or_(
            and_(~no_response, exists(others_none)),
            and_(no_response, exists(~others_none)),
            and_(no_response, exists(others_none, others < scope)),
            and_(no_response, exists(others_none, others > scope)),
        ),
    )
