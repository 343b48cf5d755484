"""Which calls of a connected group are billed, and which repeat another.

Input: the records of a group, as their own spans reported them. Output: a verdict for each. A pure
function: no order, no batch and no earlier decision plays a part, so late parents, late children
and re-deliveries end in the same answer. Which spans report one call is decided in `clusters`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple

from spantoll.pipeline.counting.clusters import Clusters
from spantoll.pipeline.counting.forest import Forest
from spantoll.records.record import UsageRecord
from spantoll.records.reported import is_billable, reports_usage

__all__ = ["Verdict", "count"]


class Verdict(NamedTuple):
    """What becomes of one record."""

    counted: bool
    reason: str
    """Counted: sole, counted (others repeat it), aggregate_sole, fetch_sole. Not counted:
    aggregate, fetch, tool, aggregate_usage (an aggregate has its usage, or it has an aggregate's),
    or the name of the rule of `EVIDENCE` that found it to repeat another."""
    repeats: int | None = None
    """Position of the counted record it repeats."""
    reports: tuple[int, ...] = ()
    """Positions of all records that report the call of a counted record, in order of rank."""


def count(
    records: Sequence[UsageRecord], *, common_ids: Collection[int | None] = ()
) -> list[Verdict]:
    """Decide for every record of a group; verdicts stand in the order of the records.

    `common_ids` are the response keys that too many records share to identify a response.
    """
    order = sorted(range(len(records)), key=lambda i: (records[i].trace_id, records[i].span_id))
    verdicts = _Verdicts([records[i] for i in order], common_ids).decide()
    answer: list[Verdict] = [Verdict(counted=False, reason="")] * len(records)
    for new, verdict in enumerate(verdicts):
        answer[order[new]] = verdict._replace(
            repeats=None if verdict.repeats is None else order[verdict.repeats],
            reports=tuple(order[each] for each in verdict.reports),
        )
    return answer


class _Verdicts:
    def __init__(self, records: Sequence[UsageRecord], common_ids: Collection[int | None]) -> None:
        self._records = records
        self._common_ids = common_ids
        self._forest = Forest(records)
        self._clusters = Clusters(records, self._forest, common_ids=common_ids)
        self._decided: dict[int, Verdict] = {}

    def decide(self) -> list[Verdict]:
        self._decide_calls()
        self._decide_aggregates()
        self._decide_fetches()
        return [
            self._decided.get(i) or Verdict(counted=False, reason=record.role)
            for i, record in enumerate(self._records)
        ]

    def _decide_calls(self) -> None:
        for members in self._clusters:
            for i in self._clusters.sums.intersection(members):
                self._decided[i] = Verdict(counted=False, reason="aggregate")
            reports = [i for i in members if i not in self._clusters.sums]
            if not reports:
                continue
            best, *others = sorted(reports, key=self._clusters.rank)
            reason = "counted" if others else "sole"
            self._decided[best] = Verdict(counted=True, reason=reason, reports=(best, *others))
            for i in others:
                rule = self._clusters.rule(i) or self._clusters.rule(best) or "nested"
                self._decided[i] = Verdict(counted=False, reason=rule, repeats=best)

    def _decide_aggregates(self) -> None:
        """Bill an aggregate only if nothing below it reports the usage that it sums up."""
        aggregates = [
            i
            for i, record in enumerate(self._records)
            if record.role == "aggregate" and reports_usage(record)
        ]
        for i in sorted(aggregates, key=lambda i: (-self._forest.depth(i), i)):
            below = self._forest.inside(i)
            if any(self._has_usage(j) for j in below):
                continue
            silent = [j for j in below if self._is_silent_call(j)]
            if len(silent) == 1:
                call = self._decided[silent[0]]
                self._decided[silent[0]] = call._replace(reports=(*call.reports, i))
                self._decided[i] = Verdict(False, "aggregate_usage", repeats=silent[0])
            else:
                reports = (i, *self._only_model_below(i, below))
                self._decided[i] = Verdict(True, "aggregate_sole", reports=reports)
                for j in silent:
                    self._decided[j] = Verdict(False, "aggregate_usage", repeats=i)

    def _has_usage(self, i: int) -> bool:
        record = self._records[i]
        if is_billable(record):
            return self._clusters.report_usage(i)
        return record.role == "aggregate" and reports_usage(record)

    def _is_silent_call(self, i: int) -> bool:
        return (
            is_billable(self._records[i])
            and self._records[i].status == "success"
            and self._decided[i].counted
        )

    def _only_model_below(self, above: int, below: Sequence[int]) -> list[int]:
        """Find what names the model that an aggregate does not, if there is but one below it."""
        if _models(self._records[above]):
            return []
        naming = [
            i
            for i in sorted(below, key=lambda i: self._records[i].span_id)
            if _models(self._records[i]) and self._records[i].status == "success"
        ]
        return naming[:1] if len({_models(self._records[i]) for i in naming}) == 1 else []

    def _decide_fetches(self) -> None:
        """Bill a fetched response once, and only if the call that made it is not recorded."""
        billed = {
            key: i
            for i, verdict in self._decided.items()
            if verdict.counted and (key := self._response(i))
        }
        fetched: defaultdict[str, list[int]] = defaultdict(list)
        for i, record in enumerate(self._records):
            if record.role == "fetch" and reports_usage(record) and (key := self._response(i)):
                fetched[key].append(i)
        for response_id, fetches in fetched.items():
            if response_id in billed:
                for i in fetches:
                    self._decided[i] = Verdict(False, "response_id", repeats=billed[response_id])
                continue
            last, *others = sorted(fetches, key=lambda i: (-self._records[i].started_ns, i))
            self._decided[last] = Verdict(True, "fetch_sole", reports=(last, *others))
            for i in others:
                self._decided[i] = Verdict(False, "response_id", repeats=last)

    def _response(self, i: int) -> str | None:
        """Return the response id, if it identifies one response (see `records.response_key`)."""
        key = self._records[i].response_key
        usable = key is not None and key not in self._common_ids
        return self._records[i].response_id if usable else None


def _models(record: UsageRecord) -> tuple[str, ...]:
    return tuple(name for name in (record.request_model, record.response_model) if name)
