"""The JSON form of a call to price and of its price: one object a line (`spantoll price`).

Input: `{"id", "provider", "operation", "request_model", "response_model", "usage", "context"}`.
Output: a `ModelCall`, and for its price `{"id", "cost_usd", "status", "unpriced_reason", "remarks",
"lines"}`. Usage follows OpenTelemetry: totals contain their parts. docs/prices.md has every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from spantoll.pricing.card import RateCard
from spantoll.pricing.result import CostLine, Priced, Rate, Unpriced
from spantoll.pricing.timeline import instant_ns
from spantoll.pricing.usage_objects import is_usage_object, read_serving, translate_usage
from spantoll.semconv import providers
from spantoll.semconv.call import Attribution, ModelCall, ReportedCost, Role, Usage

__all__ = ["UnreadableCall", "describe_cost", "price_record", "read_call", "unreadable"]

COUNTERS: Mapping[str, str] = MappingProxyType(
    {
        "input_tokens": "input_tokens",
        "output_tokens": "output_tokens",
        "cache_read": "cache_read_tokens",
        "cache_write": "cache_write_tokens",
        "cache_write_1h": "cache_write_1h_tokens",
        "reasoning": "reasoning_tokens",
        "audio_in": "input_audio_tokens",
        "audio_out": "output_audio_tokens",
        "image_in": "input_image_tokens",
        "image_out": "output_image_tokens",
        "characters": "characters",
    }
)
"""Field of `usage` to the counter of `Usage`."""

EXTRA = MappingProxyType({"cache_read_audio": "cache_read_audio_tokens"})
"""Field of `usage` to a unit of `Usage.extra` of another name; all other units keep theirs."""

OPERATIONS = MappingProxyType(
    {
        "image": "image_generation",
        "images": "image_generation",
        "video": "video_generation",
        "text_to_speech": "speech",
        "tts": "speech",
        "speech_to_text": "transcription",
        "audio_transcription": "transcription",
        "embedding": "embeddings",
    }
)
ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "embeddings": "embedding",
        **dict.fromkeys(
            ("image_generation", "video_generation", "speech", "transcription"), "media"
        ),
    }
)
OF_SPANS = MappingProxyType(
    {
        "the span names no model": "no model is named",
        "the span names no provider": "no provider is named",
        "have it carry gen_ai.provider.name": "name the provider",
        "have the span carry gen_ai.response.model": "name the model that it runs",
        "the span carries no usage": "the usage counts nothing",
    }
)
"""What the pricing of calls says of spans -> of a call that no span reports."""
TICKS_PER_USD = 10_000_000_000
"""xAI bills in ticks: https://docs.x.ai/developers/cost-tracking."""
LEAST_TICKS = 100_000
"""A bare whole number this large from xAI is ticks: no call costs 100,000 USD."""


class UnreadableCall(ValueError):
    """Raised when a record does not describe a call; the message says which field and why."""


def price_record(card: RateCard, record: Any, *, now_ns: int) -> dict[str, Any]:
    """Price one record; one that cannot be read is answered with the reason."""
    try:
        call = read_call(record, now_ns=now_ns)
    except UnreadableCall as error:
        return unreadable(record.get("id") if isinstance(record, dict) else None, str(error))
    return describe_cost(card, call, record.get("id"))


def unreadable(record_id: Any, reason: str) -> dict[str, Any]:
    """Answer for a line that describes no call."""
    return _answer(record_id, None, "unpriced", "unreadable", [reason], [])


def read_call(record: Any, *, now_ns: int) -> ModelCall:
    """Read a record; without a timestamp the call is priced as of `now_ns`.

    Raises UnreadableCall.
    """
    if not isinstance(record, dict):
        raise UnreadableCall("not a JSON object")
    given = _object(record, "usage")
    usage = _own_words(given)
    stated = {
        name: value for name, value in _object(record, "context").items() if value is not None
    }
    context = {**read_serving(given), **stated}
    host = _text(context, "server_address")
    provider = providers.canonical(_text(record, "provider")) or providers.from_host(host)
    operation = (_text(record, "operation") or "").lower() or None
    operation = OPERATIONS.get(operation or "", operation)
    units = _units(usage)
    images, video = _object(units, "images"), _object(units, "video")
    start_ns = _start_ns(context, now_ns)
    return ModelCall(
        trace_id=bytes(16),
        span_id=bytes(8),
        parent_span_id=None,
        start_ns=start_ns,
        end_ns=start_ns,
        role=ROLES.get(operation or "", "inference"),
        operation=operation,
        provider=provider,
        provider_raw=_text(record, "provider"),
        request_model=_text(record, "request_model"),
        response_model=_text(record, "response_model"),
        response_id=None,
        usage=_read_usage(usage, images, video),
        attribution=Attribution(),
        status="success",
        error_type=None,
        error_message=None,
        dialect="price",
        scope_name="",
        scope_version="",
        usage_quality="exact",
        assumptions=(),
        server_address=host,
        service_tier_requested=_text(context, "service_tier_requested"),
        service_tier=_text(context, "service_tier_response"),
        speed_requested=_text(context, "speed_requested"),
        speed=_text(context, "speed_response"),
        batch=_flag(context, "batch"),
        region=_text(context, "region") or providers.region_of_host(host),
        data_residency=_text(context, "inference_geo") or _text(context, "data_residency"),
        endpoint_scope=_text(context, "endpoint_scope"),
        deployment_type=_text(context, "deployment_type"),
        image_size=_text(images, "size") or _text(video, "size"),
        image_quality=_text(images, "quality"),
        search_context_size=_text(units, "search_context_size"),
        reported_cost=_reported_cost(provider, context.get("provider_reported")),
    )


def describe_cost(card: RateCard, call: ModelCall, record_id: Any = None) -> dict[str, Any]:
    """Price a call and write the answer; the amounts of the lines add up to the cost."""
    answer = card.price(call)
    if isinstance(answer, Unpriced):
        detail = answer.detail
        for of_span, of_call in OF_SPANS.items():
            detail = detail.replace(of_span, of_call)
        return _answer(record_id, None, "unpriced", answer.reason, [detail], [])
    remarks = answer.reason.split("; ") if answer.reason else []
    if answer.catalogue_nano is not None and answer.catalogue_nano != answer.cost_nano:
        remarks.append(f"the price list says {usd(answer.catalogue_nano)} USD")
    status = "exact" if answer.status == "priced" else answer.status
    return _answer(
        record_id, usd(answer.cost_nano), status, None, remarks, _lines(card, call, answer)
    )


def usd(nano: int) -> str:
    """Write nano-USD as a plain decimal number of USD, without rounding."""
    amount = Decimal(nano).scaleb(-9)
    return f"{amount.normalize():f}" if nano else "0"


def _answer(
    record_id: Any,
    cost_usd: str | None,
    status: str,
    reason: str | None,
    remarks: list[str],
    lines: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "id": record_id,
        "cost_usd": cost_usd,
        "status": status,
        "unpriced_reason": reason,
        "remarks": remarks,
        "lines": lines,
    }


def _lines(card: RateCard, call: ModelCall, answer: Priced) -> list[dict[str, Any]]:
    if answer.rate is None:
        if answer.source != "reported":
            return []
        amount = usd(answer.cost_nano)
        return [
            {
                "metric": "reported_cost",
                "quantity": 1,
                "unit_price_usd": amount,
                "per": 1,
                "amount_usd": amount,
                "price_row": {"source": f"the {_name_reporter(call)}'s own figure"},
            }
        ]
    return [_line(card, line, answer.rate) for line in card.lines(call, answer.rate)]


def _name_reporter(call: ModelCall) -> str:
    return call.reported_cost.source if call.reported_cost is not None else "provider"


def _line(card: RateCard, line: CostLine, rate: Rate) -> dict[str, Any]:
    quantity: int | str = int(line.quantity)
    if quantity != line.quantity:
        quantity = f"{line.quantity:f}"
    return {
        "metric": line.metric,
        "quantity": quantity,
        "unit_price_usd": f"{line.unit_price.amount_usd.normalize():f}",
        "per": line.unit_price.per,
        "amount_usd": usd(line.nano),
        "price_row": {
            "id": rate.rate_id,
            "provider": rate.provider,
            "model": rate.model,
            "context": rate.context,
            "valid_from": rate.effective_from,
            "valid_to": rate.effective_to,
            "source": line.unit_price.source or _source(card, rate),
        },
    }


def _source(card: RateCard, rate: Rate) -> str:
    if rate.source != "catalogue":
        return rate.source
    return f"{card.price_set.source} {card.price_set.version}"


def _read_usage(
    usage: Mapping[str, Any], images: Mapping[str, Any], video: Mapping[str, Any]
) -> Usage:
    given = {**usage, **_object(usage, "parts"), **_units(usage)}
    counters: dict[str, int] = {}
    extra: dict[str, int | Decimal] = {}
    for name, value in given.items():
        if name in {"units", "parts", "images", "video", "search_context_size"} or value is None:
            continue
        if name in COUNTERS:
            counters[COUNTERS[name]] = _count(name, value)
        elif name == "audio_seconds":
            counters["audio_ms"] = _milliseconds(name, value)
        else:
            extra[EXTRA.get(name, name)] = _quantity(name, value)
    if images:
        counters["images"] = _count("images.count", images.get("count", 1))
    if video:
        counters["video_ms"] = _milliseconds("video.seconds", video.get("seconds"))
    return Usage(**counters, extra=extra or None)


def _own_words(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """Translate a provider's usage object; what it has beside counters is left out."""
    translated = translate_usage(usage)
    if not is_usage_object(usage):
        return translated
    return {
        name: value
        for name, value in translated.items()
        if name in COUNTERS or not isinstance(value, str | list | dict)
    }


def _units(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the units of a usage: its own fields, or those of a nested `units`."""
    return {**usage, **_object(usage, "units")}


def _reported_cost(provider: str | None, reported: Any) -> ReportedCost | None:
    """Read the provider's own figure: USD, xAI's ticks, or a gateway's usage object (rule R9)."""
    if reported is None:
        return None
    source = "gateway" if provider == "openrouter" else "provider"
    if not isinstance(reported, dict):
        amount = Decimal(_quantity("provider_reported", reported))
        is_ticks = provider == "x_ai" and amount == int(amount) and amount >= LEAST_TICKS
        return ReportedCost(amount / TICKS_PER_USD if is_ticks else amount, "USD", source)
    if "cost_in_usd_ticks" in reported:
        ticks = _quantity("cost_in_usd_ticks", reported["cost_in_usd_ticks"])
        return ReportedCost(Decimal(ticks) / TICKS_PER_USD, "USD", source)
    named = next((n for n in ("cost_usd", "cost", "amount") if reported.get(n) is not None), None)
    details = _object(reported, "cost_details")
    upstream = reported.get("upstream_inference_cost", details.get("upstream_inference_cost"))
    if named is None and upstream is None:
        raise UnreadableCall("provider_reported has neither cost_usd, cost, amount nor ticks")
    total = Decimal(_quantity(named or "", reported[named])) if named else Decimal(0)
    if reported.get("is_byok") and upstream is not None:
        # The gateway's own-key fee is `cost`; the provider bills the owner of the key the rest.
        total += Decimal(_quantity("upstream_inference_cost", upstream))
    return ReportedCost(total, _text(reported, "currency") or "USD", source)


def _start_ns(context: Mapping[str, Any], now_ns: int) -> int:
    text = _text(context, "timestamp")
    if text is None:
        return now_ns
    try:
        return instant_ns(text)
    except ValueError as error:
        raise UnreadableCall(f"timestamp is not RFC 3339: {text}") from error


def _object(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        if name == "images":
            return {"count": value}
        raise UnreadableCall(f"{name} is not an object")
    return value


def _text(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise UnreadableCall(f"{name} is not a string")
    return value


def _flag(record: Mapping[str, Any], name: str) -> bool:
    value = record.get(name)
    if value is not None and not isinstance(value, bool):
        raise UnreadableCall(f"{name} is not true or false")
    return bool(value)


def _quantity(name: str, value: Any) -> int | Decimal:
    """Read a number of units; decimal strings are allowed, floats arrive as Decimal."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise UnreadableCall(f"{name} is not a number")
    try:
        quantity = Decimal(value)
    except InvalidOperation as error:
        raise UnreadableCall(f"{name} is not a number: {value}") from error
    if not quantity.is_finite() or quantity < 0 or quantity.adjusted() > 18:
        raise UnreadableCall(f"{name} is out of range: {value}")
    return int(quantity) if quantity == quantity.to_integral_value() else quantity


def _count(name: str, value: Any) -> int:
    quantity = _quantity(name, value)
    if not isinstance(quantity, int):
        raise UnreadableCall(f"{name} is not a whole number: {value}")
    return quantity


def _milliseconds(name: str, value: Any) -> int:
    return _count(name, _quantity(name, value) * 1_000)
