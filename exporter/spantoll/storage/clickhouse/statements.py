"""The statements that find what a write is connected with, as ClickHouse runs them fast.

Input and output are those of `storage.statements`. Other databases probe an index for each new
row; ClickHouse would join all records for that. It reads a list of keys by its skip indexes, so
keys that are shared are found by grouping the records that have a key of a new one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    func,
    or_,
    select,
    tuple_,
    union_all,
)

from spantoll.records.columns import usage_record
from spantoll.records.keys import neighbour_keys
from spantoll.semconv.call import BILLABLE_ROLES
from spantoll.storage.statements import MAX_SHARED, Gained, Statements, bind_list

__all__ = ["ClickhouseStatements"]


class ClickhouseStatements(Statements):
    """The statements of ClickHouse, compiled once."""

    def _prepare_keys(self, gained: Gained, older: Select[Any]) -> None:
        super()._prepare_keys(gained, older)
        self.traces = _in_shared_traces(gained)
        self.responses = _shared_responses(gained)
        self.usages = _shared_usages(gained)
        key = usage_record.c.response_key
        self.common = _group(key, key.in_(bind_list("keys", BigInteger())), more_than=MAX_SHARED)


def _group(
    key: ColumnElement[Any], *conditions: ColumnElement[bool], more_than: int
) -> Select[Any]:
    """Select the keys that more than so many records have."""
    return select(key).where(*conditions).group_by(key).having(func.count() > more_than)


def _in_shared_traces(gained: Gained) -> Select[Any]:
    """Select the new spans whose trace has other records, and those that are no calls."""
    new, own, other = (usage_record.alias(name) for name in ("new", "own", "other"))

    def trace(rows: FromClause) -> list[ColumnElement[Any]]:
        return [rows.c.tenant_id, rows.c.trace_id]

    of_new = tuple_(*trace(other)).in_(select(*trace(own)).where(gained(own)))
    shared = select(*trace(other)).where(of_new).group_by(*trace(other)).having(func.count() > 1)
    no_call = new.c.role.not_in(sorted(BILLABLE_ROLES))
    return select(new.c.id).where(gained(new), or_(no_call, tuple_(*trace(new)).in_(shared)))


def _shared_responses(gained: Gained) -> Select[Any]:
    """Select the new records with a response key that others have, and if too many have it."""
    new, own, other = (usage_record.alias(name) for name in ("new", "own", "other"))
    key = other.c.response_key
    of_new = key.in_(select(own.c.response_key).where(gained(own)))
    common = _group(key, of_new, more_than=MAX_SHARED)
    was_common = _group(key, of_new, ~gained(other), more_than=MAX_SHARED)
    return select(
        new.c.id,
        new.c.response_key,
        new.c.response_key.in_(common),
        new.c.response_key.in_(was_common),
    ).where(gained(new), new.c.response_key.in_(_group(key, of_new, more_than=1)))


def _shared_usages(gained: Gained) -> Select[Any]:
    """Select the new calls with a usage key that another emitter has, in a slice beside it too.

    Two response ids are two calls, and so are two calls of one emitter without an id.
    """
    new, own, other = (usage_record.alias(name) for name in ("new", "own", "other"))
    steps = neighbour_keys(0, 1)
    near = union_all(
        *(select((own.c.usage_key + step).label("key")).where(gained(own)) for step in steps)
    ).subquery()
    no_response = other.c.response_key.is_(None)
    beside = (
        select(
            other.c.usage_key.label("key"),
            func.countIf(no_response).label("without"),
            func.countIf(~no_response).label("with"),
            func.minIf(other.c.scope_name, no_response).label("first_scope"),
            func.maxIf(other.c.scope_name, no_response).label("last_scope"),
        )
        .where(other.c.usage_key.in_(select(near.c.key)))
        .group_by(other.c.usage_key)
        .subquery("beside")
    )
    b, scope = beside.c, new.c.scope_name
    is_other = or_(
        and_(new.c.response_key.is_not(None), b.without > 0),
        and_(
            new.c.response_key.is_(None),
            or_(b["with"] > 0, b.first_scope < scope, b.last_scope > scope),
        ),
    )
    return (
        select(new.c.id)
        .distinct()
        .select_from(new.join(beside, or_(*(b.key == new.c.usage_key + step for step in steps))))
        .where(gained(new), is_other)
    )
