from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from spantoll.pricing.arithmetic import is_quantity
from spantoll.pricing.shipped import PriceDataError
from spantoll.pricing.timeline import instant_ns

__all__ = ["read_amount", "read_day", "read_name", "read_text", "write_amount"]


def read_amount(value: Any, name: str, position: str) -> Decimal:
    """Read an exact amount of 0 or more: a decimal as text, or an integer. Never a float."""
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = Decimal(-1)
        if amount.is_finite() and amount >= 0 and is_quantity(amount):
            return amount
    raise PriceDataError(f"{position}: {name} must be a decimal number of 0 or more, not {value!r}")


def read_day(value: Any, position: str) -> str:
    """Read an ISO date or date-time; TOML has both as values of their own."""
    if value is None or value == "":
        return ""
    text = value.isoformat() if isinstance(value, (date, datetime)) else str(value)
    try:
        instant_ns(text)
    except (ValueError, OverflowError):
        raise PriceDataError(
            f"{position}: {text!r} is not a day such as 2026-11-01, or a time in ISO 8601"
        ) from None
    return text


def read_name(value: Any, name: str, position: str, *, limit: int) -> str:
    """Read a name, in lower case and without blanks around it."""
    text = str(value or "").strip().lower()
    if not text or len(text) > limit or not text.isprintable():
        raise PriceDataError(f"{position}: {name} must be a name of 1 to {limit} characters")
    return text


def read_text(value: Any) -> str:
    """Read a cell that may be empty."""
    return "" if value is None else str(value).strip()


def write_amount(amount: Decimal) -> str:
    """Write an amount without an exponent."""
    return f"{amount:f}"
