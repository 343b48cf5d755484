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
    """Make the `Settle` that counts each call once and prices what its witnesses tell together."""

    def settle(group: Sequence[Stored]) -> Sequence[Correction]:
        facts = [stored.facts for stored in group]
        corrections = []
        for stored, verdict in zip(group, count(facts), strict=True):
            record, rate = _decided(facts, stored.facts, verdict, card)
            if record != stored.current:
                corrections.append(Correction(stored.id, record, rate))
        return corrections

    return settle


def _decided(
    facts: Sequence[UsageRecord], fact: UsageRecord, verdict: Verdict, card: RateCard
) -> tuple[UsageRecord, Rate | None]:
    repeated = facts[verdict.repeats] if verdict.repeats is not None else None
    record, rate = fact, None
    if len(verdict.witnesses) > 1:
        record, rate = _priced_again(
            merge_records([facts[i] for i in verdict.witnesses]), fact, card
        )
    decided = record._replace(
        counted=verdict.counted,
        counted_reason=verdict.reason,
        repeats_span=repeated.trace_id + repeated.span_id if repeated is not None else None,
    )
    return decided, rate


def _priced_again(
    record: UsageRecord, fact: UsageRecord, card: RateCard
) -> tuple[UsageRecord, Rate | None]:
    if record == fact:
        return record, None
    answer = card.price(to_call(record))
    columns = dict(zip(PRICE_COLUMNS, price_columns(answer), strict=True))
    priced_ns = (record.priced_ns or record.received_ns) if isinstance(answer, Priced) else None
    priced = record._replace(**columns, priced_ns=priced_ns)  # type: ignore[arg-type]  # in order
    return priced, answer.rate if isinstance(answer, Priced) else None
