"""An OpenTelemetry span exporter that writes to the ledger without a receiver.

Input: finished spans of this process. Output: priced records, committed when `export` returns
SUCCESS. The contract is that of `SpanExporter` in the OpenTelemetry SDK.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from spantoll.errors import StoreUnavailable
from spantoll.exporter.convert import to_spans
from spantoll.pipeline import Batch, Ingest, Ledger, make_settle
from spantoll.pipeline.user_pricing import load_user_card
from spantoll.semconv.kept import choose_attributes
from spantoll.settings import load_settings
from spantoll.storage import Store, open_store

__all__ = ["SpantollSpanExporter"]

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""How long one export waits for a database that has been answering."""
FIRST_PAUSE_S = 0.05


class _Opened(NamedTuple):
    store: Store
    ledger: Ledger
    ingest: Ingest


class SpantollSpanExporter(SpanExporter):
    """Writes the GenAI spans of this process to the ledger, priced, without a network.

    Without a `database` URL, the settings name one (SPANTOLL_DATABASE). It is opened by the first
    export of each process, so that an exporter survives a fork. Never raises into the application:
    what cannot be stored is logged and answered with FAILURE. Everything is durable when `export`
    returns SUCCESS; hence there is nothing left to flush.
    """

    def __init__(self, database: str | None = None) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._inherited: list[_Opened] = []
        self._answering = True
        self._shut_down = False
        if hasattr(os, "register_at_fork"):
            forget = weakref.WeakMethod(self._forget)
            os.register_at_fork(after_in_child=lambda: (method := forget()) and method())

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Price and store spans, skipping those that are not GenAI spans."""
        if self._shut_down:
            return SpanExportResult.FAILURE
        try:
            with self._lock:
                return self._export(spans)
        # SpanExporter.export never raises into the application.
        except Exception:
            log.exception("%d spans could not be stored", len(spans))
            return SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Answer True: every export ends with a commit."""
        return True

    def shutdown(self) -> None:
        """Close the database, after an export that is under way."""
        self._shut_down = True
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.store.close()

    def _export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        opened = self._open()
        batch = opened.ingest.spans(to_spans(spans), received_ns=time.time_ns(), source="exporter")
        if batch.records:
            self._write(opened.ledger, batch)
        return SpanExportResult.FAILURE if batch.rejected else SpanExportResult.SUCCESS

    def _write(self, ledger: Ledger, batch: Batch) -> None:
        deadline = time.monotonic() + (PATIENCE_S if self._answering else 0)
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                ledger.write(batch.records, rates=batch.rates)
            except StoreUnavailable:
                if time.monotonic() + pause_s > deadline:
                    self._answering = False
                    raise
                # Jitter: processes that were refused together do not retry together.
                time.sleep(pause_s * random.uniform(0.8, 1.2))  # noqa: S311  no secret
                pause_s *= 2
            else:
                self._answering = True
                return

    def _open(self) -> _Opened:
        if self._opened is None:
            settings = load_settings(database=self._database)
            choose_attributes(settings.kept_attributes)
            store = open_store(settings.database)
            card = load_user_card(store.engine)
            self._opened = _Opened(store, Ledger(store, settle=make_settle(card)), Ingest(card))
        return self._opened

    def _forget(self) -> None:
        """In a forked child: the parent's connection and lock are not ours.

        The connection is kept, untouched, because closing it can end the parent's session.
        """
        if self._opened is not None:
            self._inherited.append(self._opened)
        self._opened = None
        self._lock = threading.Lock()
