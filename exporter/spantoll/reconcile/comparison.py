"""One line of a reconciliation: what the bill and the ledger say of one model on one day.

Input: the two sides. Output: `Comparison`, with drift and coverage in Decimal; None is unknown.
Drift is the ledger's cost less the bill's; coverage is the ledger's quantity over the bill's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from spantoll.reconcile.ledger import Usage
from spantoll.reconcile.line import REQUESTS, TOKEN_METRICS

__all__ = ["Billed", "Cause", "Comparison", "Scope"]


class Scope(StrEnum):
    """What a line is about."""

    MODEL = "model"
    ALL_MODELS = "all models"
    """The bill is not split by model, so a day is one line."""
    OTHER_CHARGES = "other charges"
    """Charges of no one model, such as web searches, against the ledger's cost beyond tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """The bill's side."""

    quantities: Mapping[str, Decimal] = field(default_factory=dict)
    """By metric; one that is missing is not in the bill."""
    cost_usd: Decimal | None = None
    """None where there is a usage export only."""
    cache_cost_usd: Decimal | None = None
    """What reading and writing caches costs; None where the bill does not split costs so."""
    rounding_usd: Decimal = Decimal(0)
    """How far rounding of the bill's amounts can move their sum."""
    rows: int = 0
    batch: bool = False
    """Any of it at batch prices."""
    tiers: frozenset[str] = frozenset()


class Cause(NamedTuple):
    """What likely makes the two sides differ."""

    name: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Bill and ledger of one scope on one day."""

    provider: str
    day: date
    scope: Scope
    model: str | None
    """As the bill spells it; as the ledger does where only the ledger has it."""
    billed: Billed
    used: Usage
    causes: tuple[Cause, ...] = ()

    @property
    def drift_usd(self) -> Decimal | None:
        """The ledger's cost less the bill's; None where either is unknown."""
        if self.billed.cost_usd is None or (self.used.cost_usd is None and self.used.requests):
            return None
        return (self.used.cost_usd or Decimal(0)) - self.billed.cost_usd

    @property
    def drift_share(self) -> Decimal | None:
        """Drift as a share of the bill; None where it is unknown or nothing was billed."""
        drift, billed = self.drift_usd, self.billed.cost_usd
        return None if drift is None or not billed else drift / billed

    @property
    def metrics(self) -> tuple[str, ...]:
        """What coverage is measured in: the bill's token metrics, requests where it has none."""
        tokens = tuple(name for name in TOKEN_METRICS if name in self.billed.quantities)
        return tokens or tuple(name for name in (REQUESTS,) if name in self.billed.quantities)

    @property
    def coverage(self) -> Decimal | None:
        """The ledger's quantity over the bill's; None where the bill has none."""
        billed = sum((self.billed.quantities[name] for name in self.metrics), Decimal(0))
        return (
            sum((self.used_quantity(name) for name in self.metrics), Decimal(0)) / billed
            if billed
            else None
        )

    def used_quantity(self, metric: str) -> Decimal:
        """The ledger's quantity of a metric."""
        return self.used.quantities.get(metric, Decimal(0))

    def agrees(self, metric: str, tolerance: Decimal) -> bool:
        """Return True if both quantities of a metric of the bill differ by at most a share."""
        billed = self.billed.quantities[metric]
        return abs(self.used_quantity(metric) - billed) <= tolerance * billed
