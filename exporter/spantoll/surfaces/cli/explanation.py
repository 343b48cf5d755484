"""The explanation of a record as text for people.

Input: an `Explanation`. Output: lines of a topic and a text, under the names of the columns.
"""

from __future__ import annotations

from collections.abc import Iterator

from spantoll.pricing import CostLine
from spantoll.query import (
    CostState,
    Explanation,
    Listed,
    TraceUrl,
    plain_facts,
    plain_record,
    to_usd,
)
from spantoll.query.windows import find_zone, to_local_time
from spantoll.records import UsageRecord
from spantoll.records.column_spec import Merge
from spantoll.records.record import COLUMNS
from spantoll.records.reported import reported_difference_nano
from spantoll.surfaces.cells import UNKNOWN, format_cost, format_dollars, format_number

__all__ = ["format_explanation"]

COUNTERS = {
    name: spec.outside
    for name, spec in COLUMNS.items()
    if spec.merge is Merge.USAGE and spec.unit is not None
}
CONTEXT = (
    *("service_tier_requested", "service_tier", "speed_requested", "speed", "batch", "region"),
    *("data_residency", "endpoint_scope", "deployment_type", "deployment", "search_context_size"),
)
"""What a price can depend on beside model, size and time: asked and served."""
ATTRIBUTION = [name for name, spec in COLUMNS.items() if spec.merge is Merge.ATTRIBUTION]


def format_explanation(
    explained: Explanation, *, tz: str, links: TraceUrl | None = None
) -> Iterator[tuple[str, str]]:
    """Write an explanation as topics and texts; the topic is empty where the last one goes on."""
    record = explained.listed.record
    shown = plain_record(explained.listed)
    yield "record", f"{explained.listed.id}  {_span(record)}"
    if links is not None:
        yield "see", links.format_url(record.trace_id, record.span_id)
    yield "call", _call(record, tz)
    if context := [f"{name} {shown[name]}" for name in CONTEXT if shown[name]]:
        yield "", ", ".join(context)
    attribution = [f"{name} {value}" for name in ATTRIBUTION if (value := getattr(record, name))]
    yield "for", ", ".join(attribution) or "the span names no customer, user or service"
    scope = f"{record.scope_name or UNKNOWN} {record.scope_version or ''}".strip()
    yield "read by", f"dialect {record.dialect} (scope {scope}), usage {record.usage_quality}"
    for assumption in shown["assumptions"] or ():
        yield "", f"- {assumption}"
    if record.flaws:
        yield "", f"- repaired while decoding: {record.flaws}"
    topic = "usage"
    for name, outside in COUNTERS.items():
        if getattr(record, name) is not None:
            yield topic, f"{outside:<21} {shown[outside]:>12,}"
            topic = ""
    for unit, quantity in (shown["extra_units"] or {}).items():
        yield topic, f"{unit:<21} {quantity!s:>12}"
        topic = ""
    yield "counted", _counted(explained)
    for each in explained.repeated_by:
        yield "", f"repeated by record {each.id}, {_span(each.record)}, scope {_scope(each)}"
    for name, value in plain_facts(explained):
        yield "", f"its own span reports {name} {UNKNOWN if value is None else value}"
    yield from _price(explained)


def _call(record: UsageRecord, tz: str) -> str:
    asked = (
        "" if record.request_model in (None, record.model) else f", asked {record.request_model}"
    )
    ms = UNKNOWN if record.duration_ns is None else format_number(record.duration_ns // 1_000_000)
    return (
        f"{record.operation or record.role} {record.model or UNKNOWN}{asked} "
        f"at {record.provider or UNKNOWN}, {record.error_type or record.status}, {ms} ms, "
        f"{to_local_time(record.started_ns, find_zone(tz)):%Y-%m-%d %H:%M:%S %Z}"
    )


def _counted(explained: Explanation) -> str:
    record = explained.listed.record
    answer = f"{'yes' if record.counted else 'no'}: {record.counted_reason or UNKNOWN}"
    if explained.repeats is not None:
        answer += f", repeats record {explained.repeats.id}, scope {_scope(explained.repeats)}"
    return answer


def _price(explained: Explanation) -> Iterator[tuple[str, str]]:
    record, rate = explained.listed.record, explained.rate
    if rate is not None:
        context = f" ({rate.context})" if rate.context else ""
        period = f" from {rate.effective_from}" if rate.effective_from else ""
        period += f" to {rate.effective_to}" if rate.effective_to else ""
        yield "price", f"{rate.provider} {rate.model}{context}, {rate.source}{period}"
        yield "", f"row {rate.rate_id} of price list {rate.price_set[:12] or UNKNOWN}"
    elif record.cost_source == "reported":
        by = record.reported_cost_source
        yield "price", f"no row: the figure of the {by} bills, not the price list"
    for line in explained.lines:
        yield "", _line(line)
    if record.reported_cost_nano is not None:
        yield "reported", _reported(record)
    state = CostState.from_record(record)
    why = f": {record.pricing_reason}" if record.pricing_reason else ""
    source = f", {record.cost_source}" if record.cost_source else ""
    yield "cost", f"{format_cost(state)} ({state.name}{source}){why}"


def _reported(record: UsageRecord) -> str:
    by = record.reported_cost_source or "span"
    text = f"{format_dollars(to_usd(record.reported_cost_nano))} by the {by}"
    difference = reported_difference_nano(
        record.reported_cost_nano,
        record.cost_source,
        record.catalogue_cost_nano,
        record.cost_nano,
    )
    if difference is None:
        return text
    if not difference:
        return f"{text}, as by the price list"
    amount = format_dollars(to_usd(abs(difference)))
    return f"{text}, {amount} {'more' if difference > 0 else 'less'} than by the price list"


def _line(line: CostLine) -> str:
    price = line.unit_price
    exact = to_usd(line.nano)
    return (
        f"{line.metric:<20} {line.quantity:>12,} x ${price.amount_usd:f} / {price.per:,} "
        f"= ${exact:f}"
    )


def _span(record: UsageRecord) -> str:
    return f"trace {record.trace_id.hex()} span {record.span_id.hex()}"


def _scope(listed: Listed) -> str:
    return listed.record.scope_name or UNKNOWN
