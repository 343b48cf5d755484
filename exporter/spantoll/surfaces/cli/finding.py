from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """One thing that `spantoll doctor` looked at."""

    level: Literal["ok", "warning", "problem"]
    topic: str
    text: str
    advice: str = ""
