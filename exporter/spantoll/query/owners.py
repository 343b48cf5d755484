"""Whom a call belongs to: the owner map as dimensions, applied when a question is answered.

Input: records, and the dated rules of `owner_rule`. Output: for each kind of owner an expression,
NULL where no rule matches. Of several rules that match the highest priority decides, then an exact
value before a prefix, then the longer prefix, then the rule that was added first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select

from spantoll.query.spelling import json_text
from spantoll.records.columns import usage_record
from spantoll.storage.owner_rules import OWNER_KINDS, owner_rule

__all__ = ["OWNERS", "RULE_ATTRIBUTE", "RULE_FIELDS"]

RULE_FIELDS = (
    *("tenant_id", "customer_id", "organisation", "project", "workspace_id", "team"),
    *("user_id", "user_email", "purpose", "task_type", "channel", "environment"),
    *("service_name", "provider", "provider_instance", "model", "deployment"),
)
"""Columns that rules can match: each one costs a question about owners a look-up per call."""

RULE_ATTRIBUTE = "attr."
"""`attr.<key>`: rules match attributes that a record keeps, too."""

r, o = usage_record.c, owner_rule.c


def _match_values() -> ColumnElement[bool]:
    # Each column is compared with an index; few rules are prefixes, or of attributes.
    exact = [and_(o.field == name, o.value == r[name]) for name in RULE_FIELDS]
    begins = [and_(o.field == name, _take_prefix(r[name]) == o.value) for name in RULE_FIELDS]
    attribute = json_text(r["metadata"], func.substr(o.field, len(RULE_ATTRIBUTE) + 1))
    of_attribute = o.field.startswith(RULE_ATTRIBUTE)
    return or_(
        *(and_(o.prefix_length == 0, each) for each in exact),
        and_(o.prefix_length > 0, or_(*begins)),
        and_(of_attribute, o.prefix_length == 0, attribute == o.value),
        and_(of_attribute, o.prefix_length > 0, _take_prefix(attribute) == o.value),
    )


def _take_prefix(text: ColumnElement[Any]) -> ColumnElement[str]:
    return func.substr(text, 1, o.prefix_length)


def _find_owner(kind: str) -> ColumnElement[Any]:
    return (
        select(o.owner)
        .where(
            o.kind == kind,
            o.valid_from_ns <= r.started_ns,
            or_(o.valid_to_ns.is_(None), r.started_ns < o.valid_to_ns),
            _match_values(),
        )
        .order_by(o.priority.desc(), o.prefix_length > 0, o.prefix_length.desc(), o.id)
        .limit(1)
        .correlate(usage_record)
        .scalar_subquery()
    )


OWNERS: Mapping[str, ColumnElement[Any]] = {
    f"owner_{kind}": _find_owner(kind) for kind in OWNER_KINDS
}
"""Dimension -> expression."""
