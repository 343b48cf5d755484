"""The bill of one call: which quantities are priced at which price, and what is left out.

Input: a call's usage, whose totals are inclusive as OpenTelemetry defines them, and a compiled row.
Output: disjoint lines and remarks. A part is taken out of the total that contains it.
"""

from __future__ import annotations

from typing import Any

from spantoll.pricing.arithmetic import INPUT, OUTPUT, Price, Row, is_quantity
from spantoll.pricing.lines import CONTRADICTION, DOUBT, NOTE, UNPRICED, UNREPORTED, Bill
from spantoll.pricing.rules import (
    INPUT_IMAGE_IS_INPUT,
    MEDIA_OPERATIONS,
    REASONING_BESIDE_OUTPUT,
)
from spantoll.pricing.units import bill_extra_units, bill_media_units, bill_requests
from spantoll.semconv.call import ModelCall, Usage

__all__ = ["has_usage", "make_bill"]

_NO_CACHE_PRICE = "no cached input price, input rate"
_CACHED_AUDIO_UNKNOWN = "cached share of audio not reported, as much as the totals allow"
_AUDIO_SHARE_UNKNOWN = "audio share not reported, priced as text"
_SPLIT_UNKNOWN = "audio share not reported, all input priced as audio"
_IMAGES_UNKNOWN = "image share not reported, all output priced as images"
_IMAGES_UNPRICED = "image share not reported, priced as text"
_TTL_UNKNOWN = "cache lifetime not reported, five-minute write rate"
_TTL_UNPRICED = "no one-hour cache write price, five-minute write rate"

_UNITS = ("images", "audio_ms", "video_ms", "characters")


def has_usage(usage: Usage) -> bool:
    """Return True if any counter is known, be it zero."""
    return any(counter is not None for counter in usage[:14]) or bool(usage.extra)


def make_bill(call: ModelCall, row: Row) -> Bill:
    """Divide the inclusive totals of a call into disjoint priced quantities.

    What has no price is named and left out, never priced as something else; `compile_row` has the
    exceptions.
    """
    usage = call.usage
    operation = call.operation
    if row.operation is not None and operation not in MEDIA_OPERATIONS:
        # A speech model called by a chat operation is billed as speech.
        operation = row.operation
    media = operation in MEDIA_OPERATIONS
    extra = usage.extra
    if extra:
        usage = _with_billed_tokens(usage)
    bill = Bill([], [])

    fresh = _bill_input(bill, usage, row)
    if fresh:
        price = row.input
        if operation == "transcription" and usage.input_audio_tokens is None and row.input_audio:
            bill.remarks.append((DOUBT, _SPLIT_UNKNOWN))
            price = row.input_audio
        if price is not None and fresh > 0:
            bill.lines.append((price, fresh))
        else:
            bill.add(price, fresh, "input_tokens")

    text = _bill_output(bill, usage, row, operation)
    if row.mixes_images and text and not media and usage.output_image_tokens is None:
        text = _bill_unsplit_images(bill, usage, row, text)
    if text:
        price = _whole_output(usage, row, operation) if media else row.output
        if price is not None and text > 0:
            bill.lines.append((price, text))
        else:
            bill.add(price, text, "output_tokens")

    if row.requests is not None:
        bill_requests(bill, call, row)
    if any(usage[10:14]):
        bill_media_units(bill, call, row, operation)
    if extra or call.search_context_size or row.always_searches:
        bill_extra_units(bill, call, row)

    if media:
        _drop_other_measures(bill, row, operation)
    elif usage.input_tokens is None or usage.output_tokens is None:
        _remark_unreported_totals(bill, call, usage, row)
    elif row.mixes_audio and usage.input_audio_tokens is usage.output_audio_tokens is None:
        bill.remarks.append((DOUBT, _AUDIO_SHARE_UNKNOWN))
    return bill


def _remark_unreported_totals(bill: Bill, call: ModelCall, usage: Usage, row: Row) -> None:
    """Say which total is missing; embeddings have no output, and sessions no tokens."""
    if not bill.lines or call.role == "embedding":
        return
    if usage.extra and not any(counter is not None for counter in usage[:10]):
        return
    if usage.input_tokens is None and row.input is not None:
        bill.remarks.append((UNREPORTED, "input_tokens"))
    if usage.output_tokens is None and row.output is not None:
        bill.remarks.append((UNREPORTED, "output_tokens"))


def _with_billed_tokens(usage: Usage) -> Usage:
    """Put the tokens a provider says it bills in place of the totals (Cohere's `billed_units`)."""
    billed: dict[str, Any] = {
        name: int(quantity)
        for name in ("input_tokens", "output_tokens")
        if (quantity := (usage.extra or {}).get(f"billed_{name}")) is not None
        and is_quantity(quantity)
    }
    return usage._replace(**billed) if billed else usage


def _bill_input(bill: Bill, usage: Usage, row: Row) -> int:
    """Bill everything of the input that is not fresh text; return what is."""
    total, _, read, written, written_1h, _, audio, _, image = usage[:9]
    if not (written_1h or audio or image or usage.extra):
        if not (read or written):
            return total or 0
        fresh = (total or 0) - (read or 0) - (written or 0)
        if fresh >= 0 and (read or 0) >= 0 and (written or 0) >= 0 and "cache_read" in row.units:
            if read:
                bill.add(row.cache_read, read, "cache_read_tokens")
            if written:
                _bill_cache_writes(bill, row, written, 0, usage.cache_write_1h_tokens)
            return fresh
    parts = (read or 0, written or 0, written_1h or 0, audio or 0, image or 0)
    return _bill_input_parts(bill, usage, row, parts)


def _bill_output(bill: Bill, usage: Usage, row: Row, operation: str | None) -> int:
    """Bill everything of the output that is not text at the output rate; return what is."""
    text = usage.output_tokens or 0
    reasoning = usage.reasoning_tokens or 0
    audio, image = usage.output_audio_tokens, usage.output_image_tokens
    if audio or image or usage.extra or (reasoning and (row.reasoning or reasoning > text)):
        return _bill_output_parts(bill, usage, row, (reasoning, audio or 0, image or 0), operation)
    return text


def _bill_input_parts(bill: Bill, usage: Usage, row: Row, parts: tuple[int, ...]) -> int:
    """Bill everything of the input that is not fresh text; return what is."""
    read, written, written_1h, audio, image = _not_negative(bill, parts)
    video = _video_input(bill, usage, row) if usage.extra else 0
    if written_1h > written:
        if usage.cache_write_tokens is not None:
            bill.remarks.append((DOUBT, CONTRADICTION))
        written = written_1h

    fresh = (usage.input_tokens or 0) - read - written - audio - image - video
    cached_audio = _extra_tokens(usage, "cache_read_audio_tokens") if usage.extra else 0
    if cached_audio and read:
        cached_audio = min(cached_audio, read)
        repeated = min(cached_audio, audio)  # input audio contains its cached part
        bill.add(row.units.get("cache_read_audio", row.cache_read), cached_audio, "cache_read")
        fresh += repeated
        read -= cached_audio
        audio -= repeated
    if fresh < 0 and read and (audio or image):
        # Media read from the cache stands in both counters: at least this much of it.
        least_audio = min(-fresh, read, audio)
        least_image = min(-fresh - least_audio, read - least_audio, image)
        if least_audio and "cache_read_audio" in row.units:
            bill.remarks.append((DOUBT, _CACHED_AUDIO_UNKNOWN))
        bill.add(row.units.get("cache_read_audio", row.cache_read), least_audio, "cache_read")
        bill.add(row.units.get("cache_read_image", row.cache_read), least_image, "cache_read")
        fresh += least_audio + least_image
        read -= least_audio + least_image
        audio -= least_audio
        image -= least_image
    if fresh < 0:
        fresh = 0
        if usage.input_tokens is not None:
            bill.remarks.append((DOUBT, CONTRADICTION))

    if read:
        bill.add(row.cache_read, read, "cache_read_tokens")
        if row.cache_read is not None and "cache_read" not in row.units:
            bill.remarks.append((NOTE, _NO_CACHE_PRICE))
    if written:
        _bill_cache_writes(bill, row, written - written_1h, written_1h, usage.cache_write_1h_tokens)
    if audio:
        if read and "cache_read_audio" in row.units and not cached_audio:
            bill.remarks.append((DOUBT, _CACHED_AUDIO_UNKNOWN))
        bill.add(row.input_audio, audio, "input_audio_tokens")
    if image:
        bill.add(row.input_image, image, "input_image_tokens")
    return fresh


def _not_negative(bill: Bill, parts: tuple[int, ...]) -> tuple[int, ...]:
    if min(parts) >= 0:
        return parts
    bill.remarks.append((DOUBT, CONTRADICTION))
    return tuple(max(part, 0) for part in parts)


def _bill_cache_writes(
    bill: Bill, row: Row, short: int, long: int, reported_long: int | None
) -> None:
    bill.add(row.cache_write, short, "cache_write_tokens")
    if long:
        bill.add(row.cache_write_1h, long, "cache_write_1h_tokens")
    if "cache_write_1h" in row.units:
        if reported_long is None:
            bill.remarks.append((NOTE, _TTL_UNKNOWN))
    elif long and "cache_write" in row.units:
        bill.remarks.append((DOUBT, _TTL_UNPRICED))


def _extra_tokens(usage: Usage, unit: str) -> int:
    quantity = (usage.extra or {}).get(unit, 0)
    return max(int(quantity), 0) if is_quantity(quantity) else 0


def _video_input(bill: Bill, usage: Usage, row: Row) -> int:
    video = _extra_tokens(usage, "input_video_tokens")
    price = row.units.get("input_video")
    if price is None and row.rate.provider in INPUT_IMAGE_IS_INPUT:
        return 0
    bill.add(price, video, "input_video_tokens")
    return video


def _whole_output(usage: Usage, row: Row, operation: str | None) -> Price | None:
    """Price what an image or speech endpoint puts out: it reports no split, it is the medium."""
    if operation == "image_generation" and usage.output_image_tokens is None:
        return row.output_image or row.output
    if operation == "speech" and usage.output_audio_tokens is None:
        return row.output_audio or row.output
    return row.output


def _bill_unsplit_images(bill: Bill, usage: Usage, row: Row, output: int) -> int:
    """Bill output of which the images are not reported; return what is text at the output rate.

    Nearly all that such a model puts out, but for its thoughts, are the images it was called for.
    """
    thoughts = min(usage.reasoning_tokens or 0, output) if row.reasoning is None else 0
    if output == thoughts:
        return output
    if row.output_image is None:
        bill.remarks.append((DOUBT, _IMAGES_UNPRICED))
        return output
    bill.add(row.output_image, output - thoughts, "output_image_tokens")
    bill.remarks.append((DOUBT, _IMAGES_UNKNOWN))
    return thoughts


def _bill_output_parts(
    bill: Bill, usage: Usage, row: Row, parts: tuple[int, ...], operation: str | None
) -> int:
    """Bill everything of the output that is not text at the output rate; return what is."""
    reasoning, audio, image = _not_negative(bill, parts)
    video = _extra_tokens(usage, "output_video_tokens")
    # Perplexity reports the tokens of citations beside the output, not in it.
    citation = _extra_tokens(usage, "citation_tokens") if "citation" in row.units else 0
    image_price, audio_price = row.output_image, row.output_audio
    # An image or speech model may have one output rate, which is then its medium's.
    if operation == "image_generation":
        image_price = image_price or row.output
    elif operation == "speech":
        audio_price = audio_price or row.output

    text = (usage.output_tokens or 0) - audio - image - video
    if row.reasoning is not None:
        bill.add(row.reasoning, reasoning, "reasoning_tokens")
        if reasoning <= text or row.rate.provider not in REASONING_BESIDE_OUTPUT:
            text -= reasoning
        reasoning = 0
    bill.add(audio_price, audio, "output_audio_tokens")
    bill.add(image_price, image, "output_image_tokens")
    bill.add(row.units.get("output_video"), video, "output_video_tokens")
    bill.add(row.units.get("citation"), citation, "citation_tokens")
    if text >= reasoning:
        return text
    # All reasoning is output, so there was at least as much of it.
    if usage.output_tokens is not None:
        bill.remarks.append((DOUBT, CONTRADICTION))
    return reasoning


def _drop_other_measures(bill: Bill, row: Row, operation: str | None) -> None:
    """Drop what has no price only because the call is billed by another measure of the same."""
    by_unit = any(price.metric.partition(" ")[0] in _UNITS for price, _ in bill.lines)
    decisive = INPUT if operation == "transcription" else OUTPUT
    by_token = any(price.share == decisive for price, _ in bill.lines)
    forgiven = {*_UNITS} if by_unit or by_token else set()
    if by_unit:
        forgiven.update(unit for unit in bill.texts_of(UNPRICED) if unit.endswith("_tokens"))
    bill.remarks[:] = [
        remark for remark in bill.remarks if remark[0] is not UNPRICED or remark[1] not in forgiven
    ]
    if bill.lines and not (by_unit or by_token) and row.output is not None and not bill.remarks:
        bill.remarks.append((UNREPORTED, "output_tokens"))
