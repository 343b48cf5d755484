from __future__ import annotations

from spantoll.pricing import UserPricing
from spantoll.settings import find_file, read_section
from spantoll.storage.own_prices import ALIASES, EXCHANGE_RATES, PRICES, R, RowKind

__all__ = ["read_file_pricing"]


def read_file_pricing() -> UserPricing:
    """Read the rows of the configuration file. Raises ConfigurationError."""
    return UserPricing(
        prices=_read_file(PRICES),
        exchange_rates=_read_file(EXCHANGE_RATES),
        aliases=_read_file(ALIASES),
    )


def _read_file(kind: RowKind[R]) -> tuple[R, ...]:
    path = find_file()
    return tuple(
        kind.read(table, f"{path} {kind.field}[{i}]")
        for i, table in enumerate(read_section(kind.field), 1)
    )
