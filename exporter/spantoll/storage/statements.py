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

from spantoll.records.columns import FACTS, may_be_stream_part, usage_record
from spantoll.records.keys import neighbour_keys
from spantoll.semconv.call import BILLABLE_ROLES

__all__ = ["MAX_SHARED", "Gained", "Statements", "bind_list"]

MAX_SHARED = 1_000
"""A response id that more records have identifies no response (mock servers answer one constant):
it connects none of them, in whatever order they came."""

Gained = Callable[[FromClause], ColumnElement[bool]]
"""How SQL knows, of one alias of `usage_record`, a row that the write in progress has inserted."""

_r = usage_record.c
_billable = _r.role.in_(sorted(BILLABLE_ROLES))
_reports_tokens = or_(_r.input_tokens > 0, _r.output_tokens > 0)
_as_reported = or_(_r[FACTS].is_(None), _r[FACTS].not_like('%_tokens"%'))
_has_other_times = _r[FACTS].like('%"duration_ns"%')
"""The row has the times of a whole call, which contain those of its own zero-length span."""
_ends_ns = _r.started_ns + func.coalesce(_r.duration_ns, 0)
# By an expression: an index of tenant and trace would read the whole trace.
_of_tenant = _r.tenant_id.concat("") == bindparam("tenant")


class Statements:
    """The statements of a database, compiled once."""

    def __init__(self, gained: Gained) -> None:
        older = select(usage_record).where(~gained(usage_record))
        self._prepare_keys(gained, older)
        self._prepare_relatives(older)
        self._prepare_streams(older)
        self._prepare_aggregates(older)

    def _prepare_keys(self, gained: Gained, older: Select[Any]) -> None:
        """Prepare what finds the new records, and others by response and usage keys."""
        self.gained = select(_r.id, _r.tenant_id, _r.trace_id, _r.span_id).where(
            gained(usage_record)
        )
        self.traces = _in_shared_traces(gained)
        self.responses = _shared_responses(gained)
        self.usages = _shared_usages(gained)
        self.common = select(_r.response_key).where(
            _r.response_key.in_(bind_list("keys", BigInteger())),
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
        self.of_responses = older.where(_r.response_key.in_(bind_list("keys", BigInteger())))
        self.of_usages = older.where(_r.usage_key.in_(bind_list("keys", BigInteger())))

    def _prepare_relatives(self, older: Select[Any]) -> None:
        """Prepare what finds spans by their ids, and their children."""
        below = _below()
        self.spans = older.where(
            _r.tenant_id == bindparam("tenant"),
            _r.trace_id.in_(bind_list("traces", LargeBinary())),
            _r.span_id.in_(bind_list("spans", LargeBinary())),
        )
        self.children = older.where(below)
        self.child_with_usage = (
            select(usage_record)
            .where(below, or_(_billable, _r.role == "aggregate"), _reports_tokens, _as_reported)
            .limit(1)
        )
        self.times_of_children = (
            select(_r.trace_id, func.min(_r.started_ns), func.max(_ends_ns))
            .where(below)
            .group_by(_r.trace_id)
        )

    def _prepare_streams(self, older: Select[Any]) -> None:
        """Prepare what finds requests of streams and the zero-length spans with their usage."""
        below = _below()
        zero_length = or_(_r.duration_ns == 0, _has_other_times)
        without_usage = or_(~_reports_tokens.is_(True), ~_as_reported)
        roots = and_(
            _r.trace_id.in_(bind_list("traces", LargeBinary())),
            _r.parent_span_id.is_(None),
            # Implied by what is asked below; by this text SQLite finds the index of these roots.
            may_be_stream_part,
            _of_tenant,
        )
        self.stream_events = older.where(below, _billable, zero_length)
        self.stream_requests = older.where(below, _billable, without_usage)
        self.root_events = older.where(roots, _billable, zero_length)
        self.root_requests = older.where(roots, _billable, without_usage)

    def _prepare_aggregates(self, older: Select[Any]) -> None:
        """Prepare what finds aggregates by time, and spans whose parent is not recorded."""
        self.aggregates = older.where(
            _r.role == "aggregate",
            _r.trace_id == bindparam("trace"),
            _r.started_ns <= bindparam("last_ns"),
            _of_tenant,
            _ends_ns >= bindparam("first_ns"),
        )
        parent = usage_record.alias("parent")
        recorded = select(literal(1)).where(
            parent.c.tenant_id == _r.tenant_id,
            parent.c.trace_id == _r.trace_id,
            parent.c.span_id == _r.parent_span_id,
        )
        first_ns: ColumnElement[int] = bindparam("first_ns")
        last_ns: ColumnElement[int] = bindparam("last_ns")
        within = and_(_r.started_ns.between(first_ns, last_ns), _ends_ns <= last_ns)
        orphans = select(usage_record).where(
            _r.tenant_id == bindparam("tenant"),
            _r.trace_id == bindparam("trace"),
            _r.id.not_in(bind_list("but")),
            _r.started_ns <= last_ns,
            _r.parent_span_id.is_not(None),
            ~recorded.exists(),
        )
        self.orphans = orphans.where(or_(within, _has_other_times & (_ends_ns >= first_ns)))
        self.orphan_with_usage = orphans.where(
            or_(_billable, _r.role == "aggregate"),
            *(_reports_tokens, _as_reported),
            *(within, _has_other_times.is_not(True)),
        ).limit(1)


def _below() -> ColumnElement[bool]:
    """Return the condition that a record's parent is one of the bound spans."""
    # Not `(trace_id, parent_span_id) IN (...)`, for which SQLite uses no index.
    return and_(
        _of_tenant,
        _r.trace_id.in_(bind_list("traces", LargeBinary())),
        _r.parent_span_id.in_(bind_list("spans", LargeBinary())),
    )


def bind_list(name: str, kind: Any = None) -> ColumnElement[Any]:
    """Return a parameter that is bound to the values of an IN list."""
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
