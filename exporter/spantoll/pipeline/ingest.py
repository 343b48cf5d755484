"""The steps from bytes to priced records: decode, read, price, record.

Input: one decompressed export request of OTLP. Output: a `Batch` of records, the rates they name,
and how many spans or log records were received, skipped and rejected. One bad span is rejected
alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from spantoll import semconv
from spantoll.otlp import (
    PROTOBUF,
    Decoded,
    DecodedLogs,
    LogRecord,
    Rejected,
    Span,
    decode_logs,
    decode_traces,
)
from spantoll.pricing import Priced, Rate, RateCard
from spantoll.records import UsageRecord, to_record
from spantoll.records.build import DEFAULT_TENANT
from spantoll.records.times import with_plausible_times
from spantoll.semconv import ModelCall

__all__ = ["Batch", "Ingest"]

log = logging.getLogger(__name__)

Item = TypeVar("Item", Span, LogRecord)

GROUP = 128
"""Items that take a step together: their values and the code of a step stay in the CPU's caches."""


class Batch(NamedTuple):
    """What one request became: `received == len(records) + skipped + sum of rejected counts`."""

    records: Sequence[UsageRecord]
    rates: Sequence[Rate]
    """Every rate a record of this batch names; to be stored before the records."""
    received: int
    skipped: int
    """Spans and log records that are no GenAI telemetry: acknowledged, not stored."""
    rejected: Sequence[Rejected]
    warning: str = ""

    @property
    def rejected_count(self) -> int:
        """How many were refused, for whatever reason."""
        return sum(refusal.spans for refusal in self.rejected)


class Ingest:
    """The steps from spans to priced records, in order: read, price, record.

    Pure but for the caches of the rate card: no clock, no socket, no database. May be used from
    several threads at once.
    """

    def __init__(self, rate_card: RateCard) -> None:
        self._rate_card = rate_card

    def traces(
        self,
        body: bytes,
        *,
        received_ns: int,
        content_type: str = PROTOBUF,
        tenant: str = DEFAULT_TENANT,
        source: str = "otlp_trace",
    ) -> Batch:
        """Turn one decompressed export request of spans into records. Raises BadRequest."""
        decoded = decode_traces(body, content_type=content_type, wanted=semconv.could_be_genai)
        batch = self.spans(decoded.spans, received_ns=received_ns, tenant=tenant, source=source)
        return _with_decoded(batch, decoded)

    def logs(
        self,
        body: bytes,
        *,
        received_ns: int,
        content_type: str = PROTOBUF,
        tenant: str = DEFAULT_TENANT,
        source: str = "otlp_log",
    ) -> Batch:
        """Turn one decompressed export request of log records into records. Raises BadRequest."""
        wanted = semconv.could_be_genai_event
        decoded = decode_logs(body, content_type=content_type, wanted=wanted)
        logs = decoded.records
        batch = self._records(logs, semconv.read_log, received_ns, tenant, source)
        return _with_decoded(batch, decoded)

    def spans(
        self,
        spans: Iterable[Span],
        *,
        received_ns: int,
        tenant: str = DEFAULT_TENANT,
        source: str = "otlp_trace",
    ) -> Batch:
        """Turn decoded spans into records."""
        return self._records(spans, semconv.read, received_ns, tenant, source)

    def _records(
        self,
        items: Iterable[Item],
        read: Callable[[Item], ModelCall | None],
        received_ns: int,
        tenant: str,
        source: str,
    ) -> Batch:
        items = list(items)
        records: list[UsageRecord] = []
        rates: dict[int, Rate] = {}
        rejected: list[Rejected] = []
        pending = [items[at : at + GROUP] for at in range(0, len(items), GROUP)][::-1]
        while pending:
            group = pending.pop()
            try:
                made, named = self._take_steps(group, read, received_ns, tenant, source)
            # A defect that one span brings to light: sent again it would fail again, and as a
            # refusal of the request it would cost all its neighbours.
            except Exception as error:
                if len(group) > 1:
                    pending.extend([item] for item in reversed(group))
                    continue
                log.exception("what scope %r sent cannot be read", group[0].scope_name)
                rejected.append(Rejected(1, f"cannot be read: {type(error).__name__}"))
                continue
            records.extend(made)
            rates.update(named)
        skipped = len(items) - len(records) - len(rejected)
        return Batch(records, tuple(rates.values()), len(items), skipped, rejected)

    def _take_steps(
        self,
        items: Sequence[Item],
        read: Callable[[Item], ModelCall | None],
        received_ns: int,
        tenant: str,
        source: str,
    ) -> tuple[list[UsageRecord], dict[int, Rate]]:
        """Take each step for all items, then the next; return records and rates by their ids."""
        calls = [
            with_plausible_times(call, item.flaws, received_ns=received_ns)
            for item in items
            if (call := read(item)) is not None
        ]
        answers = [self._rate_card.price(call) for call, _ in calls]
        records = [
            to_record(
                call, answer, tenant=tenant, source=source, received_ns=received_ns, flaws=flaws
            )
            for (call, flaws), answer in zip(calls, answers, strict=True)
        ]
        rates = [answer.rate for answer in answers if type(answer) is Priced]
        return records, {rate.rate_id: rate for rate in rates if rate is not None}


def _with_decoded(batch: Batch, decoded: Decoded | DecodedLogs) -> Batch:
    return batch._replace(
        received=decoded.received,
        skipped=batch.skipped + decoded.skipped,
        rejected=[*decoded.rejected, *batch.rejected],
        warning=decoded.warning,
    )
