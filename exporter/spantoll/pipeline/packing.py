"""The messages between a receiver and its worker processes, as bytes and back.

Input: a `Job`, prices, or the `Batch` or error that a job became. Output: bytes of `marshal`, the
fastest codec for tuples of plain values. Both ends are one installation: no format for files or
networks. A message follows its length, four bytes, big-endian.
"""

from __future__ import annotations

import marshal
import pickle
import struct
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from spantoll.errors import BadRequest, StoreUnavailable, UnsupportedMedia
from spantoll.otlp import Rejected
from spantoll.pipeline.ingest import Batch
from spantoll.pricing import Rate, RateCard, UnitPrice
from spantoll.records import UsageRecord

__all__ = [
    "LENGTH",
    "Job",
    "Prices",
    "pack_batch",
    "pack_error",
    "pack_job",
    "pack_prices",
    "unpack_batch",
    "unpack_order",
]

LENGTH: Final = struct.Struct(">I")
"""Of a message: 4 GiB at most, sixty times the largest body."""

PERMANENT = {error.__name__: error for error in (BadRequest, UnsupportedMedia)}
"""What a job may fail with however often it is sent; every other failure may pass."""

PackedRate = tuple[Any, ...]
"""The fields of a `Rate` in their order, amounts as text: hashable, and known to `marshal`."""


class Job(NamedTuple):
    """One decompressed export request, as `Ingest` takes it."""

    signal: str
    """The step of `Ingest` that takes it: traces or logs."""
    body: bytes
    received_ns: int
    content_type: str
    tenant: str


class Prices(NamedTuple):
    """What jobs are priced and read by from now on."""

    card: RateCard
    attributes: str
    """Those that records keep beside their columns, see `choose_attributes`."""


def pack_job(job: Job) -> bytes:
    """Pack a job for `unpack_order`."""
    return marshal.dumps(tuple(job))


def pack_prices(prices: Prices) -> bytes:
    """Pack prices for `unpack_order`."""
    return marshal.dumps((pickle.dumps(tuple(prices), pickle.HIGHEST_PROTOCOL),))


def unpack_order(message: bytes) -> Job | Prices:
    """Unpack what a receiver sends."""
    fields = marshal.loads(message)  # noqa: S302  from the process that started this one
    if len(fields) == 1:
        return Prices(*pickle.loads(fields[0]))  # noqa: S301  from the same process
    return Job(*fields)


def pack_batch(batch: Batch) -> bytes:
    """Pack what a job became for `unpack_batch`."""
    return marshal.dumps(
        (
            list(map(tuple, batch.records)),
            list(map(_pack_rate, batch.rates)),
            batch.received,
            batch.skipped,
            [tuple(refused) for refused in batch.rejected],
            batch.warning,
        )
    )


def pack_error(error: Exception) -> bytes:
    """Pack what a job failed with for `unpack_batch`."""
    return marshal.dumps((type(error).__name__, str(error)))


def unpack_batch(message: bytes) -> Batch:
    """Unpack the batch of a job.

    Raises BadRequest or UnsupportedMedia where the job did, and StoreUnavailable for anything else
    that it failed with.
    """
    fields: Sequence[Any] = marshal.loads(message)  # noqa: S302  from a process we started
    if len(fields) == 2:
        name, text = fields
        if name in PERMANENT:
            raise PERMANENT[name](text)
        raise StoreUnavailable(f"unexpected {name}, please send again")
    records, rates, received, skipped, rejected, warning = fields
    return Batch(
        list(map(UsageRecord._make, records)),
        tuple(map(_unpack_rate, rates)),
        received,
        skipped,
        [Rejected(spans, reason) for spans, reason in rejected],
        warning,
    )


@lru_cache(maxsize=4096)
def _pack_rate(rate: Rate) -> PackedRate:
    units = tuple(
        (unit.metric, str(unit.amount_usd), unit.per, unit.source, unit.doubt)
        for unit in rate.prices
    )
    rate_id, provider, model, context, _, *rest = rate
    return (rate_id, provider, model, context, units, *rest)


@lru_cache(maxsize=4096)
def _unpack_rate(packed: PackedRate) -> Rate:
    rate_id, provider, model, context, units, *rest = packed
    prices = tuple(
        UnitPrice(metric, Decimal(amount), per, source, doubt)
        for metric, amount, per, source, doubt in units
    )
    return Rate(rate_id, provider, model, context, prices, *rest)
