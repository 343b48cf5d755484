"""Spans that are sent again: which stored records become what a later version reports.

Input: the records of a write of which some were stored already. Output: changes of stored records.
The first version of a span stays, unless it reports no usage and a later one does: some senders
export a span when it starts and again, under the same ids, when it has ended (AgentOps does so:
`agentops.in_flight`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Connection, LargeBinary, bindparam, func, or_, select

from spantoll.records.columns import FACTS, usage_record
from spantoll.records.record import UsageRecord
from spantoll.records.reported import reports_usage
from spantoll.storage.amend import VOIDED
from spantoll.storage.facts import stored
from spantoll.storage.lookups import part_by_trace
from spantoll.storage.statements import bind_list
from spantoll.storage.store import Stored

__all__ = ["Versions", "complete_stored", "find_versions"]

Versions = Mapping[tuple[str, bytes, bytes], UsageRecord]
"""By tenant, trace id and span id, the first version of a span that reports usage."""

r = usage_record.c
_tokens = func.coalesce(r.input_tokens, 0) + func.coalesce(r.output_tokens, 0)
_may_lack_usage = select(usage_record).where(
    r.tenant_id == bindparam("tenant"),
    r.trace_id.in_(bind_list("traces", LargeBinary())),
    r.span_id.in_(bind_list("spans", LargeBinary())),
    # What was merged has usage that its own span did not report.
    or_(_tokens == 0, r[FACTS].is_not(None)),
)


def find_versions(records: Iterable[UsageRecord]) -> Versions:
    """Find the first version with usage of each span."""
    found: dict[tuple[str, bytes, bytes], UsageRecord] = {}
    for record in records:
        if reports_usage(record):
            found.setdefault(record[:3], record)
    return found


def complete_stored(connection: Connection, versions: Versions) -> Iterator[tuple[Stored, Stored]]:
    """Yield the stored records without usage of these spans, as they are and as they are to be.

    A void record stays void. The time of receipt stays, by which ClickHouse keeps its rows.
    """
    for wanted in part_by_trace(versions):
        for row in connection.execute(_may_lack_usage, wanted).all():
            before = stored(row)
            version = versions.get(before.facts[:3])
            if (
                version is not None
                and not reports_usage(before.facts)
                and before.facts.counted_reason != VOIDED
            ):
                facts = version._replace(received_ns=before.facts.received_ns)
                yield before, before._replace(facts=facts, current=facts)
