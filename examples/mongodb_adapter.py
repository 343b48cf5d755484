"""An adapter for MongoDB: the records of a ledger, one document each, and statistics of them.

Input: a ledger and a MongoDB URL that names a database. Output: documents of the collection
`usage_record`, whose `_id` is `tenant/trace/span`, so that a record saved twice is one document.
Implements `spantoll.adapters.Adapter` with PyMongo (MongoDB, Inc.).

    pip install 'spantoll[exporter]' pymongo
    python examples/mongodb_adapter.py usage.db mongodb://127.0.0.1:27017/llm_tracking
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from pymongo import MongoClient, ReplaceOne, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError as InvalidUrl
from pymongo.errors import ConnectionFailure, PyMongoError

from spantoll.adapters import StatsFilter, UsageStats, save_ledger
from spantoll.errors import ConfigurationError, StoreUnavailable
from spantoll.records import UsageRecord
from spantoll.storage import open_store

COLLECTION = "usage_record"
SERVER_TIMEOUT_MS = 5_000
"""Longest wait for a server that can take a write."""
SUMS = ("input_tokens", "output_tokens", "cost_nano", "duration_ns")
NS_PER_MS = 1_000_000
FAILED = {"error", "timeout"}

Document = dict[str, Any]


class _Sum(NamedTuple):
    total: int
    records: int
    """How many records know the number."""


class MongodbAdapter:
    """Keeps priced records in MongoDB; see `spantoll.adapters.Adapter`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: MongoClient[Document] | None = None

    def connect(self) -> None:
        """Connect, and make the index that periods are read by."""
        try:
            self._client = MongoClient(self._url, serverSelectionTimeoutMS=SERVER_TIMEOUT_MS)
        except InvalidUrl as error:
            raise ConfigurationError(f"MongoDB URL: {error}") from error
        with self._records() as records:
            records.create_index("started_ns")

    def disconnect(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def save(self, record: UsageRecord) -> None:
        """Save one record."""
        self.save_batch([record])

    def save_batch(self, records: Sequence[UsageRecord]) -> None:
        """Insert each record, or replace the document that it is already."""
        documents = map(make_document, records)
        writes = [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents]
        if writes:
            with self._records() as collection:
                collection.bulk_write(writes)

    def get_stats(self, chosen: StatsFilter) -> UsageStats:
        """Add up the counted records that the filter chooses."""
        wanted = make_match(chosen)
        with self._records() as records:
            by_status = _sum_requests(records, wanted, "status")
            by_pricing = _sum_requests(records, wanted, "pricing_status")
            sums = {name: _sum_known(records, wanted, name) for name in SUMS}
        known = {name: each.total if each.records else None for name, each in sums.items()}
        counters = [known[name] for name in ("input_tokens", "output_tokens")]
        has_tokens = any(each is not None for each in counters)
        latency = sums["duration_ns"]
        return UsageStats(
            requests=sum(by_status.values()),
            successes=by_status.get("success", 0),
            errors=sum(number for status, number in by_status.items() if status in FAILED),
            input_tokens=known["input_tokens"],
            output_tokens=known["output_tokens"],
            total_tokens=sum(each or 0 for each in counters) if has_tokens else None,
            cost_nano=known["cost_nano"],
            unpriced_requests=by_pricing.get("unpriced", 0),
            latency_avg_ms=latency.total / (latency.records * NS_PER_MS)
            if latency.records
            else None,
        )

    @contextmanager
    def _records(self) -> Iterator[Collection[Document]]:
        """Give the collection. Raises StoreUnavailable for what may work later."""
        if self._client is None:
            raise StoreUnavailable("MongoDB: not connected")
        try:
            # On the disks of a majority of the replicas before `save` returns.
            durable = WriteConcern("majority", j=True)
            yield self._client.get_default_database().get_collection(
                COLLECTION, write_concern=durable
            )
        except InvalidUrl as error:
            raise ConfigurationError("MongoDB URL: name a database after the host") from error
        except PyMongoError as error:
            if error.timeout or isinstance(error, ConnectionFailure):
                raise StoreUnavailable(f"MongoDB: {error}") from error
            raise


def make_document(record: UsageRecord) -> Document:
    """Make the document of a record: ids as hexadecimal text, what is unknown left out."""
    fields = {
        name: value.hex() if isinstance(value, bytes) else value
        for name, value in record._asdict().items()
        if value is not None
    }
    return {"_id": f"{record.tenant_id}/{record.trace_id.hex()}/{record.span_id.hex()}", **fields}


def make_match(chosen: StatsFilter) -> Document:
    """Make the condition of the counted records that a filter chooses."""
    wanted: Document = {"counted": True}
    for name in ("project", "provider", "model"):
        if (value := getattr(chosen, name)) is not None:
            wanted[name] = value
    bounds = {"$gte": chosen.start_ns, "$lt": chosen.end_ns}
    if period := {name: bound for name, bound in bounds.items() if bound is not None}:
        wanted["started_ns"] = period
    return wanted


def _sum_requests(
    records: Collection[Document], wanted: Mapping[str, Any], field: str
) -> dict[str, int]:
    """Add up requests by the values of a field."""
    grouped = {"$group": {"_id": f"${field}", "requests": {"$sum": "$requests"}}}
    return {row["_id"]: row["requests"] for row in records.aggregate([{"$match": wanted}, grouped])}


def _sum_known(records: Collection[Document], wanted: Mapping[str, Any], field: str) -> _Sum:
    """Add up a field over the records that have it."""
    present = {**wanted, field: {"$exists": True}}
    summed = {"$group": {"_id": None, "total": {"$sum": f"${field}"}}}
    total = sum(row["total"] for row in records.aggregate([{"$match": present}, summed]))
    # Not counted in the same stage: FerretDB 1.24 answers 0 for the second sum of a group.
    return _Sum(total, records.count_documents(present))


def main(database: str, url: str) -> None:
    """Save every record of a ledger, and print what MongoDB then has."""
    adapter = MongodbAdapter(url)
    with closing(open_store(database, create=False)) as store:
        adapter.connect()
        try:
            print(f"{save_ledger(store.engine, adapter):,} records saved")
            for name, value in adapter.get_stats(StatsFilter())._asdict().items():
                print(f"{name:18} {'-' if value is None else f'{value:,}'}")
        finally:
            adapter.disconnect()


if __name__ == "__main__":
    main(*sys.argv[1:])
