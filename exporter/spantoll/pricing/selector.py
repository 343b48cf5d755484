from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["Selector"]

_PART = re.compile(
    r"(?P<batch>batch)"
    r"|service_tier=(?P<service_tier>[\w.-]+)"
    r"|speed=(?P<speed>[\w.-]+)"
    r"|input_tokens>=(?P<min_input_tokens>\d+)"
    r"|utc=(?P<utc>\d\d:\d\d-\d\d:\d\d)"
)
_CALL = ("speed", "service_tier", "batch")
_PLAIN: Mapping[str, Any] = MappingProxyType({"speed": "", "service_tier": "", "batch": False})


class Selector(NamedTuple):
    """What a price depends on beyond provider, model and date: the text in `Rate.context`.

    `batch;service_tier=flex;speed=fast;input_tokens>=200001;utc=01:00-04:00`, parts in this order,
    each only where it applies.
    """

    batch: bool = False
    service_tier: str = ""
    speed: str = ""
    min_input_tokens: int = 0
    """The long-context step: the whole request pays it from this total of input tokens on."""
    utc: str = ""
    """Time of day, start inclusive, end exclusive."""

    @property
    def call(self) -> tuple[bool, str, str]:
        """What depends on how the call was made, not on its size or time."""
        return self.batch, self.service_tier, self.speed

    @property
    def minutes(self) -> tuple[int, ...]:
        """The minutes of the day at which it begins and ceases to hold."""
        if not self.utc:
            return ()
        return tuple(int(mark[:2]) * 60 + int(mark[3:]) for mark in self.utc.split("-"))

    def covers(self, minute: int) -> bool:
        """Tell whether it holds at this minute of the day."""
        if not self.utc:
            return True
        start, end = self.minutes
        if end <= start:
            return minute >= start or minute < end
        return start <= minute < end

    def weaker(self) -> Iterator[Selector]:
        """Give itself, then what is left without speed, tier, batch: down to the list price."""
        yield self
        chosen = [name for name in _CALL if getattr(self, name)]
        for count in range(1, len(chosen) + 1):
            for names in combinations(chosen, count):
                yield self._replace(**{name: _PLAIN[name] for name in names})

    def shortfall(self, wanted: Selector) -> tuple[str, ...]:
        """Name what `wanted` asks for and this does not give."""
        return tuple(
            f"no {'batch' if name == 'batch' else getattr(wanted, name)} price then, list price"
            for name in _CALL
            if getattr(wanted, name) != getattr(self, name)
        )

    def __str__(self) -> str:
        parts = []
        if self.batch:
            parts.append("batch")
        if self.service_tier:
            parts.append(f"service_tier={self.service_tier}")
        if self.speed:
            parts.append(f"speed={self.speed}")
        if self.min_input_tokens:
            parts.append(f"input_tokens>={self.min_input_tokens}")
        if self.utc:
            parts.append(f"utc={self.utc}")
        return ";".join(parts)

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Read the text of `Rate.context`. Raises ValueError naming the part it cannot read."""
        selector = cls()
        for part in filter(None, text.split(";")):
            match = _PART.fullmatch(part)
            if match is None:
                raise ValueError(f"not a price context: {part!r}")
            ((name, value),) = ((n, v) for n, v in match.groupdict().items() if v is not None)
            fields: dict[str, Any] = {name: _typed(name, value)}
            selector = selector._replace(**fields)
        return selector


def _typed(name: str, value: str) -> str | int | bool:
    if name == "batch":
        return True
    return int(value) if name == "min_input_tokens" else value
