"""The options of a usage query, which `spantoll usage` and `export` have in common.

Input: a command with a parameter `asked` of `UsageOptions`. Output: the command as Typer reads it,
with an option for each field in the place of that parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from spantoll.surfaces.cli.options import (
    All,
    By,
    Exact,
    Fill,
    FiscalStart,
    From,
    Last,
    Limit,
    Measures,
    Order,
    Others,
    To,
    Tz,
    WeekStart,
    Where,
    WindowName,
)

if TYPE_CHECKING:
    from spantoll.query import Query
    from spantoll.surfaces.cli.ledger import Opened

__all__ = ["UsageOptions", "take_usage_options"]


class UsageOptions(NamedTuple):
    """What was asked for, option by option."""

    by: By = None
    measure: Measures = None
    where: Where = None
    from_: From = None
    to: To = None
    last: Last = None
    window: WindowName = "total"
    tz: Tz = None
    order: Order = None
    limit: Limit = None
    uncounted: All = False
    fill: Fill = False
    others: Others = False
    week_start: WeekStart = None
    fiscal_start: FiscalStart = None
    exact: Exact = False

    def read_query(self, ledger: Opened) -> Query:
        """Return the query, in the zone and by the fiscal year of the settings where none is given.

        Raises QueryError.
        """
        from spantoll.query import parse_query
        from spantoll.surfaces.cli.ledger import now_ns

        return parse_query(
            measure=self.measure or (),
            by=self.by or (),
            where=self.where or (),
            start=self.from_,
            end=self.to,
            last=self.last,
            window=self.window,
            tz=self.tz or ledger.settings.tz,
            order=self.order or (),
            limit=self.limit,
            uncounted=self.uncounted,
            exact=self.exact,
            fill=self.fill,
            others=self.others,
            week_start=self.week_start,
            fiscal_start=self.fiscal_start or ledger.settings.fiscal_start,
            now_ns=now_ns(),
        )


def take_usage_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a usage query in the place of its parameter `asked`."""
    types = get_type_hints(UsageOptions, include_extras=True)
    shared = {
        name: Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=UsageOptions._field_defaults[name],
            annotation=types[name],
        )
        for name in UsageOptions._fields
    }
    parameters: dict[str, Parameter] = {}
    for name, parameter in signature(command, eval_str=True).parameters.items():
        keyword = parameter.replace(kind=Parameter.KEYWORD_ONLY)
        parameters |= shared if name == "asked" else {name: keyword}

    @wraps(command)
    def run(**given: Any) -> None:
        asked = UsageOptions(**{name: given.pop(name) for name in shared})
        command(asked=asked, **given)

    del run.__wrapped__  # Typer would read its annotations
    run.__signature__ = Signature(list(parameters.values()))  # type: ignore[attr-defined]  # PEP 362
    run.__annotations__ = {name: each.annotation for name, each in parameters.items()}
    return run
