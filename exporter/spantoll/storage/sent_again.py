"""Spans that are sent again: which stored records become what another version reports.

Input: the records of a write of which some were stored already. Output: changes of stored records.
Some senders export a span when it starts and again, under the same ids, when it has ended (AgentOps
does so: `agentops.in_flight`). Of versions with different ranks (`rank_version`) the one with the
higher rank is stored, whichever came first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from sqlalchemy import Connection, LargeBinary, bindparam, select

from spantoll.records.column_spec import Merge
from spantoll.records.columns import FACTS, usage_record
from spantoll.records.record import COLUMNS, UsageRecord
from spantoll.records.reported import end_ns, reports_usage
from spantoll.storage.amend import VOIDED
from spantoll.storage.facts import stored
from spantoll.storage.lookups import SpanId, part_by_trace
from spantoll.storage.statements import bind_list
from spantoll.storage.store import Stored

__all__ = ["Versions", "complete_stored", "find_versions", "leave_groups", "rank_version"]

Versions = Mapping[SpanId, UsageRecord]
"""By tenant, trace id and span id, the version of a span that outranks the others of a write."""

r = usage_record.c
_USAGE = tuple(name for name, spec in COLUMNS.items() if spec.merge is Merge.USAGE)
_RANKED = ("started_ns", "duration_ns", *_USAGE)
_read_ranked = attrgetter(*_RANKED)
_of_spans = (
    r.tenant_id == bindparam("tenant"),
    r.trace_id.in_(bind_list("traces", LargeBinary())),
    r.span_id.in_(bind_list("spans", LargeBinary())),
)
_ranked = select(
    r.tenant_id, r.trace_id, r.span_id, r[FACTS].is_not(None), *(r[name] for name in _RANKED)
).where(*_of_spans)
_whole = select(usage_record).where(*_of_spans)


def rank_version(record: UsageRecord) -> tuple[bool, bool, int]:
    """Order the versions of a span: of two that differ here, the greater one stays, else the first.

    One with usage before one without, one with output before one without, the later end.
    """
    return reports_usage(record), record.output_tokens is not None, end_ns(record)


def find_versions(records: Iterable[UsageRecord]) -> Versions:
    """Find the version of each span that outranks the others."""
    found: dict[SpanId, UsageRecord] = {}
    for record in records:
        known = found.setdefault(record[:3], record)
        if known is not record and rank_version(record) > rank_version(known):
            found[record[:3]] = record
    return found


def complete_stored(connection: Connection, versions: Versions) -> Iterator[tuple[Stored, Stored]]:
    """Yield the stored records that these versions outrank, as they are and as they are to be.

    A void record stays void. The time of receipt stays, by which ClickHouse keeps its rows.
    """
    for wanted in part_by_trace(list(_find_differing(connection, versions))):
        for row in connection.execute(_whole, wanted).all():
            before = stored(row)
            version = versions.get(before.facts[:3])
            if (
                version is not None
                and rank_version(version) > rank_version(before.facts)
                and before.facts.counted_reason != VOIDED
            ):
                facts = version._replace(received_ns=before.facts.received_ns)
                yield before, before._replace(facts=facts, current=facts)


def leave_groups(
    groups: Iterable[Sequence[Stored]], leaving: Sequence[Stored]
) -> Iterator[list[Stored]]:
    """Yield, without the records `leaving`, the groups in which one of them is joined with others.

    These have to be settled before it changes: its new keys may not lead to them any more.
    """
    gone = {record.id for record in leaving}
    spans = {_span(record.facts) for record in leaving}
    repeating = {record.id for record in leaving if record.current.repeats_span is not None}
    for group in groups:
        if any(each.id in repeating or each.current.repeats_span in spans for each in group):
            yield [each for each in group if each.id not in gone]


def _span(record: UsageRecord) -> bytes:
    return record.trace_id + record.span_id


def _find_differing(connection: Connection, versions: Versions) -> Iterator[SpanId]:
    """Yield the spans whose stored record may be outranked, by as few columns as tell it.

    Of a merged record all columns must be read: it has values that its own span did not report.
    """
    for wanted in part_by_trace(versions):
        for tenant, trace_id, span_id, is_merged, *values in connection.execute(_ranked, wanted):
            version = versions.get((tenant, trace_id, span_id))
            if version is not None and (is_merged or _read_ranked(version) != tuple(values)):
                yield tenant, trace_id, span_id
