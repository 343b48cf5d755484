"""Rules of the owner map as a page shows them: with addresses of what they assign.

Input: rules. Output: for each its text, the address of the calls that it matches while it holds,
and of all calls of its owner, whichever rule assigned them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from spantoll.query.owner_rows import write_owner_rows
from spantoll.storage import OwnerRule

__all__ = ["OwnerLinks", "link_owners"]


class OwnerLinks(NamedTuple):
    """A rule and where it leads."""

    rule: OwnerRule
    condition: str
    """Which calls it matches, as a filter is written."""
    matching: str
    """Address of the records that match while the rule holds; rules of a higher priority may
    assign some of them otherwise."""
    owned: str
    """Address of the records of the owner."""


def link_owners(rules: Sequence[OwnerRule]) -> list[OwnerLinks]:
    """Return the links of each rule; none for rules that never hold."""
    by_number = {rule.id: rule for rule in rules}
    return [link_owner(by_number[row["id"]], row) for row in write_owner_rows(rules)]


def link_owner(rule: OwnerRule, row: dict[str, str | None]) -> OwnerLinks:
    """Return the links of a rule, of which `row` is what CSV has."""
    times = (("from", row["valid_from"]), ("to", row["valid_to"]))
    period = [(name, text) for name, text in times if text] or [("last", "")]
    condition = str(row["where"])
    owner = f"owner_{rule.kind}={rule.owner}"
    return OwnerLinks(
        rule,
        condition,
        f"/records?{urlencode([*period, ('where', condition)])}",
        f"/records?{urlencode([('last', ''), ('where', owner)])}",
    )
