"""The lines of a bill and the remarks on it: the words `bill` and `units` share.

Input: prices and quantities. Output: lines, and remarks of four kinds, which decide the status.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, NamedTuple

from spantoll.pricing.arithmetic import Price

__all__ = [
    "CONTRADICTION",
    "DOUBT",
    "NOTE",
    "UNPRICED",
    "UNREPORTED",
    "Bill",
    "Remark",
]

CONTRADICTION: Final = "contradictory counters, the parts are priced"

Remark = Literal["unpriced", "unreported", "doubt", "note"]
UNPRICED: Final = "unpriced"
"""A unit was used and has no price: the sum is a lower bound."""
UNREPORTED: Final = "unreported"
"""A counter that was more than nothing is not known: the sum is a lower bound."""
DOUBT: Final = "doubt"
"""The sum may be off either way."""
NOTE: Final = "note"
"""A rule applied; the sum is as exact as anybody can know."""


class Bill(NamedTuple):
    """The lines of one call, and what stands between their sum and the exact cost."""

    lines: list[tuple[Price, int | Decimal]]
    remarks: list[tuple[Remark, str]]

    def add(self, price: Price | None, quantity: int | Decimal, unit: str) -> None:
        """Add a line, or the remark that there is no price for it."""
        if quantity > 0:
            if price is None:
                self.remarks.append((UNPRICED, unit))
            else:
                self.lines.append((price, quantity))
        elif quantity < 0:
            self.remarks.append((DOUBT, CONTRADICTION))

    def texts_of(self, kind: Remark) -> list[str]:
        """Return the remarks of one kind."""
        return [text for which, text in self.remarks if which is kind]
