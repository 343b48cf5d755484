"""The owner map: dated rules that assign calls to a team, a cost centre or a customer.

Input: rules. Output: rows of `owner_rule`, which are never edited or deleted; an open one can be
given its end, once, and one of the configuration file ends as if it had never held when the file
has it no longer. `query/owners.py` applies them when a question is answered, so a changed map needs
no record to be written again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, insert, or_, select
from sqlalchemy import update as update_rows

from spantoll.errors import OwnerRuleError
from spantoll.records.column_spec import identity, text
from spantoll.records.columns import metadata
from spantoll.storage.audit_events import add_audit_event

__all__ = [
    "OWNER_KINDS",
    "OwnerRule",
    "add_owner_rules",
    "describe_rule",
    "end_owner_rule",
    "owner_rule",
    "read_owner_rules",
    "replace_file_rules",
]

OWNER_KINDS = ("team", "cost_centre", "customer")

owner_rule = Table(
    "owner_rule",
    metadata,
    Column("id", identity, primary_key=True),
    Column("kind", text(16), nullable=False),
    Column("field", text(160), nullable=False),
    Column("value", text(254), nullable=False),
    Column("prefix_length", Integer, nullable=False),
    Column("owner", text(128), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("valid_from_ns", BigInteger, nullable=False),
    Column("valid_to_ns", BigInteger),
    Column("created_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger),
    Column("origin", text(16)),
)
"""`origin` is `file` for a rule of the configuration file, else NULL."""

FILE = "file"

_o = owner_rule.c


class OwnerRule(NamedTuple):
    """Calls whose `field` is `value`, or begins with it, belong to `owner` while the rule holds."""

    kind: str
    """One of OWNER_KINDS: what `owner` is."""
    field: str
    """A column of a record that attributes a call to somebody or something, or `attr.<key>`."""
    value: str
    prefix_length: int
    """Characters of `value` where it is a prefix, else 0; databases count them differently."""
    owner: str
    priority: int = 0
    """Of several rules that match a call the highest decides."""
    valid_from_ns: int = 0
    """Inclusive, UTC nanoseconds, against the start of the call."""
    valid_to_ns: int | None = None
    """Exclusive; None is open."""
    id: int | None = None


_rules = select(*(_o[name] for name in OwnerRule._fields)).order_by(_o.id)


def read_owner_rules(connection: Connection) -> list[OwnerRule]:
    """Read all rules, in the order in which they were added."""
    return [OwnerRule._make(row) for row in connection.execute(_rules)]


def add_owner_rules(
    connection: Connection,
    rules: Sequence[OwnerRule],
    *,
    now_ns: int,
    by: str | None = None,
    origin: str | None = None,
) -> list[OwnerRule]:
    """Add rules, all or none, and return the new ones with their numbers.

    A rule that is there already is not added again. With `by`, who asks for it, the audit names the
    rules. Raises OwnerRuleError where two rules of equal kind, field, value and priority hold at
    the same time.
    """
    stored = read_owner_rules(connection)
    added = []
    for rule in rules:
        if any(each._replace(id=None) == rule for each in stored):
            continue
        overlapped = next((each for each in stored if _overlaps(each, rule)), None)
        if overlapped is not None:
            raise OwnerRuleError(
                f"{describe_rule(rule)} overlaps {describe_rule(overlapped)}; "
                "end the older one first, or give one a priority"
            )
        row = rule._asdict() | {"created_ns": now_ns, "origin": origin}
        del row["id"]
        keys = connection.execute(insert(owner_rule), row).inserted_primary_key
        added.append(rule._replace(id=keys[0] if keys is not None else None))
        stored.append(added[-1])
    if by is not None and added:
        what = f"added rules {[rule.id for rule in added]}"
        add_audit_event(connection, "owners", by=by, why=what, now_ns=now_ns, records=len(added))
    return added


def replace_file_rules(
    connection: Connection, rules: Sequence[OwnerRule], *, now_ns: int, by: str
) -> int:
    """Let these be the rules of the configuration file; return how many were added or ended.

    A rule that is not among them any more never holds from now on, for calls of any time. Raises
    OwnerRuleError where rules overlap each other or one that was added by hand.
    """
    holds = or_(_o.valid_to_ns.is_(None), _o.valid_to_ns > _o.valid_from_ns)
    rows = connection.execute(_rules.where(_o.origin == FILE, holds))
    stored = [OwnerRule._make(row) for row in rows]
    gone = [each.id for each in stored if each._replace(id=None) not in rules]
    if gone:
        connection.execute(
            update_rows(owner_rule)
            .where(_o.id.in_(gone))
            .values(valid_to_ns=_o.valid_from_ns, ended_ns=now_ns)
        )
        what = f"ended rules {gone}, which the file has no longer"
        add_audit_event(connection, "owners", by=by, why=what, now_ns=now_ns, records=len(gone))
    added = add_owner_rules(connection, rules, now_ns=now_ns, by=by, origin=FILE)
    return len(gone) + len(added)


def end_owner_rule(
    connection: Connection, number: int, *, end_ns: int, now_ns: int, by: str | None = None
) -> OwnerRule:
    """Give an open rule its end (exclusive) and return it; ended where it begins, it never holds.

    With `by`, who asks for it, the audit names the rule. Raises OwnerRuleError where there is no
    such rule, it has an end, or begins later.
    """
    rule = next((each for each in read_owner_rules(connection) if each.id == number), None)
    if rule is None:
        raise OwnerRuleError(f"there is no owner rule {number}")
    if rule.valid_to_ns is not None:
        raise OwnerRuleError(f"{describe_rule(rule)}: it has an end already")
    if end_ns < rule.valid_from_ns:
        raise OwnerRuleError(f"{describe_rule(rule)}: it begins after this end")
    connection.execute(
        update_rows(owner_rule).where(_o.id == number).values(valid_to_ns=end_ns, ended_ns=now_ns)
    )
    if by is not None:
        what = f"ended rule {number}"
        add_audit_event(connection, "owners", by=by, why=what, now_ns=now_ns, records=1)
    return rule._replace(valid_to_ns=end_ns)


def describe_rule(rule: OwnerRule) -> str:
    """Say in one line what a rule does."""
    number = "" if rule.id is None else f" {rule.id}"
    sign = "^=" if rule.prefix_length else "="
    return f"owner rule{number} ({rule.field}{sign}{rule.value}: {rule.kind} {rule.owner})"


def _overlaps(one: OwnerRule, other: OwnerRule) -> bool:
    same = ("kind", "field", "value", "prefix_length", "priority")
    return (
        all(getattr(one, name) == getattr(other, name) for name in same)
        and (one.valid_to_ns is None or other.valid_from_ns < one.valid_to_ns)
        and (other.valid_to_ns is None or one.valid_from_ns < other.valid_to_ns)
    )
