"""Billing by other units than tokens: images, seconds, characters, searches, pages, sessions.

Input: a call and a compiled row. Output: lines and remarks on a bill. A unit whose price depends on
a quality (size, image quality, search context) that is not reported has no price, not a default.
"""

from __future__ import annotations

from decimal import Decimal

from spantoll.pricing.arithmetic import Price, Row, is_quantity
from spantoll.pricing.lines import CONTRADICTION, DOUBT, UNREPORTED, Bill
from spantoll.pricing.metrics import qualified
from spantoll.pricing.rules import (
    SEARCH_METRICS,
    SEARCHES_ONCE_PER_REQUEST,
    SUBSTITUTE_METRICS,
    UNIT_METRICS,
)
from spantoll.semconv.call import ModelCall

__all__ = ["bill_extra_units", "bill_media_units", "bill_requests"]

_MEDIA_UNITS = ("images", "audio_ms", "video_ms", "characters")
_SEARCHES_ASSUMED = "number of searches not reported, one per request"
_GRADE_UNKNOWN = "search context size not reported, the provider's default"


def find_graded(
    bill: Bill,
    row: Row,
    metric: str,
    *,
    size: str | None = None,
    quality: str | None = None,
    search: str | None = None,
) -> Price | None:
    """Find the price of a metric by the qualities reported, the most specific first.

    Where only a default remains although the price depends on a quality, the bill says so.
    """
    size, quality, search = _normal(size), _normal(quality), _normal(search)
    for named in (
        qualified(metric, size=size, quality=quality, search=search),
        qualified(metric, size=size),
        qualified(metric, quality=quality),
    ):
        if named in row.units:
            if named == metric and metric in row.graded:
                bill.remarks.append((DOUBT, _GRADE_UNKNOWN))
            return row.units[named]
    return row.units.get(metric)


def _normal(quality: str | None) -> str | None:
    """Write `1024 x 1024`, `1024-x-1024` and `HD` as price rows do."""
    if not quality:
        return None
    return quality.strip().lower().replace("-x-", "x").replace("\u00d7", "x").replace(" ", "")


def bill_requests(bill: Bill, call: ModelCall, row: Row) -> None:
    """Bill the requests of a model that has a price for each."""
    price = row.requests
    if "requests" in row.graded:
        price = find_graded(bill, row, "requests", search=call.search_context_size)
    bill.add(price, call.usage.requests, "requests")


def bill_media_units(bill: Bill, call: ModelCall, row: Row, operation: str | None) -> None:
    """Bill images, milliseconds and characters."""
    usage = call.usage
    for unit, quantity in zip(_MEDIA_UNITS, usage[10:14], strict=True):
        if not quantity:
            continue
        if unit == "images" and operation == "image_generation" and _image_tokens_billed(call, row):
            continue  # the same images, measured in tokens
        price = row.units.get(unit)
        name = unit
        if unit in row.graded:
            price = find_graded(bill, row, unit, size=call.image_size, quality=call.image_quality)
            if price is None:
                name = qualified(unit, size=call.image_size, quality=call.image_quality)
        least = row.minimum_audio_ms if unit == "audio_ms" and usage.requests == 1 else quantity
        bill.add(price, max(quantity, least), name)


def _image_tokens_billed(call: ModelCall, row: Row) -> bool:
    return bool(call.usage.output_tokens) and (row.output_image or row.output) is not None


def bill_extra_units(bill: Bill, call: ModelCall, row: Row) -> None:
    """Bill the units that have no field of their own: searches, pages, sessions, other tools."""
    extra: dict[str, int | Decimal] = {}
    has_totals = call.usage.input_tokens is not None or call.usage.output_tokens is not None
    for unit, quantity in (call.usage.extra or {}).items():
        # Tokens of any other kind are inside the totals already, where there are any.
        if unit.endswith("_tokens") and unit not in UNIT_METRICS and has_totals:
            continue
        if not is_quantity(quantity):
            bill.remarks.append((DOUBT, CONTRADICTION))
        elif unit == "session_seconds":
            extra["session_ms"] = quantity * 1_000
        else:
            metric = UNIT_METRICS.get(unit, unit)
            extra[metric] = extra.get(metric, 0) + quantity
    _complete_searches(bill, call, row, extra)
    if "annotated_pages" in row.units and "pages" in extra:
        extra["pages"] -= extra.get("annotated_pages", 0)
    for metric, quantity in extra.items():
        priced = metric
        if metric not in row.units and metric not in row.graded:
            priced = SUBSTITUTE_METRICS.get(metric, metric)
        price = row.units.get(priced)
        if priced in row.graded:
            price = find_graded(bill, row, priced, search=call.search_context_size)
        bill.add(price, quantity, metric)
        if metric == "web_searches" and "web_search_content" in row.units:
            # gpt-4o-mini and gpt-4.1-mini bill a fixed block of input tokens for what was found.
            bill.add(row.units["web_search_content"], quantity, "web_search_content")


def _complete_searches(
    bill: Bill, call: ModelCall, row: Row, extra: dict[str, int | Decimal]
) -> None:
    """Settle how many searches are billed where the count is missing or is not what is billed."""
    searched = SEARCH_METRICS & extra.keys()
    if searched and SEARCHES_ONCE_PER_REQUEST.match(row.rate.model):
        for metric in searched:
            extra[metric] = min(extra[metric], call.usage.requests)
    elif searched:
        return
    elif row.always_searches:
        extra["web_searches"] = call.usage.requests
        bill.remarks.append((DOUBT, _SEARCHES_ASSUMED))
    elif call.search_context_size and "requests" not in row.graded:
        bill.remarks.append((UNREPORTED, "web_searches"))
