"""What people change in a ledger by hand: void a record, erase a person. Each is audited.

Input: a record or a user, who asks and why. Output: changed records, and a row of `audit_event`.
Both hold against later settling, because they change the facts of a record, which settling decides
from, and `pipeline.settle` counts no call of which a report is void.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import ColumnElement, Connection, Engine, Row, Table, or_, select, update

from spantoll.errors import AmendError
from spantoll.records.columns import ADJUSTED, FACTS, usage_record
from spantoll.records.record import UsageRecord
from spantoll.records.text import to_json
from spantoll.storage.audit import encode_values, list_changes
from spantoll.storage.audit_events import add_audit_event
from spantoll.storage.facts import store_changes, stored, update_rows
from spantoll.storage.periods import find_period, read_periods
from spantoll.storage.retention import name_mark, read_deleted_before
from spantoll.storage.roll_ups import END_NS, ROLL_UPS, changing_records, has_roll_ups
from spantoll.storage.store import Stored
from spantoll.storage.tables import adjustment, reprice_change

if TYPE_CHECKING:
    from spantoll.storage.sql import SqlStore

__all__ = ["VOIDED", "count_user_records", "erase_user", "void_record"]

VOIDED = "voided"
"""The `counted_reason` of a record that was recorded by mistake."""

PERSONAL = ("user_id", "user_email")
ERASED_ROWS = 500
"""Records of one transaction, so that receivers do not wait long; every IN list takes as many."""

r = usage_record.c

_Versions = tuple[UsageRecord, UsageRecord, UsageRecord]


def void_record(store: SqlStore, record_id: int, *, why: str, by: str, now_ns: int) -> UsageRecord:
    """Count a record, and what else reports its call, never again; return it as it was.

    Raises AmendError where there is no such record, it is not counted anyway, or it is of a closed
    period, whose sums stay as they were reported, or of a time whose records are deleted.
    """
    with store.transaction() as connection:
        row = connection.execute(select(usage_record).where(r.id == record_id)).first()
        if row is None:
            raise AmendError(f"there is no record {record_id}")
        before = stored(row)
        _check_counted(connection, before)
        closed = find_period(read_periods(connection), before.current.started_ns)
        if closed is not None:
            raise AmendError(f"record {record_id} is of {closed.name}, which is closed")
        mark_ns = read_deleted_before(connection)
        if before.current.started_ns < mark_ns:
            raise AmendError(
                f"record {record_id} started before {name_mark(mark_ns)}, whose records are deleted"
            )
        after = before._replace(
            facts=before.facts._replace(counted=False, counted_reason=VOIDED),
            current=before.current._replace(counted=False, counted_reason=VOIDED),
        )
        # The audit first: without transactions a crash leaves a row too many, never one too few.
        add_audit_event(
            connection, "void", by=by, why=why, now_ns=now_ns, records=1, record_id=record_id
        )
        store_changes(connection, [(before, after)])
    return before.current


def count_user_records(store: SqlStore, user: str) -> int:
    """Count the records from which `erase_user` would remove a user; nothing is changed."""
    found = last_id = 0
    while ids := _find_mentions(store.engine, user, last_id):
        last_id = ids[-1]
        with store.engine.connect() as connection:
            rows = connection.execute(select(usage_record).where(r.id.in_(ids))).all()
        versions = (_erase_versions(row, user) for row in rows)
        found += sum(before != after for _, before, after in versions)
    return found


def erase_user(store: SqlStore, user: str, *, why: str, by: str, now_ns: int) -> int:
    """Remove a user id, and the addresses beside it, from every record; return how many had it.

    `user` is a user id or an e-mail address. Counts, tokens and costs stay. A person's id in the
    attributes that a record keeps is removed with its attribute, and an error message that quotes
    it is removed. Roll-ups know user ids only: an address does not erase sums of deleted records.
    """
    erased = last_id = 0
    while ids := _find_mentions(store.engine, user, last_id):
        last_id = ids[-1]
        with store.transaction() as connection:
            # Read again under lock: settling may have changed them.
            rows = connection.execute(select(usage_record).where(r.id.in_(ids))).all()
            erased += _erase_rows(connection, rows, user)
    with store.transaction() as connection:
        for table in (adjustment, reprice_change):
            _erase_values(connection, table, user)
        _erase_sums(connection, user)
        add_audit_event(connection, "erase", by=by, why=why, now_ns=now_ns, records=erased)
    return erased


def _check_counted(connection: Connection, member: Stored) -> None:
    current = member.current
    if current.counted:
        return
    if current.counted_reason == VOIDED:
        raise AmendError(f"record {member.id} is void already")
    problem = f"record {member.id} is not counted: {current.counted_reason}"
    if current.repeats_span is not None:
        billed = select(r.id).where(
            r.tenant_id == current.tenant_id,
            r.trace_id == current.repeats_span[:16],
            r.span_id == current.repeats_span[16:],
        )
        problem += f"; it repeats record {connection.scalar(billed)}"
    raise AmendError(problem)


def _find_mentions(engine: Engine, user: str, last_id: int) -> list[int]:
    """Find the records after `last_id` that may hold a user: texts are looked at more closely."""
    named = or_(
        *(r[name] == user for name in PERSONAL),
        *(_mentions(r[name], user) for name in (FACTS, ADJUSTED, "metadata", "error_message")),
    )
    found = select(r.id).where(r.id > last_id, named).order_by(r.id).limit(ERASED_ROWS)
    with engine.connect() as connection:
        return list(connection.scalars(found))


def _mentions(text: ColumnElement[str], user: str) -> ColumnElement[bool]:
    # As it is, in JSON, and in JSON within JSON.
    once = orjson.dumps(user).decode()[1:-1]
    twice = orjson.dumps(once).decode()[1:-1]
    return or_(*(text.contains(form, autoescape=True) for form in {user, once, twice}))


def _erase_rows(connection: Connection, rows: Sequence[Row[Any]], user: str) -> int:
    """Erase a user from records and from what stands beside them, closed or not; count them."""
    changes: list[tuple[int, UsageRecord, UsageRecord]] = []
    updates: list[tuple[int, dict[str, Any]]] = []
    for row in rows:
        member, before, after = _erase_versions(row, user)
        kept, (columns, facts, current) = before[0], after
        if before == after:
            continue
        adjusted = encode_values(list_changes(columns, current)) if row._mapping[ADJUSTED] else None
        values: dict[str, Any] = {
            **list_changes(kept, columns),
            FACTS: encode_values(list_changes(columns, facts)),
            ADJUSTED: adjusted,
        }
        changes.append((member.id, kept, columns))
        updates.append((member.id, values))
    with changing_records(connection, changes):
        update_rows(connection, updates)
    return len(updates)


def _erase_versions(row: Row[Any], user: str) -> tuple[Stored, _Versions, _Versions]:
    """Read a record, what its row keeps of it as columns, facts and current, and these erased."""
    kept = UsageRecord._make(row._mapping[name] for name in UsageRecord._fields)
    member = stored(row)
    columns, facts, current = (
        _erase_from(each, user) for each in (kept, member.facts, member.current)
    )
    return member, (kept, member.facts, member.current), (columns, facts, current)


def _erase_values(connection: Connection, table: Table, user: str) -> None:
    """Erase a user from the old and new values of a table of changes."""
    texts = (table.c.old_values, table.c.new_values)
    found = select(table).where(or_(*(_mentions(text, user) for text in texts)))
    for row in connection.execute(found).mappings().all():
        same = (column == row[column.name] for column in table.primary_key)
        values = {text.name: _blank(row[text.name], user) for text in texts}
        connection.execute(update(table).where(*same).values(values))


def _erase_sums(connection: Connection, user: str) -> None:
    """Erase a user id from the sums of deleted records, which only roll-ups have."""
    mark_ns = read_deleted_before(connection)
    # What is later there, a deletion that was cut has left.
    end_ns = mark_ns if has_roll_ups(connection) else END_NS
    for roll_up in ROLL_UPS:
        t = roll_up.table.c
        for name in set(PERSONAL).intersection(roll_up.dimensions if end_ns else ()):
            chosen = (t.bucket_ns < end_ns) & (t[name] == user)
            connection.execute(update(roll_up.table).where(chosen).values({name: None}))


def _blank(text: str, user: str) -> str:
    def blank(value: object) -> object:
        if isinstance(value, dict):
            return {name: blank(each) for name, each in value.items()}
        return None if value == user else value

    return orjson.dumps(blank(orjson.loads(text))).decode()


def _erase_from(record: UsageRecord, user: str) -> UsageRecord:
    erased: dict[str, str | None] = {}
    if user in (record.user_id, record.user_email):
        erased |= dict.fromkeys(PERSONAL)
    if record.error_message is not None and _word(user).search(record.error_message):
        erased["error_message"] = None
    if record.metadata is not None:
        attributes = orjson.loads(record.metadata)
        kept = {name: value for name, value in attributes.items() if not _holds(value, user)}
        if len(kept) < len(attributes):
            erased["metadata"] = to_json(kept) if kept else None
    return record._replace(**erased) if erased else record  # type: ignore[arg-type]  # by name


def _word(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)")


def _holds(value: object, user: str) -> bool:
    """Return True if a value of JSON, or one within it, is the user."""
    if isinstance(value, Mapping):
        return any(_holds(each, user) for each in (*value, *value.values()))
    if isinstance(value, list):
        return any(_holds(each, user) for each in value)
    return value == user
