"""Which models of the ledger a bill means by its names.

Input: the names of both sides, and the user's aliases. Output: ledger name -> bill name. Bills use
display names (`Claude Haiku 4.5`) and codes (`Claude4.6Sonnet`). Two names match only if they have
the same words, the same numbers in the same order and no two different dates; similar names do not
match, and a name that matches several names of the bill is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["match_models"]

DATE = re.compile(r"[-@](20\d\d)-?([01]\d)-?([0-3]\d)(?=\D|$)")
VENDOR = re.compile(r"^(?:[a-z][a-z0-9-]*\.)+(?=[a-z])")
"""`us.anthropic.`, `openai.`: geography and vendor before the id of a Bedrock model."""
VERSION = re.compile(r"-v\d+:\d+(?::\w+)?$")
"""`-v1:0` at the end of a Bedrock id: the version of the interface, not of the model."""
SHORT_VERSION = re.compile(r"-v\d+$")
"""The same without a minor version; elsewhere, as in `deepseek-v3`, it is part of the name."""
ZERO = re.compile(r"\.0(?!\d)")
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
NUMBER = re.compile(r"\d+")


class NameParts(NamedTuple):
    """What a model name consists of."""

    words: tuple[str, ...]
    """Sorted, lower case."""
    numbers: tuple[int, ...]
    """In their order: 4.5 is not 5.4."""
    date: str | None
    """The snapshot, as 20240806."""


def split_name(name: str) -> NameParts:
    """Split a name into words, numbers and date, without vendor, geography and ARN."""
    bare = name.strip().rpartition("/")[2]
    model = VENDOR.sub("", bare)
    bare = VERSION.sub("", model if model == bare else SHORT_VERSION.sub("", model))
    found = DATE.search(bare)
    if found is not None:
        bare = bare[: found.start()] + bare[found.end() :]
    bare = ZERO.sub("", bare)
    return NameParts(
        tuple(sorted(word.lower() for word in WORD.findall(bare))),
        tuple(int(number) for number in NUMBER.findall(bare)),
        "".join(found.groups()) if found is not None else None,
    )


def match_models(
    ledger: Iterable[str], bill: Iterable[str], *, aliases: Mapping[str, str]
) -> Mapping[str, str]:
    """Match names of the ledger to names of the bill; `aliases` are bill name -> ledger name.

    A name without a match is left out.
    """
    billed = {name: split_name(name) for name in bill}
    by_lower = {name.lower(): name for name in billed}
    given = {ledger_name.lower(): bill_name for bill_name, ledger_name in aliases.items()}
    matched: dict[str, str] = {}
    for name in ledger:
        exact = given.get(name.lower()) or by_lower.get(name.lower())
        if exact is not None:
            matched[name] = exact
            continue
        parts = split_name(name)
        candidates = [each for each, other in billed.items() if _is_same(parts, other)]
        if len(candidates) == 1:
            matched[name] = candidates[0]
    return matched


def _is_same(one: NameParts, other: NameParts) -> bool:
    same_date = one.date is None or other.date is None or one.date == other.date
    return one[:2] == other[:2] and same_date
