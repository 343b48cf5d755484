"""Price a stored record again.

Input: a stored record and a rate card. Output: a `Change` where a priced column differs. Pure: no
clock, no database. A record that was merged of several spans is priced by its merged content, as
settling prices it (`pipeline/settle.py`), and what its own span reports is priced beside it.
"""

from __future__ import annotations

from operator import attrgetter

from spantoll.pricing import Priced, Rate, RateCard
from spantoll.records import UsageRecord, to_call
from spantoll.records.build import PRICE_COLUMNS, price_columns
from spantoll.records.limits import fit_record
from spantoll.storage import Stored
from spantoll.storage.reprice import Change, Reprice

__all__ = ["make_reprice", "price_again"]

_priced_columns = attrgetter(*PRICE_COLUMNS)


def make_reprice(card: RateCard, *, now_ns: int) -> Reprice:
    """Make the function that prices a stored record again, with its own span's report."""

    def reprice(member: Stored) -> Change | None:
        current, rate = price_again(member.current, card, now_ns=now_ns)
        facts, own_rate = current, None
        if member.facts is not member.current:
            facts, own_rate = price_again(member.facts, card, now_ns=now_ns)
        if current is member.current and facts is member.facts:
            return None
        after = member._replace(facts=facts, current=current)
        return Change(member, after, tuple(each for each in (rate, own_rate) if each is not None))

    return reprice


def price_again(
    record: UsageRecord, card: RateCard, *, now_ns: int
) -> tuple[UsageRecord, Rate | None]:
    """Price a record by its content; the same object where no priced column differs.

    `priced_ns` becomes `now_ns` where one does. The rate is None unless the record names another
    one than before.
    """
    answer = card.price(to_call(record))
    values = price_columns(answer)
    if values == _priced_columns(record):
        return record, None
    columns = dict(zip(PRICE_COLUMNS, values, strict=True))
    priced: UsageRecord = record._replace(
        **columns,  # type: ignore[arg-type]  # in the order of PRICE_COLUMNS
        priced_ns=now_ns if isinstance(answer, Priced) else None,
    )
    # A reason may be longer than its column; what was repaired in the span was noted when it came.
    fitted = fit_record(priced)._replace(flaws=record.flaws)
    if _priced_columns(fitted) == _priced_columns(record):
        return record, None
    return fitted, answer.rate if isinstance(answer, Priced) else None
