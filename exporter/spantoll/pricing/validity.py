"""Rows that are valid from a day to a day: which of them contradict each other.

Input: rows with a key and a validity. Output: two that have one key and are valid at one time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

from spantoll.pricing.shipped import PriceDataError
from spantoll.pricing.timeline import instant_ns

__all__ = ["DatedFact", "end_ns", "find_overlap", "refuse_overlap", "start_ns"]

_ALWAYS_NS = -(2**63)
_NEVER_NS = 2**63 - 1


class DatedFact(Protocol):
    """A row that a user has given."""

    @property
    def key(self) -> Sequence[str]:
        """What it is about: two rows of one key may not be valid at one time."""

    @property
    def name(self) -> str:
        """The same, for messages: `price input of acme/m`."""

    @property
    def valid_from(self) -> str:
        """ISO date or date-time, inclusive; empty = always."""

    @property
    def valid_to(self) -> str:
        """Exclusive; empty = open."""

    @property
    def position(self) -> str:
        """Where the row stands, for messages: `prices.csv:3`, `row 7 of the ledger`."""


F = TypeVar("F", bound=DatedFact)


def start_ns(day: str) -> int:
    """Return when a validity begins; empty is the beginning of time."""
    return instant_ns(day) if day else _ALWAYS_NS


def end_ns(day: str) -> int:
    """Return when a validity ends; empty is never."""
    return instant_ns(day) if day else _NEVER_NS


def find_overlap(rows: Iterable[F]) -> tuple[F, F] | None:
    """Find two rows of one key that are valid at one time."""
    series = defaultdict(list)
    for row in rows:
        series[tuple(row.key)].append(row)
    for dated in series.values():
        dated.sort(key=lambda row: start_ns(row.valid_from))
        for earlier, later in pairwise(dated):
            if end_ns(earlier.valid_to) > start_ns(later.valid_from):
                return earlier, later
    return None


def refuse_overlap(rows: Iterable[DatedFact]) -> None:
    """Raise PriceDataError naming both rows where two overlap."""
    overlap = find_overlap(rows)
    if overlap is not None:
        earlier, later = overlap
        raise PriceDataError(
            f"{earlier.position} and {later.position} overlap: both {later.name} on "
            f"{later.valid_from or earlier.valid_from or 'any day'}"
        )
