"""The context of a price: what it depends on beyond provider, model and date.

Input: the text of a price row's `context`, or how a call was made. Output: a `Selector`, which
matches a row exactly or after dropping dimensions the provider has no price for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["CALL_DIMENSIONS", "Selector"]

_PART = re.compile(
    r"(?P<batch>batch)"
    r"|service_tier=(?P<service_tier>[\w.-]+)"
    r"|speed=(?P<speed>[\w.-]+)"
    r"|place=(?P<place>[\w.-]+)"
    r"|deployment=(?P<deployment>[\w.-]+)"
    r"|thinking=(?P<thinking>on|off)"
    r"|input_tokens>=(?P<min_input_tokens>\d+)"
    r"|utc=(?P<utc>\d\d:\d\d-\d\d:\d\d)"
    r"|days=(?P<days>\w+)"
)
CALL_DIMENSIONS = ("thinking", "deployment", "place", "speed", "service_tier", "batch")
"""What depends on how a call was made, in the order in which it is dropped for a weaker match."""

_PLAIN: Mapping[str, Any] = MappingProxyType(
    {"batch": False} | dict.fromkeys(CALL_DIMENSIONS[:-1], "")
)
_MISSING: Mapping[str, str] = MappingProxyType(
    {
        "deployment": "no price for %s deployments, list price",
        "place": "no price for inference in %s, list price",
        "speed": "no %s price then, list price",
        "service_tier": "no %s price then, list price",
        "batch": "no batch price then, list price",
    }
)


class Selector(NamedTuple):
    """What a price depends on beyond provider, model and date: the text in `Rate.context`.

    `batch;service_tier=flex;speed=fast;place=us;deployment=data_zone;thinking=on;
    input_tokens>=200001;utc=01:00-04:00;days=cn_workdays`, parts in this order, each only where it
    applies.
    """

    batch: bool = False
    service_tier: str = ""
    speed: str = ""
    min_input_tokens: int = 0
    """The long-context step: the whole request pays it from this total of input tokens on."""
    utc: str = ""
    """Time of day, start inclusive, end exclusive."""
    place: str = ""
    """Where inference is kept, if that has a price: `us`, `regional`, `eu-west-2`."""
    deployment: str = ""
    """A deployment type with a price of its own: `data_zone`, `regional`, `provisioned`."""
    thinking: str = ""
    """`on` or `off`, for models that bill an answer without reasoning at another rate."""
    days: str = ""
    """A calendar (see `calendars`) on whose working days alone the row holds."""

    @property
    def call(self) -> tuple[bool, str, str, str, str, str]:
        """What depends on how the call was made, not on its size or time."""
        return (
            self.batch,
            self.service_tier,
            self.speed,
            self.place,
            self.deployment,
            self.thinking,
        )

    @property
    def minutes(self) -> tuple[int, ...]:
        """The minutes of the day at which it begins and ceases to hold."""
        if not self.utc:
            return ()
        return tuple(int(mark[:2]) * 60 + int(mark[3:]) for mark in self.utc.split("-"))

    def covers(self, minute: int, *, is_rest_day: bool = False) -> bool:
        """Return True if it holds at this minute of the day."""
        if self.days and is_rest_day:
            return False
        if not self.utc:
            return True
        start, end = self.minutes
        if end <= start:
            return minute >= start or minute < end
        return start <= minute < end

    def weaker(self) -> Iterator[Selector]:
        """Yield itself, then what is left without one dimension or more: down to the list price."""
        yield self
        if self.call == _PLAIN_CALL:
            return
        chosen = [name for name in CALL_DIMENSIONS if getattr(self, name)]
        for count in range(1, len(chosen) + 1):
            for names in combinations(chosen, count):
                yield self._replace(**{name: _PLAIN[name] for name in names})

    def missing(self, wanted: Selector) -> tuple[str, ...]:
        """Name the dimensions of `wanted` that this lacks."""
        return tuple(
            name for name in CALL_DIMENSIONS if getattr(wanted, name) != getattr(self, name)
        )

    def describe_missing(self, wanted: Selector) -> tuple[str, ...]:
        """Say which prices `wanted` needs and this is not.

        `thinking` changes few models' prices, and a cloud region without a row is charged the list
        price, so neither is missed.
        """
        return tuple(
            _MISSING[name] % getattr(wanted, name) if "%" in _MISSING[name] else _MISSING[name]
            for name in self.missing(wanted)
            if name in _MISSING and not (name == "place" and "-" in wanted.place)
        )

    def __str__(self) -> str:
        parts = []
        if self.batch:
            parts.append("batch")
        named = ("service_tier", "speed", "place", "deployment", "thinking")
        parts += [f"{name}={getattr(self, name)}" for name in named if getattr(self, name)]
        if self.min_input_tokens:
            parts.append(f"input_tokens>={self.min_input_tokens}")
        if self.utc:
            parts.append(f"utc={self.utc}")
        if self.days:
            parts.append(f"days={self.days}")
        return ";".join(parts)

    @classmethod
    @lru_cache(maxsize=4096)
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


_PLAIN_CALL = Selector().call


def _typed(name: str, value: str) -> str | int | bool:
    if name == "batch":
        return True
    return int(value) if name == "min_input_tokens" else value
