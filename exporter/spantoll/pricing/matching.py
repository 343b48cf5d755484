"""Version boundaries: whether a longer name is a version of a model or another model.

Input: a known name and a longer one. Output: True only for dates, patch numbers and words such as
`-preview`. The catalogue's clauses are looser: `contains 'o4-mini'` matches the deployment
`my-o4-mini-eu`, `starts_with 'claude-opus-4-1'` a future `claude-opus-4-10`.
"""

from __future__ import annotations

import re

__all__ = ["is_fine_tune_of", "is_version_suffix", "starts_at_boundary"]

_WORD = r"latest|nightly|preview|exp|experimental|beta|stable|instruct|it|chat|customtools"
_SEGMENT = (
    r"20\d\d-[01]\d-[0-3]\d"  # 2024-08-06
    r"|[01]\d-[0-3]\d(?:-20\d\d)?"  # 05-06, 09-2025 is below
    r"|[01]\d-20\d\d"  # 09-2025
    r"|\d{3,4}|\d{6}|\d{8}"  # 001, 0613, 2509, 20241022
    r"|v\d+(?:\.\d+)?(?::\d+)*(?::\d+k)?"  # v2, v1:0, v2:0:200k
    rf"|{_WORD}"
)
_SUFFIX = re.compile(rf"(?:[-@.:](?:{_SEGMENT})|:\d+(?::\d+k)?)*")
_SIZE = re.compile(r"-\d+b\b")
_DATE_LIKE = frozenset({3, 4, 6, 8})
_BOUNDARY = frozenset("/.:@")
_SEPARATORS = frozenset("-@.:/")


def is_version_suffix(stem: str, suffix: str) -> bool:
    """Return True if `stem + suffix` is a version of `stem` and not another model.

    Dates, patch numbers, `-v1:0`, `-latest` and `-preview` are versions; sizes and words (`-mini`,
    `-pro`, `-8b`) are other models with other prices.
    """
    if not suffix:
        return True
    if stem[-1] in _SEPARATORS:
        # A stem that stops at a separator is open on purpose: `gemma-3-`, `gpt-5-nano-`.
        stem, suffix = stem[:-1], stem[-1] + suffix
        suffix = _SIZE.sub("", suffix, count=1)
    elif stem[-1].isdigit() and suffix[0].isdigit():
        # `claude-sonnet-4-2025` + `0514` completes a date; `claude-opus-4-1` + `0` is opus 4.10.
        begun = len(stem) - len(stem.rstrip("0123456789"))
        rest = suffix.lstrip("0123456789")
        if begun + len(suffix) - len(rest) not in _DATE_LIKE:
            return False
        suffix = rest
    return _SUFFIX.fullmatch(suffix) is not None


def starts_at_boundary(text: str, start: int) -> bool:
    """Return True if what stands before `start` is a path or vendor, not part of the name."""
    return start == 0 or text[start - 1] in _BOUNDARY


def is_fine_tune_of(text: str, stem: str) -> bool:
    """Return True if `text`, which begins with `stem`, is a fine-tune of that model."""
    if stem.endswith(".ft-"):
        return True
    kind, _, rest = text.partition(":")
    base = rest.partition(":")[0]
    return kind == "ft" and is_version_suffix(stem, f"{kind}:{base}"[len(stem) :])
