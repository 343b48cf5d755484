"""Settling: count the calls of a connected group, merge their reports and price the merged record.

Input: the stored records of a group. Output: a correction for each whose content is not what its
group says. Decided from facts alone (see `Settle`).
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from spantoll.pipeline.counting import Verdict, count
from spantoll.pipeline.merge import merge_records
from spantoll.pricing import Priced, Rate, RateCard
from spantoll.records import UsageRecord, to_call
from spantoll.records.build import PRICE_COLUMNS, price_columns
from spantoll.records.column_spec import Merge
from spantoll.records.record import COLUMNS
from spantoll.storage import Correction, Settle, Stored
from spantoll.storage.amend import VOIDED

__all__ = ["make_settle"]

PRICED = (*PRICE_COLUMNS, "priced_ns")
# No cost depends on attribution; keys stay a record's own, whatever it is merged with.
_content = attrgetter(
    *(
        name
        for name, spec in COLUMNS.items()
        if spec.merge not in (Merge.DERIVED, Merge.ATTRIBUTION) and not name.endswith("_key")
    )
)
_price = attrgetter(*PRICED)


def make_settle(card: RateCard) -> Settle:
    """Make the `Settle` that counts each call once and prices its merged record."""

    def settle(group: Sequence[Stored]) -> Sequence[Correction]:
        facts = [stored.facts for stored in group]
        common_ids = {stored.facts.response_key for stored in group if stored.has_common_id}
        corrections = []
        for stored, verdict in zip(group, count(facts, common_ids=common_ids), strict=True):
            if stored.is_context:
                continue
            record, rate = _decide(facts, stored, verdict, card)
            if record != stored.current:
                corrections.append(Correction(stored.id, record, rate))
        return corrections

    return settle


def _decide(
    facts: Sequence[UsageRecord], stored: Stored, verdict: Verdict, card: RateCard
) -> tuple[UsageRecord, Rate | None]:
    repeated = facts[verdict.repeats] if verdict.repeats is not None else None
    record, rate = stored.facts, None
    if len(verdict.reports) > 1:
        merged = merge_records([facts[i] for i in verdict.reports])
        record, rate = _price_again(merged, stored, card)
    # A call is void if a report of it is, whichever is billed.
    reports = (stored.facts, *(facts[i] for i in verdict.reports))
    void = verdict.counted and any(report.counted_reason == VOIDED for report in reports)
    decided = record._replace(
        counted=verdict.counted and not void,
        counted_reason=VOIDED if void else verdict.reason,
        repeats_span=repeated.trace_id + repeated.span_id if repeated is not None else None,
    )
    return decided, rate


def _price_again(
    record: UsageRecord, stored: Stored, card: RateCard
) -> tuple[UsageRecord, Rate | None]:
    """Price a merged record; one whose content is as it was keeps its price.

    So only new content and re-pricing change a price, not a rate card that is newer than it.
    """
    if record == stored.facts:
        return record, None
    if _content(record) == _content(stored.current):
        kept = dict(zip(PRICED, _price(stored.current), strict=True))
        return record._replace(**kept), None
    answer = card.price(to_call(record))
    columns = dict(zip(PRICE_COLUMNS, price_columns(answer), strict=True))
    priced_ns = (record.priced_ns or record.received_ns) if isinstance(answer, Priced) else None
    priced = record._replace(**columns, priced_ns=priced_ns)  # type: ignore[arg-type]  # in order
    return priced, answer.rate if isinstance(answer, Priced) else None
