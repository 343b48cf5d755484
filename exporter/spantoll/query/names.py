from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from spantoll.errors import QueryError

__all__ = ["find_nearest", "make_unknown_name_error"]


def find_nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Find the allowed name a typing error most likely meant."""
    by_lower = {choice.lower(): choice for choice in allowed}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def make_unknown_name_error(
    name: str, *, field: str, allowed: Iterable[str], aliases: Iterable[str] = ()
) -> QueryError:
    """Make the error for an unknown name, with the allowed one that was probably meant."""
    choices = tuple(allowed)
    guess = find_nearest(name, (*choices, *aliases))
    hint = f"did you mean {guess!r}? " if guess else ""
    return QueryError(
        f"unknown {field} {name!r}: {hint}one of {', '.join(choices)}",
        field=field,
        allowed=choices,
    )
