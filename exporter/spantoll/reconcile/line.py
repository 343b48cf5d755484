"""What a provider's bill says: one line per charge or counter, the same for every format.

Input: what the readers of `formats/` found in a row. Output: `BillLine` and `Bill`. Quantities and
amounts are Decimal; token metrics never overlap, as providers price them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NamedTuple

__all__ = [
    "CACHE_READ",
    "CACHE_WRITE",
    "METRICS",
    "OUTPUT",
    "REQUESTS",
    "TOKEN_METRICS",
    "UNCACHED_INPUT",
    "WEB_SEARCHES",
    "Bill",
    "BillLine",
    "LeftOut",
]

UNCACHED_INPUT = "uncached_input_tokens"
CACHE_READ = "cache_read_tokens"
CACHE_WRITE = "cache_write_tokens"
OUTPUT = "output_tokens"
REQUESTS = "requests"
WEB_SEARCHES = "web_searches"

TOKEN_METRICS = (UNCACHED_INPUT, CACHE_READ, CACHE_WRITE, OUTPUT)
"""Input is split into three parts, each with a price of its own; cache writes of every lifetime
are one metric."""
METRICS = (*TOKEN_METRICS, REQUESTS, WEB_SEARCHES)


class BillLine(NamedTuple):
    """One charge, one counter, or both, of one model on one day of the bill's zone."""

    provider: str
    day: date
    model: str | None
    """As the bill spells it; None: the charge is not of one model."""
    metric: str | None = None
    """One of METRICS; None: the bill does not name one that the ledger has."""
    quantity: Decimal | None = None
    amount_usd: Decimal | None = None
    batch: bool = False
    tier: str | None = None
    """Service tier as the bill spells it; None where it names none."""


class LeftOut(NamedTuple):
    """Rows that are not compared, e.g. taxes: how many, and what they add up to."""

    reason: str
    rows: int = 1
    amount_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One file of a provider."""

    file: str
    format: str
    provider: str
    """Canonical; empty where each row names its own."""
    kind: Literal["usage", "cost"]
    lines: tuple[BillLine, ...]
    days: frozenset[date]
    """Every day the file has a row for; one without a charge is covered too."""
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def providers(self) -> frozenset[str]:
        """Whose calls are billed; a file without a charge says that there were none."""
        named = frozenset(line.provider for line in self.lines)
        return named | {self.provider} if self.provider else named

    @property
    def split_by_model(self) -> bool:
        """Whether any line names a model."""
        return any(line.model is not None for line in self.lines)

    @property
    def last_digit_usd(self) -> Decimal:
        """The value of the last decimal place that the amounts have, in USD; 0 without amounts."""
        exponents = [
            int(line.amount_usd.as_tuple().exponent)
            for line in self.lines
            if line.amount_usd is not None
        ]
        return Decimal(1).scaleb(min(exponents)) if exponents else Decimal(0)


def join_left_out(found: Mapping[str, list[LeftOut]]) -> tuple[LeftOut, ...]:
    """Add up the rows that were left out for the same reason."""
    return tuple(
        LeftOut(
            reason, sum(each.rows for each in rows), sum((e.amount_usd for e in rows), Decimal(0))
        )
        for reason, rows in found.items()
    )
