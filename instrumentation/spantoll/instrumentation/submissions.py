"""Batches that this process has submitted: the span of each submission, and whom it was for.

Input: the span that submitted a batch, and the file the provider writes results to. Output: the
submission of a batch or file id. Bounded; another process, or a later one, finds nothing here, and
results then have no link and the attribution of their reader.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry.trace import SpanContext

__all__ = ["Submission", "add", "add_file", "find"]

MOST = 10_000


class Submission(NamedTuple):
    """A batch that was submitted."""

    batch_id: str | None = None
    span: SpanContext | None = None
    attribution: Mapping[str, Any] = {}


_submissions: OrderedDict[str, Submission] = OrderedDict()
_batch_of_file: OrderedDict[str, str] = OrderedDict()


def add(batch_id: str, span: SpanContext, attribution: Mapping[str, Any]) -> None:
    """Keep the span and the attribution of a submission."""
    _keep(_submissions, batch_id, Submission(batch_id, span, attribution))


def add_file(file_id: str, batch_id: str) -> None:
    """Keep which batch a file has the results of."""
    _keep(_batch_of_file, file_id, batch_id)


def find(batch_or_file_id: str) -> Submission:
    """Return the submission of a batch or of a file of results; an empty one if it is unknown."""
    batch_id = _batch_of_file.get(batch_or_file_id, batch_or_file_id)
    known = batch_id if batch_or_file_id in _batch_of_file else None
    return _submissions.get(batch_id, Submission(known))


def _keep(kept: OrderedDict[str, Any], key: str, value: Any) -> None:
    kept[key] = value
    while len(kept) > MOST:
        kept.popitem(last=False)
