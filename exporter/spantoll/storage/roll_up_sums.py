"""The sums that roll-ups keep: columns of a record, and what combines several of them.

Input: the columns of `usage_record`. Output: `SUMS`, name of a column of the roll-up tables -> SQL
expression over one record. The measures of `spantoll.query` are made of these same expressions, by
which the query engine knows that a roll-up has their sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, func

from spantoll.records.columns import usage_record
from spantoll.records.record import COLUMNS

__all__ = ["COMBINED", "KNOWN", "NEVER_NULL", "NULL_WITHOUT", "SUMS", "known_name"]

r = usage_record.c

KNOWN = "_known"
"""Suffix of the column that counts in how many records a sum's expression is not NULL."""

MOST_TOKENS = 10**8
"""No call reads more tokens: larger counters are noise."""
MOST_NANO_PER_TOKEN = 10**7
"""10,000 USD for a million tokens: no price is higher."""

_have_margin = r.cost_nano.is_not(None) & r.revenue_nano.is_not(None)
_have_speed = r.output_tokens.is_not(None) & r.duration_ns.is_not(None)


def _compute_cache_savings() -> ColumnElement[Any]:
    read, written = func.coalesce(r.cache_read_tokens, 0), func.coalesce(r.cache_write_tokens, 0)
    audio, image = func.coalesce(r.input_audio_tokens, 0), func.coalesce(r.input_image_tokens, 0)
    cached = read + written
    fresh = r.input_tokens - cached
    # Pico-USD a token, as fine as price lists are.
    price = r.input_cost_nano * 1_000 // func.nullif(fresh, 0, type_=BigInteger)
    usable = cached.between(1, r.input_tokens - 1) & r.input_cost_nano.between(
        0, fresh * MOST_NANO_PER_TOKEN
    )
    saved = case((usable, price * cached // 1_000 - r.cache_cost_nano))
    # Only a CASE is computed after its condition: products of noise would exceed 64 bits.
    plausible = and_(
        *(each.between(0, MOST_TOKENS) for each in (r.input_tokens, read, written)),
        audio == 0,
        image == 0,
    )
    return case((plausible, saved))


COMBINED: Mapping[str, ColumnElement[Any]] = {
    "requests_with_cost": case((r.cost_nano.is_not(None), r.requests), else_=0),
    "requests_without_revenue": case((r.revenue_nano.is_(None), r.requests), else_=0),
    "margin_revenue_nano": case((_have_margin, r.revenue_nano)),
    "margin_cost_nano": case((_have_margin, r.cost_nano)),
    "timed_output_tokens": case((_have_speed, r.output_tokens)),
    "timed_duration_ns": case((_have_speed, r.duration_ns)),
    "cache_read_of_input": case(
        (r.input_tokens.is_not(None), func.coalesce(r.cache_read_tokens, 0))
    ),
    "cache_savings_nano": _compute_cache_savings(),
}
"""What one measure adds up of several columns of a record."""

SUMS: Mapping[str, ColumnElement[Any]] = {
    "requests": r.requests,
    "duration_ns": r.duration_ns,
    "time_to_first_chunk_ns": r.time_to_first_chunk_ns,
    **{name: r[name] for name, spec in COLUMNS.items() if spec.measure is not None},
    **COMBINED,
}

NEVER_NULL = frozenset({"requests", "requests_with_cost", "requests_without_revenue"})
"""Sums whose expression has a value in every record."""

NULL_WITHOUT: Mapping[str, str] = {
    **{name: name for name in SUMS.keys() - COMBINED.keys() - NEVER_NULL},
    "margin_revenue_nano": "revenue_nano",
    "margin_cost_nano": "revenue_nano",
    "timed_output_tokens": "output_tokens",
    "timed_duration_ns": "output_tokens",
    "cache_read_of_input": "input_tokens",
    "cache_savings_nano": "cache_cost_nano",
}
"""Name of a sum -> a column without which its expression is NULL."""


def known_name(name: str) -> str:
    """Return the column that counts the records in which a sum is known."""
    return "records" if name in NEVER_NULL else f"{name}{KNOWN}"
