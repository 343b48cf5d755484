"""Price a stored record again.

Input: a stored record and a rate card. Output: a `Change` where a priced column differs. Pure: no
clock, no database. A record that was merged of several spans is priced by its merged content, as
settling prices it (`pipeline/settle.py`), and what its own span reports is priced beside it.

Ledgers before migration 0006 did not store data residency and requested speed. Where such a record
would lose the context of its earlier price row, the row's context is kept, as an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import NamedTuple

from spantoll.customers import EMPTY_BOOK, PriceBook, charge_record
from spantoll.pricing import Priced, Rate, RateCard, Unpriced
from spantoll.pricing.selector import Selector
from spantoll.records import UsageRecord, to_call
from spantoll.records.build import PRICE_COLUMNS, price_columns
from spantoll.records.limits import fit_record
from spantoll.semconv.call import ModelCall
from spantoll.storage import Stored
from spantoll.storage.reprice import Change, Reprice

__all__ = ["make_reprice", "price_again"]

_priced_columns = attrgetter(*PRICE_COLUMNS)


class _KeptPart(NamedTuple):
    """A part of a price row's context that a record may not hold."""

    name: str
    """The field of `Selector`."""
    column: str
    """What is filled where it and `others` are empty."""
    others: tuple[str, ...] = ()


_KEPT_PARTS = (
    _KeptPart("place", "data_residency", ("endpoint_scope",)),
    _KeptPart("speed", "speed_requested", ("speed",)),
)


def make_reprice(
    card: RateCard,
    *,
    now_ns: int,
    book: PriceBook = EMPTY_BOOK,
    rates: Mapping[int, Rate] = MappingProxyType({}),
) -> Reprice:
    """Make the function that prices and charges a stored record again, with its span's report.

    `rates` are the stored price rows.
    """
    again = partial(price_again, card=card, now_ns=now_ns, book=book, rates=rates)

    def reprice(member: Stored) -> Change | None:
        current, rate = again(member.current)
        facts, own_rate = current, None
        if member.facts is not member.current:
            facts, own_rate = again(member.facts)
        if current is member.current and facts is member.facts:
            return None
        after = member._replace(facts=facts, current=current)
        return Change(member, after, tuple(each for each in (rate, own_rate) if each is not None))

    return reprice


def price_again(
    record: UsageRecord,
    card: RateCard,
    *,
    now_ns: int,
    book: PriceBook = EMPTY_BOOK,
    rates: Mapping[int, Rate] = MappingProxyType({}),
) -> tuple[UsageRecord, Rate | None]:
    """Price and charge a record by its content; the same object where no such column differs.

    `priced_ns` becomes `now_ns` where a priced column does. The rate is None unless the record
    names another one than before.
    """
    earlier = rates.get(record.rate_id) if record.rate_id is not None else None
    answer = _price(to_call(record), card, earlier)
    rate = answer.rate if isinstance(answer, Priced) else None
    priced = _with_price(record, answer, now_ns=now_ns)
    charged = charge_record(priced, book, rate=rate) if book else priced
    if charged == record:
        return record, None
    return charged, rate if priced is not record else None


def _price(call: ModelCall, card: RateCard, earlier: Rate | None) -> Priced | Unpriced:
    """Price a call; where only the earlier price row has a part of the context, keep that part."""
    answer = card.price(call)
    if earlier is None or not earlier.context or not isinstance(answer, Priced):
        return answer
    had, has = Selector.parse(earlier.context), _read_context(answer)
    kept = {
        part.column: getattr(had, part.name)
        for part in _KEPT_PARTS
        if getattr(had, part.name)
        and not getattr(has, part.name)
        and not any(getattr(call, column) for column in (part.column, *part.others))
    }
    if not kept:
        return answer
    restored = card.price(call._replace(**kept))
    if not isinstance(restored, Priced) or _read_context(restored) == has:
        return answer
    doubt = f"{', '.join(kept.values())} as the earlier price row says, not stored with the call"
    reasons = [restored.reason] if restored.reason else []
    return restored._replace(status="estimated", reason="; ".join([*reasons, doubt]))


def _read_context(answer: Priced) -> Selector:
    return Selector.parse(answer.rate.context if answer.rate is not None else "")


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
