"""Price a stored record again.

Input: a stored record and a rate card. Output: a `Change` where a priced column differs. Pure: no
clock, no database. A record that was merged of several spans is priced by its merged content, as
settling prices it (`pipeline/settle.py`), and what its own span reports is priced beside it.
"""

from __future__ import annotations

from operator import attrgetter

from spantoll.customers import EMPTY_BOOK, PriceBook, charge_record
from spantoll.pricing import Priced, Rate, RateCard, Unpriced
from spantoll.records import UsageRecord, to_call
from spantoll.records.build import PRICE_COLUMNS, price_columns
from spantoll.records.limits import fit_record
from spantoll.storage import Stored
from spantoll.storage.reprice import Change, Reprice

__all__ = ["make_reprice", "price_again"]

_priced_columns = attrgetter(*PRICE_COLUMNS)


def make_reprice(card: RateCard, *, now_ns: int, book: PriceBook = EMPTY_BOOK) -> Reprice:
    """Make the function that prices and charges a stored record again, with its span's report."""

    def reprice(member: Stored) -> Change | None:
        current, rate = price_again(member.current, card, now_ns=now_ns, book=book)
        facts, own_rate = current, None
        if member.facts is not member.current:
            facts, own_rate = price_again(member.facts, card, now_ns=now_ns, book=book)
        if current is member.current and facts is member.facts:
            return None
        after = member._replace(facts=facts, current=current)
        return Change(member, after, tuple(each for each in (rate, own_rate) if each is not None))

    return reprice


def price_again(
    record: UsageRecord, card: RateCard, *, now_ns: int, book: PriceBook = EMPTY_BOOK
) -> tuple[UsageRecord, Rate | None]:
    """Price and charge a record by its content; the same object where no such column differs.

    `priced_ns` becomes `now_ns` where a priced column does. The rate is None unless the record
    names another one than before.
    """
    answer = card.price(to_call(record))
    rate = answer.rate if isinstance(answer, Priced) else None
    priced = _with_price(record, answer, now_ns=now_ns)
    charged = charge_record(priced, book, rate=rate) if book else priced
    if charged == record:
        return record, None
    return charged, rate if priced is not record else None


def _with_price(record: UsageRecord, answer: Priced | Unpriced, *, now_ns: int) -> UsageRecord:
    """Return the record with its price; the same object where no priced column differs."""
    values = price_columns(answer)
    if values == _priced_columns(record):
        return record
    columns = dict(zip(PRICE_COLUMNS, values, strict=True))
    priced: UsageRecord = record._replace(
        **columns,  # type: ignore[arg-type]  # in the order of PRICE_COLUMNS
        priced_ns=now_ns if isinstance(answer, Priced) else None,
    )
    # A reason may be longer than its column; what was repaired in the span was noted when it came.
    fitted = fit_record(priced)._replace(flaws=record.flaws)
    return record if _priced_columns(fitted) == _priced_columns(record) else fitted
