"""What the user has given of prices, from the configuration file and the ledger, as a rate card.

Input: `[[prices]]`, `[[aliases]]` and `[[exchange_rates]]` of spantoll.toml, and a ledger. Output:
a `UserPricing` that does not contradict itself, or a rate card that follows it while it changes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from sqlalchemy import Engine

from spantoll.errors import NoLedger, SpantollError
from spantoll.pipeline.customer_book import read_customer_book
from spantoll.pipeline.file_pricing import read_file_pricing
from spantoll.pricing import RateCard, UserPricing, load_rate_card
from spantoll.pricing.documents import PriceDocument
from spantoll.storage import open_store, read_stored_pricing
from spantoll.storage.price_sets import find_current_sets, read_price_documents

__all__ = [
    "FOLLOW_S",
    "PriceFollower",
    "load_user_card",
    "open_documents",
    "open_user_card",
    "open_user_pricing",
    "read_current_documents",
    "read_user_pricing",
]

FOLLOW_S = 5.0
"""How often a running receiver looks for changed prices; a look reads a few small tables."""

log = logging.getLogger(__name__)


def read_user_pricing(engine: Engine | None) -> UserPricing:
    """Read both places. Raises PriceDataError for rows that overlap, also between them."""
    stored = UserPricing() if engine is None else read_stored_pricing(engine).pricing
    pricing = read_file_pricing().join(stored)
    pricing.check()
    return pricing


def load_user_card(engine: Engine | None) -> RateCard:
    """Load the rate card of the price sets of a ledger, with the user's own prices in front."""
    return load_rate_card(user=read_user_pricing(engine), documents=read_current_documents(engine))


def read_current_documents(engine: Engine | None) -> list[PriceDocument]:
    """Read the price sets that were chosen last; none where nothing was synced."""
    return [] if engine is None else read_price_documents(engine, find_current_sets(engine))


def open_user_card(database: str) -> RateCard:
    """Load the rate card for a command that needs no ledger: without one, of the file alone."""
    with _open_engine(database) as engine:
        return load_user_card(engine)


def open_user_pricing(database: str) -> UserPricing:
    """Read what the user has given; where there is no ledger yet, the file alone."""
    with _open_engine(database) as engine:
        return read_user_pricing(engine)


def open_documents(database: str) -> list[PriceDocument]:
    """Read the price sets of a ledger; none where there is no ledger yet."""
    with _open_engine(database) as engine:
        return read_current_documents(engine)


@contextmanager
def _open_engine(database: str) -> Iterator[Engine | None]:
    try:
        store = open_store(database, create=False)
    except NoLedger:
        yield None
        return
    try:
        yield store.engine
    finally:
        store.close()


class PriceFollower:
    """A rate card that follows what the user gives, looking every `FOLLOW_S` seconds.

    Rows that cannot be used are logged once, and the card keeps the prices it has. `close` ends the
    thread. Raises ConfigurationError, PriceDataError or CustomerPriceError when it is made.
    """

    def __init__(self, engine: Engine, *, every_s: float = FOLLOW_S) -> None:
        self._engine = engine
        self._every_s = every_s
        with engine.connect() as connection:
            read_customer_book(
                connection
            )  # customers' prices that cannot be used end the start too
        self._pricing = read_user_pricing(engine)
        self._sets = [each.sha256 for each in find_current_sets(engine)]
        self.card = load_user_card(engine)
        self._problem = ""
        self._closed = Event()
        self._thread = Thread(target=self._follow, name="spantoll-prices", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, after a look that is under way."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> bool:
        """Read the rows and adopt them if they have changed; return whether they had."""
        pricing = read_user_pricing(self._engine)
        current = find_current_sets(self._engine)
        sets = [each.sha256 for each in current]
        if (pricing, sets) == (self._pricing, self._sets):
            return False
        documents = read_price_documents(self._engine, current)
        self.card.adopt(load_rate_card(user=pricing, documents=documents))
        self._pricing, self._sets = pricing, sets
        return True

    def _follow(self) -> None:
        while not self._closed.wait(self._every_s):
            try:
                if self.look():
                    log.warning("own prices have changed: %d rows", len(self._pricing.prices))
                self._problem = ""
            except SpantollError as error:
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.error("own prices stay as they were: %s", error)
