"""Add what the user gives of prices to the ledger, each change in one transaction.

Input: checked rows of one kind. Output: what was added, ended and there already. A row that
overlaps one in force is refused, or, on demand, ends it: the older row is withdrawn and the rest of
its validity is added again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, NamedTuple

from spantoll.pipeline.file_pricing import read_file_pricing
from spantoll.pricing.shipped import PriceDataError
from spantoll.pricing.validity import end_ns, find_overlap, start_ns
from spantoll.storage import Store, change_pricing
from spantoll.storage.own_prices import Change, R, RowKind, StoredPricing, StoredRow, read_rows

__all__ = ["Added", "add_rows"]


class Added(NamedTuple, Generic[R]):
    """What a change did to the rows of the ledger."""

    added: tuple[R, ...]
    unchanged: int
    """Rows that were there already, with the same content and dates."""
    ended: tuple[R, ...]
    """Rows that were withdrawn because a new one takes their place."""


def add_rows(
    store: Store,
    kind: RowKind[R],
    rows: Sequence[R],
    *,
    replace: bool = False,
    by: str | None = None,
    now_ns: int,
) -> Added[R]:
    """Add rows to those of the ledger; with `replace` they end those they overlap.

    Raises PriceDataError naming both rows where two overlap, or where a currency has no rate, and
    StoreUnavailable; then nothing was changed.
    """
    done: list[Added[R]] = []

    def decide(stored: StoredPricing) -> Change:
        change, added = _plan(stored, kind, rows, replace=replace)
        done.append(added)
        return change

    change_pricing(store, decide, by=by, now_ns=now_ns)
    return done[-1]


def _plan(
    stored: StoredPricing, kind: RowKind[R], rows: Sequence[R], *, replace: bool
) -> tuple[Change, Added[R]]:
    in_force: dict[R, tuple[R, StoredRow]] = {
        row._replace(position=""): (row, at) for row, at in read_rows(stored, kind).items()
    }
    new: list[R] = [row for row in rows if row._replace(position="") not in in_force]
    ended: list[tuple[R, StoredRow]] = []
    if replace:
        ended = [pair for pair in in_force.values() if _overlaps_any(pair[0], new)]
    rest: list[R] = [part for row, _ in ended for part in _subtract_all(row, new)]
    gone = {at.id for _, at in ended}
    kept: list[R] = [row for row, at in in_force.values() if at.id not in gone]
    _check(stored, kind, kept + rest + new, can_replace=not replace)
    added = Added(tuple(new), len(rows) - len(new), tuple(row for row, _ in ended))
    values = [kind.values(row) for row in rest + new]
    return Change(kind.table, values, [at for _, at in ended]), added


def _check(
    stored: StoredPricing, kind: RowKind[R], rows: Sequence[R], *, can_replace: bool
) -> None:
    fields: dict[str, Any] = {kind.field: tuple(rows)}
    changed = stored.pricing._replace(**fields)
    try:
        read_file_pricing().join(changed).check()
    except PriceDataError as error:
        if can_replace and "overlap" in str(error):
            raise PriceDataError(f"{error}; --replace ends the older row") from None
        raise


def _overlaps_any(row: R, others: Sequence[R]) -> bool:
    return any(find_overlap((row, other)) is not None for other in others)


def _subtract_all(row: R, others: Sequence[R]) -> list[R]:
    """Return the parts of a row's validity in which none of the others takes its place."""
    parts = [row]
    for other in others:
        parts = [rest for part in parts for rest in _subtract(part, other)]
    return parts


def _subtract(row: R, other: R) -> Iterator[R]:
    if find_overlap((row, other)) is None:
        yield row
        return
    if start_ns(row.valid_from) < start_ns(other.valid_from):
        yield row._replace(valid_to=other.valid_from)
    if end_ns(other.valid_to) < end_ns(row.valid_to):
        yield row._replace(valid_from=other.valid_to)
