"""Colours and patterns of the groups of a chart.

Input: names of groups. Output: a `Style` for each: one of seven colours of Okabe and Ito
(https://jfly.uni-koeln.de/color/), which people with any colour vision can tell apart, and one of
four patterns. A name has the same style on every page; where two groups of one chart would share
one, the second by name takes the next that is free.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

__all__ = ["INCOMPLETE", "OTHERS", "PATTERNS", "PLAIN", "Style", "choose_styles"]

COLOURS = 7
"""Classes `s0` to `s6` of `static/style.css`; the next one is the grey of the others."""
PATTERNS = ("", "M0 8 8 0", "M4 0V8", "M0 4H8")
"""Lines on a tile of 8 by 8, as the data of an SVG path; none on bars of the first pattern."""
INCOMPLETE = "M-2 2 2 -2M0 8 8 0M6 10 10 6"
"""The lines on a bar whose window is incomplete."""


class Style(NamedTuple):
    """How the bars of a group are filled."""

    colour: int = 0
    """Number of the class."""
    pattern: int = 0
    """Index of PATTERNS."""


PLAIN = Style()
OTHERS = Style(COLOURS)
"""Of the sum of the groups that have no bars of their own."""
STYLES = [Style(colour, pattern) for pattern in range(len(PATTERNS)) for colour in range(COLOURS)]


def choose_styles(names: Sequence[str]) -> list[Style]:
    """Return the style of each name, no two the same up to as many names as there are styles."""
    chosen: dict[str, Style] = {}
    free = list(STYLES)
    for name in sorted(set(names)):
        first = crc32(name.encode()) % len(STYLES)
        order = STYLES[first:] + STYLES[:first]
        chosen[name] = next((style for style in order if style in free), order[0])
        if chosen[name] in free:
            free.remove(chosen[name])
    return [chosen[name] for name in names]
