"""Priced records of calls that were not reported by spans.

Input: calls that events were read into. Output: a `Batch`, as spans are turned into.
"""

from __future__ import annotations

from collections.abc import Sequence

from spantoll.errors import EventError
from spantoll.pipeline.ingest import Batch
from spantoll.pricing import Priced, Rate, RateCard
from spantoll.records import UsageRecord, to_record
from spantoll.records.build import DEFAULT_TENANT
from spantoll.records.times import with_plausible_times
from spantoll.semconv import ModelCall

__all__ = ["price_calls"]


def price_calls(
    rate_card: RateCard, calls: Sequence[ModelCall], *, received_ns: int, source: str
) -> Batch:
    """Price calls and make their records. Raises EventError for a time that cannot be true."""
    records: list[UsageRecord] = []
    rates: dict[int, Rate] = {}
    for call in calls:
        _, flaws = with_plausible_times(call, (), received_ns=received_ns)
        if flaws:
            raise EventError("before 2015, or in the future", pointer="/timestamp")
        answer = rate_card.price(call)
        record = to_record(
            call, answer, tenant=DEFAULT_TENANT, source=source, received_ns=received_ns
        )
        if call.end_ns == call.start_ns:
            # No latency was given: it is unknown, and must not lower an average.
            record = record._replace(duration_ns=None, latency_bucket=None)
        records.append(record)
        if isinstance(answer, Priced) and answer.rate is not None:
            rates[answer.rate.rate_id] = answer.rate
    return Batch(records, tuple(rates.values()), len(records), 0, ())
