"""Why a page has nothing to show, and what to do.

Input: a view without a counted call. Output: the cause, and addresses that do show calls. Causes
are tried in this order: a filter leaves out the calls of the period; its records are deleted; the
calls are of another period; no call is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Engine

from spantoll.query import Filter, RecordQuery, Window, list_records, parse_filters, run
from spantoll.query.windows import find_zone, list_windows
from spantoll.surfaces.dashboard.period import View

__all__ = ["Nothing", "explain_nothing"]


class WayOut(NamedTuple):
    """A link to a view that has calls."""

    text: str
    address: str


class Nothing(NamedTuple):
    """The cause, and the ways out of it."""

    cause: str
    ways: Sequence[WayOut]


def explain_nothing(engine: Engine, view: View, visible: Sequence[Filter], path: str) -> Nothing:
    """Return why no counted call matches a view; `visible` is what the key is limited to."""
    result = run(engine, view.query("requests"))
    without = view._replace(filters=tuple(visible))
    if not result.totals.requests and view.where and _count(engine, without):
        return Nothing(
            "No calls match the filters in this period.",
            [*_list_filters(engine, view, visible, path), _clear_filters(view, path)],
        )
    if result.notes:
        sums = WayOut("What is known of their sums", view.link("/"))
        return Nothing(" ".join(result.notes), [sums, _show_everything(view, path)])
    newest_ns = _find_newest(engine, view.filters) or _find_newest(engine, visible)
    if newest_ns is None:
        uncounted = WayOut("all records", view.link("/records", uncounted="true"))
        return Nothing("No call is counted; to see what is stored, look at", [uncounted])
    day = _find_day(view, newest_ns)
    return Nothing(
        f"No calls in this period. The newest call is of {view.show_time(newest_ns)} ({view.tz}).",
        [
            WayOut(f"Show {view.label(day, 'day')}", view.limit_to(day).stay(path)),
            _show_everything(view, path),
        ],
    )


def _list_filters(
    engine: Engine, view: View, visible: Sequence[Filter], path: str
) -> Iterator[WayOut]:
    """Yield how many calls there are without each filter that alone leaves them out."""
    for text in view.where:
        others = parse_filters(each for each in view.where if each != text)
        if count := _count(engine, view._replace(filters=(*others, *visible))):
            calls = "1 call" if count == 1 else f"{count:,} calls"
            yield WayOut(f"Remove {text}: {calls}", view.stay(path, without=text))


def _clear_filters(view: View, path: str) -> WayOut:
    return WayOut("Remove all filters", view.clear_filters(path))


def _show_everything(view: View, path: str) -> WayOut:
    return WayOut("Show everything", view.preset(path, "Everything"))


def _count(engine: Engine, view: View) -> int:
    return run(engine, view.query("requests")).totals.requests


def _find_newest(engine: Engine, filters: Sequence[Filter]) -> int | None:
    """Return when the newest counted call began, in UTC nanoseconds."""
    newest = list_records(engine, RecordQuery(filters=filters, limit=1)).records
    return newest[0].record.started_ns if newest else None


def _find_day(view: View, time_ns: int) -> Window:
    """Return the day of a time in the zone of the view."""
    zone = find_zone(view.tz)
    return list_windows("day", start_ns=time_ns, end_ns=time_ns + 1, tz=zone)[0]
