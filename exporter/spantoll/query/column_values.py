"""Show the values of one column of some records, and encode them for a format of lines.

Input: stored values of a column. Output: a `PlainColumn`. An export has about a hundred values a
record, most of them unknown or repeated names: equal values are shown once where many are equal,
and only text of any characters is encoded by a function of its format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

__all__ = ["Content", "Encoding", "PlainColumn", "Show", "show_values"]

Show = Callable[[Any], Any]
"""Makes the plain value of a stored one that is known."""

SAMPLE = 256
"""Values at the beginning of a column that decide whether it repeats."""


class Content(Enum):
    """What the plain values of a column are, unknown ones aside."""

    NUMBERS = "numbers"
    """Finite ones, which every format writes as Python does."""
    SAFE_TEXT = "safe text"
    """Money, times and ids: only letters, digits and `.:+-`, and no formula of a spreadsheet."""
    ANY = "any"


class Encoding(NamedTuple):
    """How a format writes plain values."""

    encode: Callable[[Sequence[Any]], list[str]]
    """Write any values; None is unknown."""
    unknown: str
    """What is written for None."""
    quote: str
    """What encloses text that needs no other care."""


class PlainColumn(NamedTuple):
    """The values of one column of some records."""

    values: Sequence[Any]
    is_constant: bool
    """Whether all are the same: most columns of an export are, being unknown or a default."""


def show_values(
    values: Sequence[Any],
    show: Show | None,
    *,
    content: Content = Content.ANY,
    encoding: Encoding | None = None,
) -> PlainColumn:
    """Show values, at least one, and encode them if there is an encoding; None is unknown.

    `show` is None for values that are shown as they are stored.
    """
    count = len(values)
    first = values[0]
    if values.count(first) == count:
        return PlainColumn(_show_each((first,), show, content, encoding) * count, True)
    sample = values[:SAMPLE]
    if 2 * len(set(sample)) > len(sample):
        return PlainColumn(_show_each(values, show, content, encoding), False)
    different = tuple(dict.fromkeys(values))
    shown = dict(zip(different, _show_each(different, show, content, encoding), strict=True))
    return PlainColumn(list(map(shown.__getitem__, values)), False)


def _show_each(
    values: Sequence[Any], show: Show | None, content: Content, encoding: Encoding | None
) -> list[Any]:
    plain = (
        list(values)
        if show is None
        else [None if value is None else show(value) for value in values]
    )
    if encoding is None:
        return plain
    if content is Content.ANY:
        return encoding.encode(plain)
    unknown, quote = encoding.unknown, encoding.quote
    if content is Content.NUMBERS or not quote:
        return [unknown if value is None else str(value) for value in plain]
    return [unknown if value is None else f"{quote}{value}{quote}" for value in plain]
