"""The period, zone and filters of a page, which are all in its address.

Input: the parameters of a request, under the names the REST API has. Output: `View`, arguments of
`query`, and addresses of other pages of the same view.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from fastapi import Request

from spantoll.errors import QueryError
from spantoll.query import AGAINST, Filter, Query, Window, parse_filters, parse_period
from spantoll.query.names import make_unknown_name_error
from spantoll.query.windows import find_zone, to_local_time
from spantoll.surfaces.dashboard.environments import Environments
from spantoll.surfaces.rest.context import RestContext
from spantoll.surfaces.rest.parameters import DECLARED

__all__ = ["PRESETS", "View", "read_or_default", "read_view"]

PRESETS: Mapping[str, Mapping[str, str]] = {
    "15 minutes": {"last": "15min"},
    "1 hour": {"last": "1h"},
    "24 hours": {"last": "24h"},
    "Today": {"from": "today"},
    "Yesterday": {"from": "today-1d", "to": "today"},
    "7 days": {"from": "today-6d"},
    "30 days": {"from": "today-29d"},
    "90 days": {"from": "today-89d"},
    "This week": {"from": "this_week"},
    "Last week": {"from": "this_week-1w", "to": "this_week"},
    "This month": {"from": "this_month"},
    "Last month": {"from": "this_month-1mo", "to": "this_month"},
    "This quarter": {"from": "this_quarter"},
    "This year": {"from": "this_year"},
    "Everything": {"last": ""},
}
"""Periods that are one click away. Days are whole days of the zone, today included: the bars of a
chart are comparable, all but the last one."""
DEFAULT = PRESETS["30 days"]
DAY_NS = 86_400 * 10**9
WINDOWS = (
    (DAY_NS // 12, "minute"),
    (2 * DAY_NS, "hour"),
    (92 * DAY_NS, "day"),
    (3 * 366 * DAY_NS, "month"),
)
"""The longest period that is shown in windows of a kind: up to about a hundred bars."""
LABELS = {"minute": "%Y-%m-%d %H:%M", "hour": "%Y-%m-%d %H:%M", "month": "%Y-%m", "year": "%Y-%m"}
"""How the beginning of a window is written, if not as a date."""
KEPT = ("from", "to", "last", "tz", "live", "fiscal_start", "against")
"""Parameters that outlive a click: the period, and after it what outlives a change of that."""
COMPARISONS: Mapping[str, str] = {
    "": "nothing",
    "previous": "the period before",
    "month": "the same days a month ago",
    "year": "the same days a year ago",
}
"""Values of the parameter `against` of the REST API, and what the form calls them."""
ENVIRONMENT = "environment="
"""The beginning of a filter by `deployment.environment.name`."""
EQUALITY = re.compile(r"[^=!<>^]+=")
"""The beginning of a filter by values of a field: the field and `=`."""
OF_PAGES = ("live", "month", "emitters", "pivot", "draw", "currency")
"""Parameters of pages that are no filters and that the REST API does not have."""


class View(NamedTuple):
    """What a page is about."""

    parameters: Mapping[str, str]
    """from, to, last, tz and live, as far as they are given."""
    where: tuple[str, ...]
    """Texts of filters, `field=value`."""
    filters: tuple[Filter, ...]
    """Those, and what the key of the request is limited to."""
    start_ns: int | None
    end_ns: int | None
    tz: str
    fiscal_start: int = 1
    """Month in which quarters and years begin."""
    now_ns: int = 0
    against: str = ""
    """Which earlier period the numbers are compared with, a key of COMPARISONS; empty for none."""
    environments: tuple[str | None, ...] = ()
    """Those that are offered as filters; None is that of calls which name none."""
    asked: tuple[tuple[str, str], ...] = ()
    """What else the page is asked for, in its own parameters."""

    @property
    def window(self) -> str:
        """The kind of window in which the period is shown."""
        if self.start_ns is None:
            return "month"
        length_ns = (self.end_ns or self.now_ns) - self.start_ns
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
            fiscal_start=self.fiscal_start,
            **more,  # type: ignore[arg-type]  # fields of Query
        )

    def link(self, path: str, *more: str, without: str | None = None, **changed: str) -> str:
        """Return the address of a page with this view, narrowed by more filters, and parameters."""
        kept = [text for text in self.where if text != without]
        pairs = [*({**self.parameters, **changed}.items())]
        pairs += [("where", text) for text in narrow_filters(kept, more)]
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def stay(self, path: str, *, without: str | None = None, **changed: str) -> str:
        """Return the address of the same page with what it is asked for, as `link` does."""
        address = self.link(path, without=without, **changed)
        return f"{address}{'&' if '?' in address else '?'}{urlencode(self.asked)}".rstrip("?&")

    @property
    def environment_filters(self) -> Mapping[str, str]:
        """Return the filter of each environment that is offered, with its name.

        Nothing where there is only one, or where several are chosen: these are chips.
        """
        chosen = [text for text in self.where if text.startswith(ENVIRONMENT)]
        offered = {f"{ENVIRONMENT}{name or ''}": name or "none" for name in self.environments}
        offered |= {text: text.removeprefix(ENVIRONMENT) or "none" for text in chosen}
        return offered if len(offered) > 1 and len(chosen) <= 1 else {}

    def clear_filters(self, path: str) -> str:
        """Return the address of the same page without filters."""
        return self._replace(where=()).stay(path)

    @property
    def presets(self) -> Mapping[str, Mapping[str, str]]:
        """The periods that are one click away; the fiscal year where it is not the calendar's."""
        if self.fiscal_start == 1:
            return PRESETS
        today = to_local_time(self.now_ns, find_zone(self.tz))
        year = today.year - (today.month < self.fiscal_start)
        return {**PRESETS, "Fiscal year": {"from": f"{year}-{self.fiscal_start:02d}-01"}}

    def preset(self, path: str, name: str) -> str:
        """Return the address of the same page over another period."""
        return self._replace(parameters={**self._keep(), **self.presets[name]}).stay(path)

    def is_preset(self, name: str) -> bool:
        """Return whether the view is of the period of a preset."""
        period = {key: text for key, text in self.parameters.items() if key in KEPT[:3] and text}
        return period == {key: text for key, text in self.presets[name].items() if text}

    def toggle_live(self, path: str) -> str:
        """Return the address of the same page that refreshes itself, or no longer does."""
        parameters = {name: value for name, value in self.parameters.items() if name != "live"}
        if not self.live:
            parameters["live"] = "1"
        return self._replace(parameters=parameters).stay(path)

    @property
    def live(self) -> bool:
        """Whether the page refreshes itself."""
        return bool(self.parameters.get("live"))

    @property
    def comparisons(self) -> Mapping[str, str]:
        """What the numbers can be compared with."""
        return COMPARISONS

    def is_whole(self, window: Window) -> bool:
        """Return whether all of a window is in the period, and over."""
        end_ns = self.now_ns if self.end_ns is None else min(self.end_ns, self.now_ns)
        return (self.start_ns or 0) <= window.start_ns and window.end_ns <= end_ns

    def list_parameters(self) -> list[tuple[str, str]]:
        """Return period, zone and filters as parameters of the REST API."""
        no_period = ("live", "fiscal_start", "against")
        pairs = [
            (name, text) for name, text in self.parameters.items() if text and name not in no_period
        ]
        if self.fiscal_start != 1:
            pairs.append(("fiscal_start", str(self.fiscal_start)))
        return [*pairs, *(("where", text) for text in self.where)]

    def _keep(self) -> dict[str, str]:
        """Return the parameters that outlive a change of the period."""
        return {name: self.parameters[name] for name in KEPT[3:] if name in self.parameters}

    def limit_to(self, window: Window) -> View:
        """Return this view of one window."""
        times = {
            name: to_local_time(ns, find_zone(self.tz)).isoformat()
            for name, ns in (("from", window.start_ns), ("to", window.end_ns))
        }
        return self._replace(parameters={**self._keep(), **times})

    def label(self, window: Window, kind: str | None = None) -> str:
        """Name a window of a kind, or of the view's, by its beginning in the zone of the view."""
        start = to_local_time(window.start_ns, find_zone(self.tz))
        return start.strftime(LABELS.get(kind or self.window, "%Y-%m-%d"))

    def show_time(self, ns: int) -> str:
        """Write a point in time in the zone of the view."""
        return f"{to_local_time(ns, find_zone(self.tz)):%Y-%m-%d %H:%M:%S}"

    def describe(self) -> str:
        """Write the period, zone and filters, as a printed page shows them."""
        start = "the beginning" if self.start_ns is None else self.show_time(self.start_ns)
        end_ns = self.now_ns if self.end_ns is None else self.end_ns
        filters = "; ".join(self.where) or "none"
        return f"{start} to {self.show_time(end_ns)} ({self.tz}). Filters: {filters}."


def narrow_filters(kept: Sequence[str], more: Sequence[str]) -> list[str]:
    """Return filters that keep what both keep, each a list of texts.

    Values of one field are alternatives (`model=a` and `model=b` keep both models), so the values
    that `more` has for a field take the place of those in `kept`, as far as these have them too.
    """
    fields = {match[0] for text in more if (match := EQUALITY.match(text))}
    replaced = {text for text in kept if (match := EQUALITY.match(text)) and match[0] in fields}
    common = {text.partition("=")[0] for text in more if text in replaced}
    added = [text for text in more if text in replaced or text.partition("=")[0] not in common]
    return list(dict.fromkeys([*(text for text in kept if text not in replaced), *added]))


def read_view(request: Request, context: RestContext, visible: Sequence[Filter]) -> View:
    """Read the view of a request; without a period it is the last 30 days. Raises QueryError."""
    given = request.query_params
    known: Environments = request.app.state.environments
    parameters = {name: given[name] for name in KEPT if name in given}
    times = ("from", "to", "last")
    if not any(name in parameters and (parameters[name] or name == "last") for name in times):
        parameters |= DEFAULT
    if parameters.get("from") or parameters.get("to"):
        parameters.pop("last", None)  # of the page whose form was sent with other times
    period = {name: parameters[name] for name in times if parameters.get(name)}
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
    named = [f"{name}={value}" for name, value in pairs if name not in (*DECLARED, *OF_PAGES)]
    where = tuple(dict.fromkeys((*own, *named)))
    filters = (*parse_filters(where), *visible)
    kept = {name: value for name, value in parameters.items() if value or name == "last"}
    return View(
        kept,
        where,
        filters,
        start_ns,
        end_ns,
        tz,
        read_fiscal_start(given.get("fiscal_start", ""), context),
        context.now_ns(),
        read_against(given.get("against", "")),
        known.fetch(context.engine, visible, now_ns=context.now_ns()),
    )


def read_fiscal_start(text: str, context: RestContext) -> int:
    """Read the month in which fiscal years begin; that of the settings where none is given."""
    if not text:
        return context.fiscal_start
    if not text.isdecimal() or not 1 <= int(text) <= 12:
        raise QueryError("fiscal_start: a month from 1 to 12", field="fiscal_start")
    return int(text)


def read_against(text: str) -> str:
    """Read with which earlier period numbers are compared. Raises QueryError."""
    if text not in COMPARISONS:
        raise make_unknown_name_error(text, field="against", allowed=AGAINST)
    return text


def read_or_default(
    request: Request, context: RestContext, visible: Sequence[Filter]
) -> tuple[View, str]:
    """Read the view of a request; where it cannot be read, the default one and the reason."""
    try:
        return read_view(request, context, visible), ""
    except QueryError as error:
        plain = Request({**request.scope, "query_string": b""})
        return read_view(plain, context, visible), str(error)
