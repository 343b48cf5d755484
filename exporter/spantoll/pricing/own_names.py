"""How a user's row names providers and models, and how well it matches those of a call.

Input: `gpt-4o`, `prefix:gpt-4o`, `pattern:*-eu` or `*`, and the name a call carries. Output: how
specific the match is, or None. Names are in lower case; `azure` and `google` stand for all theirs.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

from spantoll.pricing import aliases
from spantoll.pricing.matching import is_version_suffix
from spantoll.pricing.own_text import read_name
from spantoll.pricing.shipped import PriceDataError
from spantoll.pricing.table import ANY
from spantoll.semconv.providers import canonical

__all__ = ["is_exact_model", "rank_model", "rank_provider", "read_model", "read_provider"]

WHOLE_LISTS = frozenset({"azure", "google"})
"""Names that stand for several providers with one price list, and so are kept as they are."""
_PATTERN = re.compile(r"pattern:.*[^*?\s].*")


def read_provider(value: Any, position: str) -> str:
    """Read a provider by any of its spellings. Raises PriceDataError."""
    name = read_name(value, "provider", position, limit=64)
    return name if name in WHOLE_LISTS else canonical(name) or name


def read_model(value: Any, position: str) -> str:
    """Read a name, prefix or pattern. Raises PriceDataError."""
    name = read_name(value, "model", position, limit=191)
    kind, text = _split_kind(name)
    if kind == "prefix" and (not text or "*" in text):
        raise PriceDataError(f"{position}: `prefix:` takes the beginning of a name, without `*`")
    if kind == "pattern" and _PATTERN.fullmatch(name) is None:
        raise PriceDataError(
            f"{position}: a pattern must name a part of the model; `*` alone is the default price"
        )
    if not kind and name != ANY and "*" in name:
        raise PriceDataError(f"{position}: write `pattern:{name}` to match more than one model")
    return name


def is_exact_model(written: str) -> bool:
    """Return True if a row is for one name only: no prefix, no pattern, not `*`."""
    return written != ANY and not _split_kind(written)[0]


def _split_kind(written: str) -> tuple[str, str]:
    """Split `prefix:gpt-4o` into its kind and its text; the kind of a name is empty."""
    kind, mark, text = written.partition(":")
    return (kind, text) if mark and kind in {"prefix", "pattern"} else ("", written)


def rank_provider(written: str, provider: str | None) -> int | None:
    """Rank a match: its own name, then `azure` or `google`, then `*`; None if it is none."""
    if provider is not None and written == provider:
        return 2
    if provider is not None and written == aliases.PROVIDERS.get(provider):
        return 1
    return 0 if written == ANY else None


def rank_model(written: str, model: str) -> tuple[int, int] | None:
    """Rank a match: exact, then the longest prefix, the longest pattern, `*`; None if none."""
    if written == model:
        return 3, 0
    kind, text = _split_kind(written)
    if kind == "prefix" and model.startswith(text) and is_version_suffix(text, model[len(text) :]):
        return 2, len(text)
    if kind == "pattern" and fnmatchcase(model, text):
        return 1, len(text)
    return (0, 0) if written == ANY else None
