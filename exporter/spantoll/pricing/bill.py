from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from spantoll.pricing.arithmetic import INPUT, OUTPUT, Price, Row
from spantoll.pricing.rules import (
    FREE_UNITS,
    INPUT_IMAGE_IS_INPUT,
    MEDIA_OPERATIONS,
    UNIT_METRICS,
)
from spantoll.semconv.call import ModelCall, Usage

__all__ = ["Bill", "has_usage", "make_bill"]

_CONTRADICTION = "contradictory counters, the parts are priced"
_TTL_UNKNOWN = "cache lifetime not reported, five-minute write rate"
_TTL_UNPRICED = "no one-hour cache write price, five-minute write rate"
_SPLIT_UNKNOWN = "audio share not reported, all input priced as audio"

_NO_CACHE_PRICE = "no cached input price, input rate"

_NO_CACHE = (None, None, None)
_NO_UNITS = (None, None, None, None)
_UNITS = ("images", "audio_ms", "video_ms", "characters")


class Bill(NamedTuple):
    """The lines of one call, and what keeps their sum from being its exact cost."""

    lines: list[tuple[Price, int | Decimal]]
    unpriced: list[str]
    """Units that were used and have no price."""
    unreported: list[str]
    """Counters that must have been more than nothing and are not known."""
    doubts: list[str]
    """Why the sum may be off either way."""
    notes: list[str]
    """Rules that applied without making the sum doubtful."""


def has_usage(usage: Usage) -> bool:
    """Tell whether any counter is known, be it zero."""
    return any(counter is not None for counter in usage[:14]) or bool(usage.extra)


def make_bill(call: ModelCall, row: Row) -> Bill:
    """Part the inclusive totals of a call into disjoint priced quantities.

    A part is taken out of the total that contains it and priced once. What has no price is named
    and left out, never priced as something else; `compile_row` has the exceptions.
    """
    usage = call.usage
    bill = Bill([], [], [], [], [])
    _bill_input(bill, call, row)
    _bill_output(bill, call, row)
    if row.requests is not None:
        _add(bill, row.requests, usage.requests, "requests")
    if usage[10:14] != _NO_UNITS:
        _bill_units(bill, usage, row)
    if usage.extra:
        _bill_extra(bill, usage, row)
    if call.operation in MEDIA_OPERATIONS:
        _forgive_other_measures(bill, call, row)
    elif call.role != "embedding" and bill.lines:
        if usage.input_tokens is None and row.input is not None:
            bill.unreported.append("input_tokens")
        if usage.output_tokens is None and row.output is not None:
            bill.unreported.append("output_tokens")
    return bill


def _add(bill: Bill, price: Price | None, quantity: int | Decimal, unit: str) -> None:
    if quantity < 0:
        bill.doubts.append(_CONTRADICTION)
    elif price is None:
        bill.unpriced.append(unit)
    else:
        bill.lines.append((price, quantity))


def _part(bill: Bill, price: Price | None, quantity: int, unit: str) -> None:
    if quantity:
        _add(bill, price, quantity, unit)


def _count(bill: Bill, counter: int | Decimal | None) -> int:
    if not counter:
        return 0
    if counter < 0:
        bill.doubts.append(_CONTRADICTION)
        return 0
    return int(counter)


def _bill_input(bill: Bill, call: ModelCall, row: Row) -> None:
    usage = call.usage
    fresh = usage.input_tokens or 0
    if usage.extra or usage[2:5] != _NO_CACHE or usage[6] or usage[8]:
        fresh = _bill_input_parts(bill, usage, row, fresh)
    if not fresh:
        return
    if (
        call.operation == "transcription"
        and row.input_audio is not None
        and usage.input_audio_tokens is None
    ):
        bill.doubts.append(_SPLIT_UNKNOWN)
        _add(bill, row.input_audio, fresh, "input_tokens")
    else:
        _add(bill, row.input, fresh, "input_tokens")


def _bill_input_parts(bill: Bill, usage: Usage, row: Row, total: int) -> int:
    """Bill everything of the input that is not fresh text; return what is."""
    read = _count(bill, usage.cache_read_tokens)
    written = _count(bill, usage.cache_write_tokens)
    written_1h = _count(bill, usage.cache_write_1h_tokens)
    audio = _count(bill, usage.input_audio_tokens)
    image = _count(bill, usage.input_image_tokens)
    if written_1h > written:
        if usage.cache_write_tokens is not None:
            bill.doubts.append(_CONTRADICTION)
        written = written_1h
    video = _video_input(bill, usage, row)

    fresh = total - read - written - audio - image - video
    cached_audio = cached_image = 0
    if fresh < 0 and read:
        # Media tokens that were read from the cache stand in both counters: at least this many.
        cached_audio = min(-fresh, read, audio)
        cached_image = min(-fresh - cached_audio, read - cached_audio, image)
        fresh += cached_audio + cached_image
    if fresh < 0:
        fresh = 0
        if usage.input_tokens is not None:
            bill.doubts.append(_CONTRADICTION)

    read_audio = row.units.get("cache_read_audio", row.cache_read)
    read_image = row.units.get("cache_read_image", row.cache_read)
    _part(bill, row.cache_read, read - cached_audio - cached_image, "cache_read_tokens")
    _part(bill, read_audio, cached_audio, "cache_read_tokens")
    _part(bill, read_image, cached_image, "cache_read_tokens")
    _part(bill, row.cache_write, written - written_1h, "cache_write_tokens")
    _part(bill, row.cache_write_1h, written_1h, "cache_write_1h_tokens")
    _part(bill, row.input_audio, audio - cached_audio, "input_audio_tokens")
    _part(bill, row.input_image, image - cached_image, "input_image_tokens")
    own = row.units
    if read and "cache_read" not in own:
        bill.notes.append(_NO_CACHE_PRICE)
    if written_1h and "cache_write" in own and "cache_write_1h" not in own:
        bill.doubts.append(_TTL_UNPRICED)
    if written and usage.cache_write_1h_tokens is None and "cache_write_1h" in own:
        bill.notes.append(_TTL_UNKNOWN)
    return fresh


def _video_input(bill: Bill, usage: Usage, row: Row) -> int:
    video = _count(bill, (usage.extra or {}).get("input_video_tokens"))
    price = row.units.get("input_video")
    if price is None and row.rate.provider in INPUT_IMAGE_IS_INPUT:
        return 0
    _part(bill, price, video, "input_video_tokens")
    return video


def _bill_output(bill: Bill, call: ModelCall, row: Row) -> None:
    usage = call.usage
    text = usage.output_tokens or 0
    price = row.output
    # The image and speech endpoints report no split: what they put out is images, or speech.
    if call.operation == "image_generation" and usage.output_image_tokens is None:
        price = row.output_image or price
    elif call.operation == "speech" and usage.output_audio_tokens is None:
        price = row.output_audio or price
    if usage.extra or usage[5] or usage[7] or usage[9]:
        text = _bill_output_parts(bill, call, row, text)
    if text:
        _add(bill, price, text, "output_tokens")


def _bill_output_parts(bill: Bill, call: ModelCall, row: Row, total: int) -> int:
    """Bill everything of the output that is not text at the output rate; return what is."""
    usage = call.usage
    extra = usage.extra or {}
    reasoning = _count(bill, usage.reasoning_tokens)
    audio = _count(bill, usage.output_audio_tokens)
    image = _count(bill, usage.output_image_tokens)
    video = _count(bill, extra.get("output_video_tokens"))
    citation = _count(bill, extra.get("citation_tokens")) if "citation" in row.units else 0
    # A row of an image or speech model may have one output rate, which is then the medium's.
    image_price, audio_price = row.output_image, row.output_audio
    if call.operation == "image_generation":
        image_price = image_price or row.output
    elif call.operation == "speech":
        audio_price = audio_price or row.output

    text = total - audio - image - video - citation
    if row.reasoning is not None:
        text -= reasoning
        _part(bill, row.reasoning, reasoning, "reasoning_tokens")
        reasoning = 0
    if text < reasoning:
        # All of the reasoning is output, so there was at least as much of it.
        text = reasoning
        if usage.output_tokens is not None:
            bill.doubts.append(_CONTRADICTION)
    _part(bill, audio_price, audio, "output_audio_tokens")
    _part(bill, image_price, image, "output_image_tokens")
    _part(bill, row.units.get("output_video"), video, "output_video_tokens")
    _part(bill, row.units.get("citation"), citation, "citation_tokens")
    return text


def _bill_units(bill: Bill, usage: Usage, row: Row) -> None:
    for unit, quantity in zip(_UNITS, usage[10:14], strict=True):
        if quantity:
            least = row.minimum_audio_ms if unit == "audio_ms" and usage.requests == 1 else 0
            _add(bill, row.units.get(unit), max(quantity, least), unit)


def _bill_extra(bill: Bill, usage: Usage, row: Row) -> None:
    extra = dict(usage.extra or {})
    if "annotated_pages" in row.units and "pages" in extra:
        extra["pages"] -= extra.get("annotated_pages", 0)
    for unit, quantity in extra.items():
        # Tokens of any other kind are inside the totals already.
        if quantity and unit not in FREE_UNITS and not unit.endswith("_tokens"):
            _add(bill, row.units.get(UNIT_METRICS.get(unit, unit)), quantity, unit)


def _forgive_other_measures(bill: Bill, call: ModelCall, row: Row) -> None:
    """Drop what has no price only because the call is billed by another measure of the same."""
    by_unit = any(price.metric in _UNITS for price, _ in bill.lines)
    output = INPUT if call.operation == "transcription" else OUTPUT
    by_token = any(price.share == output for price, _ in bill.lines)
    if by_unit:
        bill.unpriced[:] = [unit for unit in bill.unpriced if not unit.endswith("_tokens")]
    if by_unit or by_token:
        bill.unpriced[:] = [unit for unit in bill.unpriced if unit not in _UNITS]
    elif bill.lines and row.output is not None and not bill.unpriced:
        bill.unreported.append("output_tokens")
