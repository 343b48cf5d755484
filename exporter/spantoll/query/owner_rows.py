"""Rules of the owner map as flat rows: what CSV, JSON, TOML and the command line give and take.

Input: rows of named values. Output: rules of `storage/owner_rules.py`, and back. What a rule
matches is written as a filter is, `user_id=ann` or `attr.repo^=billing/`.
"""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from spantoll.errors import OwnerRuleError, QueryError
from spantoll.query.dimensions import find_dimension
from spantoll.query.names import make_unknown_name_error
from spantoll.query.owners import RULE_ATTRIBUTE, RULE_FIELDS
from spantoll.query.text import parse_filters
from spantoll.query.windows import EPOCH
from spantoll.storage.owner_rules import OWNER_KINDS, OwnerRule

__all__ = ["OWNER_FIELDS", "SECTION", "parse_owner_rows", "read_owner_rows", "write_owner_rows"]

OWNER_FIELDS = ("id", "kind", "owner", "where", "priority", "valid_from", "valid_to")
SECTION = "owners"
LONGEST = {"owner": 128, "value": 254, "field": 160}
"""Characters of the columns of `owner_rule`."""
MOST_PRIORITY = 10**6


def parse_owner_rows(text: str) -> list[dict[str, Any]]:
    """Read CSV with a header, a JSON list, or TOML with tables `[[owners]]`.

    Raises OwnerRuleError.
    """
    stripped = text.lstrip("\ufeff").strip()
    try:
        if f"[[{SECTION}]]" in stripped:
            rows = tomllib.loads(stripped)[SECTION]
        elif stripped.startswith("["):
            rows = json.loads(stripped)
        else:
            rows = list(csv.DictReader(io.StringIO(stripped), strict=True))
    except (ValueError, csv.Error, RecursionError) as error:
        raise OwnerRuleError(f"not a file of owner rules: {error}") from None
    if not all(isinstance(row, dict) for row in rows):
        raise OwnerRuleError("not a list of owner rules")
    return list(rows)


def read_owner_rows(
    rows: Iterable[Mapping[str, Any]], *, parse_time: Callable[[str], int]
) -> list[OwnerRule]:
    """Read rows, all or none. Raises OwnerRuleError naming the first one that is wrong."""
    rules = []
    for number, row in enumerate(rows, start=1):
        try:
            rules.append(_read_row(row, parse_time))
        except (OwnerRuleError, QueryError) as error:
            raise OwnerRuleError(f"owner rule {number}: {error}") from None
    return rules


def write_owner_rows(rules: Sequence[OwnerRule]) -> list[dict[str, Any]]:
    """Write rows that `read_owner_rows` reads back; rules that never hold are left out."""
    return [
        {
            "id": rule.id,
            "kind": rule.kind,
            "owner": rule.owner,
            "where": f"{rule.field}{'^=' if rule.prefix_length else '='}{rule.value}",
            "priority": rule.priority,
            "valid_from": _format_time(rule.valid_from_ns) if rule.valid_from_ns else None,
            "valid_to": None if rule.valid_to_ns is None else _format_time(rule.valid_to_ns),
        }
        for rule in rules
        if rule.valid_from_ns != rule.valid_to_ns
    ]


def _read_row(row: Mapping[str, Any], parse_time: Callable[[str], int]) -> OwnerRule:
    given = {name: str(value).strip() for name, value in row.items() if value not in (None, "")}
    if unknown := given.keys() - set(OWNER_FIELDS):
        raise make_unknown_name_error(min(unknown), field="column", allowed=OWNER_FIELDS)
    for name in ("kind", "owner", "where"):
        if name not in given:
            raise OwnerRuleError(f"{name} is missing")
    if given["kind"] not in OWNER_KINDS:
        raise make_unknown_name_error(given["kind"], field="kind", allowed=OWNER_KINDS)
    field, value, is_prefix = _read_condition(given["where"])
    rule = OwnerRule(
        kind=given["kind"],
        field=field,
        value=value,
        prefix_length=len(value) if is_prefix else 0,
        owner=given["owner"],
        priority=_read_priority(given.get("priority", "0")),
        valid_from_ns=parse_time(given["valid_from"]) if "valid_from" in given else 0,
        valid_to_ns=parse_time(given["valid_to"]) if "valid_to" in given else None,
    )
    for name, longest in LONGEST.items():
        if len(getattr(rule, name)) > longest:
            raise OwnerRuleError(f"{name}: at most {longest} characters")
    if rule.valid_to_ns is not None and rule.valid_to_ns <= rule.valid_from_ns:
        raise OwnerRuleError("valid_to must be after valid_from")
    return rule


def _read_condition(text: str) -> tuple[str, str, bool]:
    """Read `field=value` or `field^=prefix`: the field, the value, and whether it is a prefix."""
    (condition,) = parse_filters([text])
    name, (value,) = condition.field, condition.values
    if condition.negate or condition.operator not in ("=", "^=") or value is None:
        raise OwnerRuleError(f"where {text!r}: write field=value or field^=prefix")
    if name not in RULE_FIELDS and not name.startswith(RULE_ATTRIBUTE):
        allowed = (*RULE_FIELDS, f"{RULE_ATTRIBUTE}<key>")
        raise make_unknown_name_error(name, field="where", allowed=allowed)
    stored = find_dimension(name).read(str(value)) if condition.operator == "=" else value
    return name, str(stored), condition.operator == "^="


def _read_priority(text: str) -> int:
    try:
        priority = int(text)
    except ValueError:
        raise OwnerRuleError(f"priority {text!r}: write a whole number") from None
    if abs(priority) > MOST_PRIORITY:
        raise OwnerRuleError(f"priority: at most {MOST_PRIORITY:,}")
    return priority


def _format_time(ns: int) -> str:
    time: datetime = EPOCH + timedelta(microseconds=ns // 1000)
    return time.astimezone(UTC).isoformat()
