"""One priced GenAI span: the columns of `usage_record`, each declared once.

Input: what `build.py` puts together from a call and its price. Output: `UsageRecord`, and its
`COLUMNS`, of which the table, merging, dimensions, measures, JSON and CSV are made. A new column
is a line here, a migration, and what fills it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from sqlalchemy import BigInteger, Boolean, Integer, SmallInteger, Text

from spantoll.records.column_spec import (
    ColumnSpec,
    Merge,
    Unit,
    binary,
    counter,
    money,
    read_specs,
    text,
)

__all__ = ["COLUMNS", "Billed", "UsageRecord"]

Billed = tuple[bytes, bytes, int | None, str | None, str, str | None, str | None]
"""What a billed span cost: trace id, span id, cost in nano-USD, where that comes from, its
`pricing_status`, the reason of that, the price list."""

Constant16 = Annotated[str, ColumnSpec(type=text(16), constant=True, dimension=True)]
Detail16 = Annotated[str | None, ColumnSpec(type=text(16), merge=Merge.DETAIL, dimension=True)]
Detail32 = Annotated[str | None, ColumnSpec(type=text(32), merge=Merge.DETAIL, dimension=True)]
Detail64 = Annotated[str | None, ColumnSpec(type=text(64), merge=Merge.DETAIL, dimension=True)]
Detail128 = Annotated[str | None, ColumnSpec(type=text(128), merge=Merge.DETAIL, dimension=True)]
Detail191 = Annotated[str | None, ColumnSpec(type=text(191), merge=Merge.DETAIL, dimension=True)]
Detail254 = Annotated[str | None, ColumnSpec(type=text(254), merge=Merge.DETAIL, dimension=True)]
For64 = Annotated[str | None, ColumnSpec(type=text(64), merge=Merge.ATTRIBUTION, dimension=True)]
For128 = Annotated[str | None, ColumnSpec(type=text(128), merge=Merge.ATTRIBUTION, dimension=True)]
For191 = Annotated[str | None, ColumnSpec(type=text(191), merge=Merge.ATTRIBUTION, dimension=True)]
For254 = Annotated[str | None, ColumnSpec(type=text(254), merge=Merge.ATTRIBUTION, dimension=True)]
Key = Annotated[int | None, ColumnSpec(type=BigInteger(), shown=False)]
Time = Annotated[int, ColumnSpec(type=BigInteger(), unit=Unit.TIME_NS)]


class UsageRecord(NamedTuple):
    """One priced GenAI span, in the order of the columns of `usage_record`.

    Times are UTC nanoseconds, money is integer nano-USD, token counters are inclusive as in
    `semconv.Usage`, and None is unknown.
    """

    tenant_id: Annotated[str, ColumnSpec(type=text(64), dimension=True)]
    trace_id: Annotated[bytes, ColumnSpec(type=binary(16), dimension=True)]
    span_id: Annotated[bytes, ColumnSpec(type=binary(8), dimension=True)]
    parent_span_id: Annotated[bytes | None, ColumnSpec(type=binary(8))]
    source: Constant16
    """otlp_trace, otlp_log, exporter, rest, import."""
    started_ns: Time
    duration_ns: Annotated[
        int | None, ColumnSpec(type=BigInteger(), unit=Unit.DURATION_NS, outside="latency_ms")
    ]
    time_to_first_chunk_ns: Annotated[
        int | None, ColumnSpec(type=BigInteger(), unit=Unit.DURATION_NS, merge=Merge.DETAIL)
    ]
    received_ns: Time
    role: Constant16
    counted: Annotated[bool, ColumnSpec(type=Boolean(), merge=Merge.DERIVED, dimension=True)]
    counted_reason: Annotated[
        str | None,
        ColumnSpec(type=text(32), merge=Merge.DERIVED, constant=True, dimension=True),
    ]
    """Why it is or is not counted: sole, aggregate, tool, fetch, repeats ..."""
    repeats_span: Annotated[bytes | None, ColumnSpec(type=binary(24), merge=Merge.DERIVED)]
    """trace_id + span_id of the counted record this one repeats."""
    operation: Detail64
    provider: Detail64
    provider_raw: Detail64
    provider_instance: Detail128
    model: Annotated[str | None, ColumnSpec(type=text(191), merge=Merge.DERIVED, dimension=True)]
    """The response model, else the requested one: what reports group by."""
    request_model: Detail191
    response_model: Detail191
    response_id: Detail191
    response_key: Key
    """Signed 64-bit hash of (tenant, response id), see `response_key`: a small index, and a hint,
    never an identity."""
    usage_key: Key
    """Hash of when a call ended and what it used, see `usage_key`: a small index, and a hint."""
    request_id: Detail128
    server_address: Detail254
    server_port: Annotated[
        int | None, ColumnSpec(type=Integer(), merge=Merge.DETAIL, dimension=True)
    ]
    deployment: Detail128
    deployment_type: Detail32
    region: Detail64
    data_residency: Detail16
    endpoint_scope: Detail16
    service_tier_requested: Detail32
    service_tier: Detail32
    speed_requested: Detail16
    speed: Detail16
    batch: Annotated[bool, ColumnSpec(type=Boolean(), dimension=True)]
    stream: Annotated[bool | None, ColumnSpec(type=Boolean(), merge=Merge.DETAIL, dimension=True)]
    cache_hit: Annotated[
        bool | None, ColumnSpec(type=Boolean(), merge=Merge.DETAIL, dimension=True)
    ]
    finish_reasons: Detail128
    """Comma separated."""
    status: Constant16
    error_type: Detail128
    error_message: Annotated[str | None, ColumnSpec(type=text(1024), merge=Merge.DETAIL)]
    customer_id: For128
    organisation: For191
    project: For128
    workspace_id: For128
    team: For128
    user_id: For128
    user_email: For254
    session_id: For128
    purpose: For64
    task_type: For64
    channel: For64
    environment: For64
    service_name: For128
    metadata: Annotated[str | None, ColumnSpec(type=Text(), merge=Merge.DETAIL)]
    """JSON object of allow-listed attributes that have no column of their own."""
    input_tokens: Annotated[int | None, counter(Unit.TOKENS, "All input, cached tokens included.")]
    output_tokens: Annotated[int | None, counter(Unit.TOKENS, "All output, reasoning included.")]
    cache_read_tokens: Annotated[
        int | None, counter(Unit.TOKENS, "Input read from a prompt cache.")
    ]
    cache_write_tokens: Annotated[
        int | None, counter(Unit.TOKENS, "Input written to a prompt cache.")
    ]
    cache_write_1h_tokens: Annotated[
        int | None, counter(Unit.TOKENS, "Input written to a prompt cache for an hour.")
    ]
    reasoning_tokens: Annotated[
        int | None, counter(Unit.TOKENS, "Output that is reasoning, not answer.")
    ]
    input_audio_tokens: Annotated[int | None, counter(Unit.TOKENS, "Input that is audio.")]
    output_audio_tokens: Annotated[int | None, counter(Unit.TOKENS, "Output that is audio.")]
    input_image_tokens: Annotated[int | None, counter(Unit.TOKENS, "Input that is images.")]
    output_image_tokens: Annotated[int | None, counter(Unit.TOKENS, "Output that is images.")]
    images: Annotated[int | None, counter(Unit.IMAGES, "Images made.")]
    image_size: Detail32
    image_quality: Detail16
    search_context_size: Detail16
    audio_ms: Annotated[
        int | None, counter(Unit.MILLISECONDS, "Length of the audio that was sent or made.")
    ]
    video_ms: Annotated[
        int | None, counter(Unit.MILLISECONDS, "Length of the video that was sent or made.")
    ]
    characters: Annotated[int | None, counter(Unit.CHARACTERS, "Characters spoken.")]
    requests: Annotated[int, ColumnSpec(type=BigInteger(), unit=Unit.REQUESTS)]
    extra_units: Annotated[str | None, ColumnSpec(type=Text(), merge=Merge.USAGE)]
    """JSON object of quantities that have no column of their own, by unit."""
    usage_quality: Constant16
    flaws: Annotated[str | None, ColumnSpec(type=text(254))]
    """Comma separated: what was repaired while decoding."""
    dialect: Annotated[str, ColumnSpec(type=text(32), constant=True, dimension=True)]
    scope_name: Annotated[str | None, ColumnSpec(type=text(128), dimension=True)]
    scope_version: Annotated[str | None, ColumnSpec(type=text(32), dimension=True)]
    assumptions: Annotated[str | None, ColumnSpec(type=Text())]
    """JSON list of the rules that read the numbers."""
    pricing_status: Annotated[
        str, ColumnSpec(type=text(16), merge=Merge.DERIVED, constant=True, dimension=True)
    ]
    pricing_reason: Annotated[
        str | None, ColumnSpec(type=text(254), merge=Merge.DERIVED, dimension=True)
    ]
    cost_nano: Annotated[
        int | None, money("What the provider charges; a lower bound where something is unpriced.")
    ]
    input_cost_nano: Annotated[int | None, money("The share of the cost that is fresh input.")]
    output_cost_nano: Annotated[int | None, money("The share of the cost that is output.")]
    cache_cost_nano: Annotated[
        int | None, money("The share of the cost that is reading and writing prompt caches.")
    ]
    other_cost_nano: Annotated[
        int | None, money("The share of the cost that is searches, images, requests and the like.")
    ]
    cost_source: Annotated[
        str | None,
        ColumnSpec(type=text(16), merge=Merge.DERIVED, constant=True, dimension=True),
    ]
    rate_id: Annotated[int | None, ColumnSpec(type=BigInteger(), merge=Merge.DERIVED)]
    reported_cost_nano: Annotated[
        int | None, money("What the spans report as cost.", merge=Merge.DETAIL)
    ]
    reported_cost_source: Detail32
    catalogue_cost_nano: Annotated[
        int | None, money("The cost by the price list of calls whose cost is a reported one.")
    ]
    """The cost by the price list where `cost_nano` is a reported one."""
    priced_ns: Annotated[
        int | None, ColumnSpec(type=BigInteger(), unit=Unit.TIME_NS, merge=Merge.DERIVED)
    ]
    revenue_nano: Annotated[
        int | None,
        money("What customers are charged for calls; statements also have what is for a month."),
    ]
    markup_ppm: Annotated[int | None, ColumnSpec(type=Integer(), merge=Merge.DERIVED)]
    """The share of the cost that was added to it, in millionths; None at a fixed rate."""
    customer_price_id: Annotated[int | None, ColumnSpec(type=BigInteger(), merge=Merge.DERIVED)]
    """The row of `customer_price` that made the revenue, where it is one."""
    revenue_reason: Annotated[
        str | None, ColumnSpec(type=text(254), merge=Merge.DERIVED, dimension=True)
    ]
    """Why the revenue is unknown, or which rows made it where they are several."""
    latency_bucket: Annotated[int | None, ColumnSpec(type=SmallInteger(), shown=False)]
    """ceil(ln(milliseconds) / ln 1.04): percentiles by `SUM(n) GROUP BY bucket` on any database."""


COLUMNS: Mapping[str, ColumnSpec] = read_specs(UsageRecord)
"""How each field is stored, merged, queried and shown, in their order."""
