from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from spantoll import semconv
from spantoll.otlp import Rejected, Span, decode_traces
from spantoll.pricing import Priced, Rate, RateCard
from spantoll.records import UsageRecord, to_record

__all__ = ["Batch", "Ingest"]

log = logging.getLogger(__name__)

DEFAULT_TENANT = "default"


class Batch(NamedTuple):
    """What one request became: `received == len(records) + skipped + sum of rejected counts`."""

    records: Sequence[UsageRecord]
    rates: Sequence[Rate]
    """Every rate a record of this batch names; to be stored before the records."""
    received: int
    skipped: int
    """Spans that are not GenAI spans: acknowledged, not stored."""
    rejected: Sequence[Rejected]
    warning: str = ""

    @property
    def rejected_count(self) -> int:
        """How many spans were refused, for whatever reason."""
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
        content_type: str = "application/x-protobuf",
        tenant: str = DEFAULT_TENANT,
        source: str = "otlp_trace",
    ) -> Batch:
        """Turn one decompressed export request into records. Raises BadRequest."""
        decoded = decode_traces(body, content_type=content_type, wanted=semconv.could_be_genai)
        batch = self.spans(decoded.spans, received_ns=received_ns, tenant=tenant, source=source)
        return batch._replace(
            received=decoded.received,
            skipped=batch.skipped + decoded.skipped,
            rejected=[*decoded.rejected, *batch.rejected],
            warning=decoded.warning,
        )

    def spans(
        self,
        spans: Iterable[Span],
        *,
        received_ns: int,
        tenant: str = DEFAULT_TENANT,
        source: str = "otlp_trace",
    ) -> Batch:
        """Turn decoded spans into records."""
        read, price = semconv.read, self._rate_card.price
        records: list[UsageRecord] = []
        rates: dict[int, Rate] = {}
        rejected: list[Rejected] = []
        received = skipped = 0
        for span in spans:
            received += 1
            try:
                call = read(span)
                if call is None:
                    skipped += 1
                    continue
                answer = price(call)
                record = to_record(
                    call,
                    answer,
                    tenant=tenant,
                    source=source,
                    received_ns=received_ns,
                    flaws=span.flaws,
                )
            # A defect that one span brings to light: sent again it would fail again, and as a
            # refusal of the request it would cost all its neighbours.
            except Exception as error:
                log.exception("span of scope %r cannot be read", span.scope_name)
                rejected.append(Rejected(1, f"cannot be read: {type(error).__name__}"))
                continue
            if type(answer) is Priced and answer.rate is not None:
                rates[answer.rate.rate_id] = answer.rate
            records.append(record)
        return Batch(records, tuple(rates.values()), received, skipped, rejected)
