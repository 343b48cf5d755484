from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

from spantoll.otlp.span import Rejected
from spantoll.semconv.dialect import AttributeValue

__all__ = ["Batch", "Context"]

Item = TypeVar("Item")


class Context(NamedTuple):
    """What all items of one scope share."""

    resource: Mapping[str, AttributeValue]
    scope_name: str
    scope_version: str
    schema_url: str
    flaws: tuple[str, ...]


class Batch(Generic[Item]):
    """The items of one request while they are read."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.received = 0
        self.skipped = 0
        self._refused: Counter[str] = Counter()

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count items that can never be read."""
        self._refused[reason] += count

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """What was refused, most frequent reason first."""
        return tuple(Rejected(count, reason) for reason, count in self._refused.most_common())
