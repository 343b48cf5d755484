"""Import published prices as a price set of the ledger: on demand, or every 24 hours.

Input: `installed`, a URL or a file. Output: a stored price set, or PriceSetRefused with the reason;
then the set in use stays. Nothing is fetched unless a location is named.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import urllib3

from spantoll.errors import SpantollError
from spantoll.pricing.documents import (
    GENAI_PRICES,
    Leap,
    PriceDocument,
    PriceSetRefused,
    compare_documents,
    dump_installed,
    hold_models,
    read_document,
)
from spantoll.storage import Store
from spantoll.storage.price_sets import (
    choose_price_set,
    find_current_sets,
    list_price_sets,
    read_price_documents,
)

__all__ = [
    "INSTALLED",
    "PUBLISHED",
    "PriceRefresher",
    "Synced",
    "fetch_content",
    "start_refreshing",
    "sync_prices",
]

INSTALLED = "installed"
PUBLISHED = {
    "genai-prices": "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/"
    "new_data/v2/data.json",
    "litellm": "https://raw.githubusercontent.com/BerriAI/litellm/main/"
    "model_prices_and_context_window.json",
}
"""Short names of the published documents; fetched only when named."""
MAX_BYTES = 64 << 20
"""The documents have 1 to 2 MB; what is this large is something else."""
TIMEOUT_S = 30.0
REFRESH_S = 24 * 60 * 60.0

log = logging.getLogger(__name__)


class Synced(NamedTuple):
    """What an import did."""

    document: PriceDocument
    is_new: bool
    """False if the set was stored before."""
    leaps: tuple[Leap, ...]
    """Prices that leapt; their models keep the earlier entry unless they were accepted."""


def fetch_content(location: str) -> bytes:
    """Read a URL or a file. Raises PriceSetRefused."""
    location = PUBLISHED.get(location, location)
    if not location.startswith(("http://", "https://")):
        try:
            return Path(location).read_bytes()
        except OSError as error:
            raise PriceSetRefused(f"{location}: {error.strerror}") from None
    timeout = urllib3.Timeout(total=TIMEOUT_S)
    try:
        with urllib3.PoolManager(timeout=timeout, retries=urllib3.Retry(2, redirect=3)) as pool:
            answer = pool.request("GET", location, preload_content=False)
            try:
                if answer.status != 200:
                    raise PriceSetRefused(f"{location}: status {answer.status}")
                content = answer.read(MAX_BYTES + 1)
            finally:
                answer.close()
    except urllib3.exceptions.HTTPError as error:
        raise PriceSetRefused(f"{location}: {error}") from None
    if len(content) > MAX_BYTES:
        raise PriceSetRefused(f"{location}: more than {MAX_BYTES:,} bytes")
    return content


def sync_prices(
    store: Store, location: str, *, accept: bool = False, by: str | None = None, now_ns: int
) -> Synced:
    """Import the prices of a location; they bill from now on. The audit names `by`, if given.

    A price a hundred times its predecessor keeps the predecessor's entry of its model, unless
    `accept`. Raises PriceSetRefused for what is empty, unreadable or lost half its models, and
    StoreUnavailable; then nothing was changed.
    """
    day = datetime.fromtimestamp(now_ns // 10**9, UTC).date().isoformat()
    if location == INSTALLED:
        document = dump_installed(as_of=day)
    else:
        document = read_document(fetch_content(location), version=day, as_of=day)
    before = _find_predecessor(store, document)
    leaps = tuple(compare_documents(before, document)) if before is not None else ()
    if before is not None and leaps and not accept:
        document = hold_models(before, document, {(leap.provider, leap.model) for leap in leaps})
    is_new = choose_price_set(store, document, location=location, by=by, now_ns=now_ns)
    return Synced(document, is_new, leaps)


def _find_predecessor(store: Store, document: PriceDocument) -> PriceDocument | None:
    """Find what bills now in place of a document: the set chosen last, or the installed package."""
    current = [each for each in find_current_sets(store.engine) if each.source == document.source]
    if current:
        return read_price_documents(store.engine, current)[0]
    return dump_installed(as_of=document.as_of) if document.source == GENAI_PRICES else None


def start_refreshing(
    store: Store, locations: str, *, clock_ns: Callable[[], int]
) -> PriceRefresher:
    """Start to import locations, comma separated, every 24 hours; none where it is empty."""
    refresher = PriceRefresher(store, locations.split(","), clock_ns=clock_ns)
    refresher.start()
    return refresher


class PriceRefresher:
    """Imports locations every 24 hours while it runs; a failure is logged and the set stays.

    What was imported less than 24 hours ago is not fetched again at start. `close` ends the thread.
    """

    def __init__(
        self,
        store: Store,
        locations: Sequence[str],
        *,
        clock_ns: Callable[[], int],
        every_s: float = REFRESH_S,
    ) -> None:
        self._store = store
        self._locations = tuple(filter(None, map(str.strip, locations)))
        self._clock_ns = clock_ns
        self._every_s = every_s
        self._closed = Event()
        self._thread = Thread(target=self._refresh, name="spantoll-price-sync", daemon=True)

    def start(self) -> None:
        """Begin, if there is anything to import."""
        if self._locations:
            self._thread.start()

    def close(self) -> None:
        """End the thread; an import under way is not waited for longer than its timeout."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1)

    def refresh(self, location: str) -> Synced | None:
        """Import a location; log the reason and return None where that is refused."""
        try:
            synced = sync_prices(self._store, location, now_ns=self._clock_ns())
        except SpantollError as error:
            log.error("prices stay as they were: %s", error)
            return None
        for leap in synced.leaps:
            log.warning(
                "%s/%s keeps its price of %s: %s became %s a unit; `spantoll prices sync --accept`",
                *leap[:3],
                leap.before,
                leap.after,
            )
        return synced

    def refresh_due(self) -> None:
        """Import the locations that were not imported for 24 hours."""
        for location in self._locations:
            if self._is_due(location):
                self.refresh(location)

    def _refresh(self) -> None:
        while True:
            self.refresh_due()
            if self._closed.wait(min(self._every_s, 600.0)):
                return

    def _is_due(self, location: str) -> bool:
        try:
            chosen = [
                s.chosen_ns for s in list_price_sets(self._store.engine) if s.location == location
            ]
        except SpantollError:
            return False
        return not chosen or self._clock_ns() - max(chosen) >= self._every_s * 1e9
