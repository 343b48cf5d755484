"""The catalogue's match clauses, compiled into matches at version boundaries.

Input: a clause of genai-prices. Output: a function from a lower-case name to whether it matches;
`matching` says what a boundary is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from spantoll.pricing.matching import is_fine_tune_of, is_version_suffix, starts_at_boundary

if TYPE_CHECKING:
    from genai_prices import types as genai

__all__ = ["compile_matcher", "literal_of_clause", "split_alternatives"]

Matcher = Callable[[str], bool]


def split_alternatives(clause: genai.MatchLogic) -> Iterator[genai.MatchLogic]:
    """Yield the clauses of which any one is enough."""
    from genai_prices import types

    if isinstance(clause, types.ClauseOr):
        for part in clause.or_:
            yield from split_alternatives(part)
    else:
        yield clause


def literal_of_clause(clause: genai.MatchLogic) -> str:
    """Return the text a clause names, '' if it names none (a pattern, a combination)."""
    for kind in ("starts_with", "ends_with", "contains"):
        literal: str | None = getattr(clause, kind, None)
        if literal is not None:
            return literal.lower()
    return ""


def compile_matcher(clause: genai.MatchLogic) -> Matcher:
    """Compile a clause of the catalogue into a match at version boundaries, of lower-case names."""
    from genai_prices import types

    match clause:
        case types.ClauseEquals(equals=name):
            return name.lower().__eq__
        case types.ClauseStartsWith(starts_with=stem):
            return _prefix(stem.lower())
        case types.ClauseEndsWith(ends_with=stem):
            return _suffix(stem.lower())
        case types.ClauseContains(contains=stem):
            return _inner(stem.lower())
        case types.ClauseRegex(regex=pattern):
            return _regex(re.compile(pattern))
        case types.ClauseAnd(and_=parts):
            return _combined(all, [compile_matcher(part) for part in parts])
        case _:
            return _combined(any, [compile_matcher(part) for part in clause.or_])


def _combined(rule: Callable[[Iterator[bool]], bool], matchers: list[Matcher]) -> Matcher:
    return lambda name: rule(matches(name) for matches in matchers)


def _prefix(stem: str) -> Matcher:
    def matches(name: str) -> bool:
        if not name.startswith(stem):
            return False
        return is_version_suffix(stem, name[len(stem) :]) or is_fine_tune_of(name, stem)

    return matches


def _suffix(stem: str) -> Matcher:
    def matches(name: str) -> bool:
        return name.endswith(stem) and starts_at_boundary(name, len(name) - len(stem))

    return matches


def _inner(stem: str) -> Matcher:
    def matches(name: str) -> bool:
        start = name.find(stem)
        return (
            start >= 0
            and starts_at_boundary(name, start)
            and is_version_suffix(stem, name[start + len(stem) :])
        )

    return matches


def _regex(pattern: re.Pattern[str]) -> Matcher:
    closed = pattern.pattern.endswith("$")

    def matches(name: str) -> bool:
        match = pattern.match(name)
        if match is None:
            return False
        if closed or match.end() == 0:  # a pattern that consumes nothing is a condition
            return True
        start = max(name.rfind(separator, 0, match.end()) for separator in "-@.:")
        return start > 0 and is_version_suffix(name[:start], name[start:])

    return matches
