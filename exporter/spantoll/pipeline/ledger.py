"""Write priced records, with what customers are charged for them.

Input: records and the rates they name. Output: stored records, each with its revenue by the
customer prices of the configuration file and the ledger. A merged call keeps its revenue as it
keeps its price: until its content or its customer changes, or it is priced again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from spantoll.customers import EMPTY_BOOK, REVENUE_COLUMNS, PriceBook, charge_record
from spantoll.errors import ConfigurationError, CustomerPriceError
from spantoll.pipeline.customer_book import read_customer_book
from spantoll.pricing.result import Rate
from spantoll.records.build import PRICE_COLUMNS
from spantoll.records.record import UsageRecord
from spantoll.storage.rates import read_rates
from spantoll.storage.store import Correction, Settle, Store, Stored, WriteResult

__all__ = ["Ledger", "charge_corrections"]

REFRESH_S = 1.0
"""How long a running writer may charge by customer prices that have changed since."""

log = logging.getLogger(__name__)

_charged_content = attrgetter(*PRICE_COLUMNS, "customer_id", "provider", "model")
_merged_content = attrgetter(
    *(
        name
        for name in UsageRecord._fields
        if name not in ("counted", "counted_reason", "repeats_span")
    )
)


class Ledger:
    """A store that is given the rates before the records that name them.

    As many threads may write as the store has `writers`: they share what is known of rates.
    """

    def __init__(self, store: Store, *, settle: Settle | None = None) -> None:
        self._store = store
        self._settle = settle
        self._rates: dict[int, Rate] = {}
        """Those that were written here, and, where customers pay by unit, all that are stored."""
        self._book = EMPTY_BOOK
        self._book_read_s: float | None = None
        self._reading = threading.Lock()
        self._problem = ""

    def write(self, records: Sequence[UsageRecord], *, rates: Iterable[Rate]) -> WriteResult:
        """Write as `Store.write` does, and raise what it raises."""
        new = {rate.rate_id: rate for rate in rates if rate.rate_id not in self._rates}
        if new:
            self._store.add_rates(list(new.values()))
            self._rates.update(new)
        book = self._read_book()
        if book:
            records = [
                charge_record(record, book, rate=_find_rate(record, self._rates))
                for record in records
            ]
        return self._store.write(records, settle=self._make_settle(book))

    def settle_pending(self) -> int:
        """Settle as `Store.settle_pending` does, and raise what it raises."""
        settle = self._make_settle(self._read_book()) if self._settle is not None else None
        return self._store.settle_pending(settle) if settle is not None else 0

    def checkpoint(self) -> None:
        """Do now what a later write would have to do, as `Store.checkpoint`."""
        self._store.checkpoint()

    def _make_settle(self, book: PriceBook) -> Settle | None:
        if self._settle is None or not book:
            return self._settle
        return charge_corrections(self._settle, book, rates=self._rates)

    def _read_book(self) -> PriceBook:
        """Read what customers pay; rows that become wrong later are logged, and not adopted."""
        with self._reading:
            now_s = time.monotonic()
            if self._book_read_s is None or now_s - self._book_read_s >= REFRESH_S:
                try:
                    self._adopt_book()
                    self._problem = ""
                except (ConfigurationError, CustomerPriceError) as error:
                    if self._book_read_s is None:
                        raise
                    if str(error) != self._problem:
                        self._problem = str(error)
                        log.error("customers' prices stay as they were: %s", error)
                self._book_read_s = now_s
            return self._book

    def _adopt_book(self) -> None:
        with self._store.transaction() as connection:
            found = read_customer_book(connection, self._book)
            if found is not self._book:
                self._rates.update(read_rates(connection))
        self._book = found


def charge_corrections(settle: Settle, book: PriceBook, *, rates: Mapping[int, Rate]) -> Settle:
    """Make a `Settle` that charges what it merged by the customer prices of `book`."""

    def settle_and_charge(group: Sequence[Stored]) -> Sequence[Correction]:
        members = {stored.id: stored for stored in group}
        return [_charge_correction(each, members[each.id], book, rates) for each in settle(group)]

    return settle_and_charge


def _charge_correction(
    correction: Correction, stored: Stored, book: PriceBook, rates: Mapping[int, Rate]
) -> Correction:
    record = correction.record
    if _merged_content(record) == _merged_content(stored.facts):
        return correction
    if _charged_content(record) == _charged_content(stored.current):
        kept = {name: getattr(stored.current, name) for name in REVENUE_COLUMNS}
        return correction._replace(record=record._replace(**kept))
    rate = correction.rate or _find_rate(record, rates)
    return correction._replace(record=charge_record(record, book, rate=rate))


def _find_rate(record: UsageRecord, rates: Mapping[int, Rate]) -> Rate | None:
    return None if record.rate_id is None else rates.get(record.rate_id)
