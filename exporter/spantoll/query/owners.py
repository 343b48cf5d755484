"""Owners of calls: the owner map as dimensions, applied when a question is answered.

Input: records, and the dated rules of `owner_rule`. Output: for each kind of owner an expression,
NULL where no rule matches. Of several rules that match the highest priority decides, then an exact
value before a prefix, then the longer prefix, then the rule that was added first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from spantoll.records.columns import usage_record
from spantoll.storage.json_values import json_text
from spantoll.storage.owner_rules import OWNER_KINDS, OwnerRule, owner_rule, read_owner_rules

__all__ = ["OWNERS", "RULE_ATTRIBUTE", "RULE_FIELDS", "read_assigning_rules"]

RULE_FIELDS = (
    *("tenant_id", "customer_id", "organisation", "project", "workspace_id", "team"),
    *("user_id", "user_email", "purpose", "task_type", "channel", "environment"),
    *("service_name", "provider", "provider_instance", "model", "deployment"),
)
"""Columns that rules can match."""

RULE_ATTRIBUTE = "attr."
"""`attr.<key>`: rules match attributes that a record keeps, too."""

r, o = usage_record.c, owner_rule.c


def _match_value() -> ColumnElement[bool]:
    """Compare what a rule is about: one comparison for each rule, whatever its field."""
    attribute = json_text(r["metadata"], func.substr(o.field, len(RULE_ATTRIBUTE) + 1))
    cell = case({name: r[name] for name in RULE_FIELDS}, value=o.field, else_=attribute)
    begins = case((o.prefix_length == 0, cell), else_=func.substr(cell, 1, o.prefix_length))
    return begins == o.value


def _find_owner(kind: str, answer: ColumnElement[Any]) -> ColumnElement[Any]:
    """Select a column of the rule that decides who of a kind owns a record."""
    return (
        select(answer)
        .where(
            o.kind == kind,
            o.valid_from_ns <= r.started_ns,
            or_(o.valid_to_ns.is_(None), r.started_ns < o.valid_to_ns),
            _match_value(),
        )
        .order_by(o.priority.desc(), o.prefix_length > 0, o.prefix_length.desc(), o.id)
        .limit(1)
        .correlate(usage_record)
        .scalar_subquery()
    )


OWNERS: Mapping[str, ColumnElement[Any]] = {
    f"owner_{kind}": _find_owner(kind, o.owner) for kind in OWNER_KINDS
}
"""Dimension -> expression."""
_DECIDING = [_find_owner(kind, o.id).label(kind) for kind in OWNER_KINDS]


def read_assigning_rules(connection: Connection, record_id: int) -> list[OwnerRule]:
    """Return the rules that assign a record to its owners, at most one of each kind."""
    wanted = select(*_DECIDING).where(r.id == record_id)
    numbers = set(next(iter(connection.execute(wanted)), ()))
    return [rule for rule in read_owner_rules(connection) if rule.id in numbers]
