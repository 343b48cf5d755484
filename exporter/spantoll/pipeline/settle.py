"""Settling: count the calls of a connected group, merge their reports and price the merged record.

Input: the stored records of a group. Output: a correction for each whose content is not what its
group says. Decided from facts alone (see `Settle`).
"""

from __future__ import annotations

from collections.abc import Sequence

from spantoll.pipeline.counting import Verdict, count
from spantoll.pipeline.merge import merge_records
from spantoll.pricing import Priced, Rate, RateCard
from spantoll.records import UsageRecord, to_call
from spantoll.records.build import PRICE_COLUMNS, price_columns
from spantoll.storage import Correction, Settle, Stored

__all__ = ["make_settle"]


def make_settle(card: RateCard) -> Settle:
    """Make the `Settle` that counts each call once and prices its merged record."""

    def settle(group: Sequence[Stored]) -> Sequence[Correction]:
        facts = [stored.facts for stored in group]
        common_ids = {stored.facts.response_key for stored in group if stored.has_common_id}
        corrections = []
        for stored, verdict in zip(group, count(facts, common_ids=common_ids), strict=True):
            if stored.is_context:
                continue
            record, rate = _decide(facts, stored.facts, verdict, card)
            if record != stored.current:
                corrections.append(Correction(stored.id, record, rate))
        return corrections

    return settle


def _decide(
    facts: Sequence[UsageRecord], fact: UsageRecord, verdict: Verdict, card: RateCard
) -> tuple[UsageRecord, Rate | None]:
    repeated = facts[verdict.repeats] if verdict.repeats is not None else None
    record, rate = fact, None
    if len(verdict.reports) > 1:
        record, rate = _price_again(merge_records([facts[i] for i in verdict.reports]), fact, card)
    decided = record._replace(
        counted=verdict.counted,
        counted_reason=verdict.reason,
        repeats_span=repeated.trace_id + repeated.span_id if repeated is not None else None,
    )
    return decided, rate


def _price_again(
    record: UsageRecord, fact: UsageRecord, card: RateCard
) -> tuple[UsageRecord, Rate | None]:
    if record == fact:
        return record, None
    answer = card.price(to_call(record))
    columns = dict(zip(PRICE_COLUMNS, price_columns(answer), strict=True))
    priced_ns = (record.priced_ns or record.received_ns) if isinstance(answer, Priced) else None
    priced = record._replace(**columns, priced_ns=priced_ns)  # type: ignore[arg-type]  # in order
    return priced, answer.rate if isinstance(answer, Priced) else None
