"""Make every text of a record one that its column can take.

Input: a record of what a sender sent. Output: the same record, or one with the text repaired and
cut to the lengths of `COLUMNS`, and the changes noted in its column `flaws`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any

from sqlalchemy import String, Text

from spantoll.otlp.text import from_str as repair_text
from spantoll.records.record import COLUMNS, UsageRecord

__all__ = ["TRUNCATED", "fit_record"]

TRUNCATED = "truncated"

_FIELDS = UsageRecord._fields
_FLAWS = _FIELDS.index("flaws")
_TENANT = _FIELDS.index("tenant_id")

_LENGTHS: dict[int, int | None] = {
    index: None if isinstance(spec.type, Text) else spec.type.length
    for index, spec in enumerate(COLUMNS.values())
    if isinstance(spec.type, String)
}
"""Position of every text column -> characters it takes, None where it has no bound."""

_SHORT, _LONG = 16, 64


def _pick_columns(
    accepts: Callable[[int], bool],
) -> Callable[[UsageRecord], tuple[str | None, ...]]:
    picked = [
        index
        for index, length in _LENGTHS.items()
        if length is not None and accepts(length) and not COLUMNS[_FIELDS[index]].constant
    ]
    return itemgetter(*picked)


_narrow = _pick_columns(lambda length: length < _LONG)
_wide = _pick_columns(lambda length: length >= _LONG)


def fit_record(record: UsageRecord) -> UsageRecord:
    """Make every text one that its column can take, and note in `flaws` what that changed.

    Text is cut to the column (`truncated`); NUL and lone surrogates, which databases refuse,
    become U+FFFD. JSON columns are valid and bounded by construction. The longest text of two
    groups of columns shows that nearly every record needs no repair.
    """
    narrow = "".join(filter(None, _narrow(record)))
    wide = list(filter(None, _wide(record)))
    together = "".join(wide)
    if (
        len(narrow) <= _SHORT
        and max(map(len, wide)) <= _LONG
        and together.isascii()
        and narrow.isascii()
        and "\0" not in together
        and "\0" not in narrow
    ):
        return record
    return _repair_record(record)


def _repair_record(record: UsageRecord) -> UsageRecord:
    values: list[Any] = list(record)
    flaws: list[str] = record.flaws.split(",") if record.flaws else []
    known = len(flaws)
    for index, length in _LENGTHS.items():
        text = values[index]
        if text is None or length is None:
            continue
        text = repair_text(text, flaws)
        if len(text) > length:
            text = _cut_text(text, length, distinct=index == _TENANT)
            flaws.append(TRUNCATED)
        values[index] = text
    if len(flaws) > known:
        values[_FLAWS] = _join_flaws(flaws, _LENGTHS[_FLAWS] or 0)
    return UsageRecord(*values)


def _cut_text(text: str, length: int, *, distinct: bool) -> str:
    if not distinct:
        return text[:length]
    # Two long tenants with one beginning must not become one tenant.
    digest = blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{text[: length - len(digest) - 1]}~{digest}"


def _join_flaws(flaws: Sequence[str], length: int) -> str:
    """Join as many whole flaws as fit."""
    listed = ",".join(dict.fromkeys(flaws))
    return listed if len(listed) <= length else listed[: length + 1].rpartition(",")[0]
