"""The period, zone and filters of a page, which are all in its address.

Input: the parameters of a request, under the names the REST API has. Output: `View`, arguments of
`query`, and addresses of other pages of the same view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from fastapi import Request

from spantoll.query import Filter, Query, Window, parse_filters, parse_period
from spantoll.query.windows import find_zone, to_local_time
from spantoll.surfaces.rest.context import RestContext
from spantoll.surfaces.rest.parameters import DECLARED

__all__ = ["PRESETS", "View", "read_view"]

PRESETS: Mapping[str, Mapping[str, str]] = {
    "24 hours": {"last": "24h"},
    "7 days": {"last": "7d"},
    "30 days": {"last": "30d"},
    "This month": {"from": "this_month"},
    "This year": {"from": "this_year"},
    "Everything": {"last": ""},
}
DEFAULT = {"last": "30d"}
DAY_NS = 86_400 * 10**9
WINDOWS = ((2 * DAY_NS, "hour"), (92 * DAY_NS, "day"), (3 * 366 * DAY_NS, "month"))
"""The longest period that is shown in windows of a kind: up to about a hundred bars."""
LABELS = {"hour": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}


class View(NamedTuple):
    """What a page is about."""

    parameters: Mapping[str, str]
    """from, to, last and tz, as far as they are given."""
    where: tuple[str, ...]
    """Texts of filters, `field=value`."""
    filters: tuple[Filter, ...]
    """Those, and what the key of the request is limited to."""
    start_ns: int | None
    end_ns: int | None
    tz: str

    @property
    def window(self) -> str:
        """The kind of window in which the period is shown."""
        if self.start_ns is None or self.end_ns is None:
            return "month"
        length_ns = self.end_ns - self.start_ns
        return next((kind for longest, kind in WINDOWS if length_ns <= longest), "year")

    def query(self, *measures: str, by: Sequence[str] = (), **more: object) -> Query:
        """Make a query of this view."""
        return Query(
            measures=measures,
            dimensions=by,
            filters=self.filters,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            tz=self.tz,
            **more,  # type: ignore[arg-type]  # fields of Query
        )

    def link(self, path: str, *more: str, without: str | None = None, **changed: str) -> str:
        """Return the address of a page with this view, more filters and changed parameters."""
        kept = [text for text in self.where if text != without]
        pairs = [*({**self.parameters, **changed}.items())]
        pairs += [("where", text) for text in dict.fromkeys((*kept, *more))]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def preset(self, path: str, name: str) -> str:
        """Return the address of this view over another period."""
        kept = {"tz": self.parameters["tz"]} if "tz" in self.parameters else {}
        return self._replace(parameters={**kept, **PRESETS[name]}).link(path)

    def narrow(self, window: Window) -> str:
        """Return the address of the records of one window."""
        times = {
            name: to_local_time(ns, find_zone(self.tz)).isoformat()
            for name, ns in (("from", window.start_ns), ("to", window.end_ns))
        }
        kept = {"tz": self.parameters["tz"]} if "tz" in self.parameters else {}
        return self._replace(parameters={**kept, **times}).link("/records")

    def label(self, window: Window) -> str:
        """Name a window by its beginning in the zone of the view."""
        start = to_local_time(window.start_ns, find_zone(self.tz))
        return start.strftime(LABELS[self.window])

    def show_time(self, ns: int) -> str:
        """Write a point in time in the zone of the view."""
        return f"{to_local_time(ns, find_zone(self.tz)):%Y-%m-%d %H:%M:%S}"


def read_view(request: Request, context: RestContext, visible: Sequence[Filter]) -> View:
    """Read the view of a request; without a period it is the last 30 days. Raises QueryError."""
    given = request.query_params
    parameters = {name: given[name] for name in ("from", "to", "last", "tz") if name in given}
    period = {name: value for name, value in parameters.items() if name != "tz" and value}
    if not period and "last" not in parameters:
        period = DEFAULT
    tz = parameters.get("tz") or context.tz
    start_ns, end_ns = parse_period(
        start=period.get("from"),
        end=period.get("to"),
        last=period.get("last"),
        tz=tz,
        now_ns=context.now_ns(),
    )
    pairs = given.multi_items()
    own = [text for name, text in pairs if name == "where" and text.strip()]
    named = [f"{name}={value}" for name, value in pairs if name not in DECLARED]
    where = tuple(dict.fromkeys((*own, *named)))
    filters = (*parse_filters(where), *visible)
    kept = {name: value for name, value in parameters.items() if value or name == "last"}
    return View(kept, where, filters, start_ns, end_ns, tz)
